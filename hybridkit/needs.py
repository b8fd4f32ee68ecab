"""What a study needs that is not on this machine, each with the command that gets it; asks no network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hybridkit import encoder as encoders
from hybridkit.checkpoints import e5small, folder
from hybridkit.errors import InputError
from hybridkit.naming import split_name
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
    wanted = [("rows", name) for name in study.rows.files]
    wanted += [("benchmark", base_name(name)) for name in study.benchmarks if base_name(name) != "held-out"]
    wanted += [("judged set", name) for name in study.judged]
    wanted += [("lexicon", name) for name in study.lexicons]
    found = [Need(of, told) for of, name in dict.fromkeys(wanted) for told in _data(of, name, study)]
    settings = [study.encoder, *(study.part(part)[0] for part in study.parts)]
    encoders = dict.fromkeys(told for one in settings for told in _encoder(one.name, study.encoder_at(one.name)))
    return found + [Need("encoder", told) for told in encoders]


def _data(of: str, name: str, study: Study) -> Iterator[str]:
    name = {"atlas": "atlas-lexicon"}.get(name, name) if of == "lexicon" else name.removesuffix("-paragraphs")
    if split_name(name)[0] not in DATA_SETS:
        path = Path(split_name(study.at(name))[0]).expanduser()
        if not (path.is_file() if of in ("rows", "benchmark") else path.is_dir()):
            kind = "file" if of in ("rows", "benchmark") else "folder"
            why = f"no such {kind} ({path}), and none of the kit's"
            yield f"{of} {name}: {why}; paths in a study start from its own folder"
        return
    data = data_set(name)
    if locate(data) is None:
        size = sum(pins().get(file, (0, ""))[0] for file in data.files)
        known = f", {size / 1e6:,.1f} MB" if size else ""
        files = f"{len(data.files)} file{'s' if len(data.files) > 1 else ''}{known}"
        cure = f'hybridkit data fetch "{name}"' if data.address else "put it into a folder that HYBRIDKIT_DATA names"
        yield f"{of} {name} ({files}; licence {data.licence}): {cure}"


def _encoder(name: str, place: str) -> Iterator[str]:
    if name == "static" or Path(place).expanduser().is_dir():
        return
    if place != name:
        yield f"encoder {name}: no such folder ({place}); paths start from the study's own folder"
        return
    if name == "e5-small":
        try:
            e5small.locate()
            return
        except InputError:
            pass  # no wheel: the hub's
    if folder.here(encoders.ALIASES.get(name, name)) is None:
        yield f"encoder {name} ({encoders.ALIASES.get(name, 'of the hub')}): hybridkit model fetch {name}"
