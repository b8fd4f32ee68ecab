"""What a study needs that is not on this machine, each with the command that gets it; asks no network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hybridkit import encoder as encoders
from hybridkit.checkpoints import e5small, folder
from hybridkit.errors import InputError
from hybridkit.naming import split_name
from hybridkit.sections import EncoderSettings
from hybridkit.sources.benchmarks import base_name
from hybridkit.sources.registry import DATA_SETS, data_set, locate, pins
from hybridkit.study import Study


@dataclass(frozen=True)
class Need:
    """Something that is missing: whether it is of the rows, a benchmark, a lexicon or the encoder, and what to do."""

    of: str
    told: str


def missing(study: Study) -> list[Need]:
    """Everything that a study needs and this machine lacks, in the order of the study.

    >>> from hybridkit.study import open_study
    >>> missing(open_study("quick"))
    []
    """
    lexicons = [getattr(strategy, "lexicon", "") for strategy in study.every_strategy()]
    wanted = [("rows", name) for name in study.rows.files]
    wanted += [("benchmark", base_name(name)) for name in study.benchmarks if name != "held-out"]
    wanted += [("lexicon", name) for name in lexicons if name in DATA_SETS]
    found = [Need(of, told) for of, name in dict.fromkeys(wanted) for told in _data(of, name)]
    settings = [study.encoder, *(study.part(part)[0] for part in study.parts)]
    return found + [Need("encoder", told) for told in dict.fromkeys(one for each in settings for one in _encoder(each))]


def _data(of: str, name: str) -> Iterator[str]:
    if split_name(name)[0] not in DATA_SETS:
        if not Path(name).expanduser().is_file():
            yield f"{of} {name}: no such file, and no data set of the kit; check the path"
        return
    data = data_set(name)
    if locate(data) is None:
        size = sum(pins().get(file, (0, ""))[0] for file in data.files)
        known = f", {size / 1e6:,.1f} MB" if size else ""
        files = f"{len(data.files)} file{'s' if len(data.files) > 1 else ''}{known}"
        cure = f'hybridkit data fetch "{name}"' if data.address else "put it into a folder that HYBRIDKIT_DATA names"
        yield f"{of} {name} ({files}; licence {data.licence}): {cure}"


def _encoder(settings: EncoderSettings) -> Iterator[str]:
    name = settings.name
    if name == "static" or Path(name).expanduser().is_dir():
        return
    if name == "e5-small":
        try:
            e5small.locate()
            return
        except InputError:
            pass  # no wheel: the hub's
    if folder.here(encoders.ALIASES.get(name, name)) is None:
        yield f"encoder {name} ({encoders.ALIASES.get(name, 'of the hub')}): hybridkit model fetch {name}"
