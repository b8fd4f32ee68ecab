"""The table of the data sets that the kit knows: files, licence, citation, origin and reader."""

import json
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from hybridkit.data.rows import Row
from hybridkit.data.sources import mmarco, training_questions, translated_sets
from hybridkit.data.storage.corpus_writer import CorpusWriter
from hybridkit.errors import InputError
from hybridkit.utils.naming import meant, split_name
from hybridkit.utils.paths import bundled, data_folders

_LAREQA = "https://raw.githubusercontent.com/google-research-datasets/lareqa"
_MIRACL = "ar bn de en es fa fi fr hi id ja ko ru sw te th yo zh"


@dataclass(frozen=True)
class DataSet:
    """A data set: `files` are relative to a data folder; all of them are needed.

    `kind` is rows, benchmark or lexicon. `address` is the public address of a file, with `{path}` for the file,
    `{tail}` for the file without its first folder and `{base}` for its name; `hf://datasets/OWNER/NAME/...` means the
    hub; `also` has the addresses of single files that are elsewhere. It is empty where the file is not public as such;
    `origin` says what it was made from.

    `words` are what a name may have in brackets, as in `miracl-train[sw,te]`: languages, and choices such as the unit
    of a passage; `by_language` has the files of each language, where one can be fetched without the others.
    `chosen` are the words that a name has. `caution` is a sentence that stands wherever its values stand.

    Rows in a format of their own have a reader: `read(data folder, words)` gives them one by one, or, for what is too
    large for that, `write(writer, data folder, words, prefix of ids)` writes tables of texts and integers. Other rows
    are JSON lines.
    """

    name: str
    kind: str
    files: tuple[str, ...]
    licence: str
    citation: str
    origin: str
    address: str = ""
    bundled: bool = False
    also: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    by_language: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
    caution: str = ""
    read: Callable[[Path, Sequence[str]], Iterator[Row]] | None = None
    write: Callable[[CorpusWriter, Path, Sequence[str], str], None] | None = None

    @property
    def path(self) -> str:
        """What `find` returns, relative to a data folder: the file of a one-file set, else the folder of all files."""
        return self.files[0] if len(self.files) == 1 else posixpath.commonpath(self.files)

    @property
    def own_format(self) -> bool:
        """Whether it is rows that only its own reader reads."""
        return bool(self.read or self.write)

    def address_of(self, file: str) -> str:
        """Return the public address of one of the files, "" where there is none.

        >>> data_set("muse").address_of("lexicons/muse/en-de.txt")
        'https://dl.fbaipublicfiles.com/arrival/dictionaries/en-de.txt'
        """
        tail, base = file.partition("/")[2], file.rpartition("/")[2]
        return self.also.get(file) or self.address.format(path=file, tail=tail, base=base)

    def choose(self, words: Sequence[str], name: str = "") -> "DataSet":
        """Return what the words in brackets choose of the data set.

        Raises InputError for a word that the data set does not take.
        """
        name = name or f"{self.name}[{','.join(words)}]"
        for word in words:
            if word not in self.words:
                known = f"it takes {', '.join(self.words)}" if self.words else "it takes nothing in brackets"
                raise InputError(f"data set {name!r}: {word!r} is not an option of {self.name}; {known}")
        chosen = {tag: files for tag, files in self.by_language.items() if tag in words} or self.by_language
        common = set(self.files).difference(*self.by_language.values())
        files = tuple(file for file in self.files if file in common or any(file in own for own in chosen.values()))
        return replace(self, name=name, files=files, by_language=chosen, chosen=tuple(words)) if words else self


def _each(pattern: str, languages: str) -> tuple[str, ...]:
    return tuple(pattern.format(tag) for tag in languages.split())


def _in_miracl_layout(folder: str, tag: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    name = f"{folder}-v1.0-{tag}"
    files = {"topics": f"topics.{name}-dev.tsv", "qrels": f"qrels.{name}-dev.tsv", "corpus": "docs-0.jsonl.gz"}
    return tuple(f"{folder}/{name}/{kind}/{files[kind]}" for kind in kinds)


_SQUAD = {tag: (f"squad-translate-train/squad.translate.train.en-{tag}.json",) for tag in translated_sets.TRANSLATED}
_SQUAD = {"en": ("squad-translate-train/train-v1.1.json",), **_SQUAD}
_MR_TYDI = {tag: (f"mr-tydi/mrtydi-v1.1-{name}/train.jsonl.gz",) for tag, name in training_questions.LANGUAGES.items()}
_MIRACL_TRAIN = {tag: training_questions.files_of(tag) for tag in training_questions.CORPUS_FILES}
_MIRACL_DEV = {tag: _in_miracl_layout("miracl", tag, ("topics", "qrels")) for tag in _MIRACL.split()}
_TYDI_GOLDP = {
    tag: _in_miracl_layout("tydi-goldp", tag, ("topics", "qrels", "corpus")) for tag in ("en", "fi", "id", "ko", "sw")
}
_MIRACL_POOL = {tag: _in_miracl_layout("miracl-pool", tag, ("topics", "qrels", "corpus")) for tag in _MIRACL.split()}
# German and Yoruba have a corpus too, though no training split
_MIRACL_CORPUS = {
    tag: tuple(f"miracl-corpus/miracl-corpus-v1.0-{tag}/docs-{number}.jsonl.gz" for number in range(count))
    for tag, count in sorted({**training_questions.CORPUS_FILES, "de": 32, "yo": 1}.items())
}
_MMARCO = {tag: mmarco.files_of(tag) for tag in mmarco.LANGUAGES}
_XNLI = "https://dl.fbaipublicfiles.com/XNLI/{base}"


def _flat(by_language: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(file for files in by_language.values() for file in files)


_ALL = (
    DataSet(
        "atlas",
        "rows",
        ("atlas/train.jsonl.xz", "atlas/heldout.jsonl.xz"),
        "MIT; facts from CLDR, Unicode-3.0",
        "Unicode CLDR through Babel",
        "made by the kit; generated text for demonstration and tests",
        bundled=True,
    ),
    DataSet(
        "mlqa-test",
        "rows",
        ("train/mlqa-test.jsonl",),
        "CC BY-SA 3.0",
        "MLQA, arXiv:1910.07475",
        "questions and answer sentences of MLQA's test split, https://github.com/facebookresearch/MLQA",
    ),
    DataSet(
        "xnli-entailment",
        "rows",
        ("train/xnli-entailment.jsonl",),
        "CC BY-NC 4.0",
        "XNLI, arXiv:1809.05053",
        "pairs of XNLI judged as entailment (hypothesis, premise), https://github.com/facebookresearch/XNLI",
    ),
    DataSet(
        "libreoffice-help",
        "rows",
        ("train/libreoffice-help.jsonl",),
        "MPL-2.0",
        "LibreOffice Help, its translations",
        "headings and sections of LibreOffice's help and its translations, https://www.libreoffice.org",
    ),
    *(
        DataSet(
            f"{name.lower()}-for-beginners",
            "rows",
            (f"train/{name.lower()}-for-beginners.jsonl",),
            "MIT",
            f"{name} for Beginners, Microsoft, its translations",
            f"headings and sections of a course, machine-translated from English, https://github.com/microsoft/{name}-for-Beginners",
        )
        for name in ("IoT", "AZD", "EdgeAI")
    ),
    DataSet(
        "debian-handbook",
        "rows",
        ("train/debian-handbook.jsonl",),
        "GPL-2.0-or-later or CC BY-SA 3.0",
        "The Debian Administrator's Handbook, its translations",
        "headings and sections of a book and its translations, https://debian-handbook.info",
    ),
    DataSet(
        "squad2-fi-en",
        "rows",
        ("train/squad2-fi-en.jsonl",),
        "CC BY-SA 4.0",
        "SQuAD 2.0, arXiv:1806.03822",
        "SQuAD 2.0's training split in Finnish, and translated back into English",
    ),
    # Addresses and file names of the following are those of XTREME's download script, of TensorFlow Datasets' loader of
    # XQuAD, and of the loaders that the hub keeps beside the files.
    DataSet(
        "squad-translate-train",
        "rows",
        _flat(_SQUAD),
        "CC BY-SA 4.0",
        "SQuAD and XTREME, arXiv:2003.11080",
        "SQuAD 1.1's training split and XTREME's machine translations of it",
        "https://storage.googleapis.com/xtreme_translations/SQuAD/translate-train/{base}",
        also={_SQUAD["en"][0]: "https://rajpurkar.github.io/SQuAD-explorer/dataset/train-v1.1.json"},
        words=(*_SQUAD, *translated_sets.UNITS),
        by_language=_SQUAD,
        read=translated_sets.read_translated,
    ),
    DataSet(
        "mlqa",
        "rows",
        ("mlqa/MLQA_V1.zip",),
        "CC BY-SA 3.0",
        "MLQA, arXiv:1910.07475",
        "MLQA's dev and test splits",
        "https://dl.fbaipublicfiles.com/MLQA/{base}",
        words=(*translated_sets.MLQA_LANGUAGES, *translated_sets.MLQA_SPLITS, *translated_sets.UNITS),
        read=translated_sets.read_mlqa,
    ),
    DataSet(
        "xnli",
        "rows",
        ("xnli/XNLI-1.0.zip",),
        "CC BY-NC 4.0",
        "XNLI, arXiv:1809.05053",
        "XNLI's labelled splits",
        _XNLI,
        words=(*translated_sets.XNLI_LANGUAGES, *translated_sets.XNLI_SPLITS),
        read=translated_sets.read_xnli,
    ),
    DataSet(
        "xnli-15way",
        "rows",
        ("xnli/XNLI-1.0.zip", "xnli/XNLI-15way.zip"),
        "CC BY-NC 4.0",
        "XNLI, arXiv:1809.05053",
        "XNLI's pairs with the sentences of its 15-way parallel corpus",
        _XNLI,
        words=(*translated_sets.XNLI_LANGUAGES, *translated_sets.XNLI_SPLITS),
        read=translated_sets.read_xnli_15way,
    ),
    DataSet(
        "mmarco",
        "rows",
        (mmarco.TRIPLES, *_flat(_MMARCO)),
        "Apache-2.0; MS MARCO itself: research, not commercial",
        "mMARCO, arXiv:2108.13897",
        "MS MARCO's passages, queries and training triples in 14 languages",
        "hf://datasets/unicamp-dl/{path}",
        words=(*_MMARCO, *mmarco.UNITS),
        by_language=_MMARCO,
        write=mmarco.add_mmarco,
    ),
    DataSet(
        "mr-tydi",
        "rows",
        _flat(_MR_TYDI),
        "Apache-2.0",
        "Mr. TyDi, arXiv:2108.08787",
        "Mr. TyDi's training split",
        "hf://datasets/castorini/{path}",
        words=tuple(_MR_TYDI),
        by_language=_MR_TYDI,
        read=training_questions.read_mrtydi,
    ),
    DataSet(
        "miracl-train",
        "rows",
        _flat(_MIRACL_TRAIN),
        "Apache-2.0",
        "MIRACL, doi:10.1162/tacl_a_00595",
        "MIRACL's training questions and judgements, and its whole corpus",
        "hf://datasets/miracl/{path}",
        words=tuple(_MIRACL_TRAIN),
        by_language=_MIRACL_TRAIN,
        read=training_questions.read_miracl_train,
    ),
    DataSet(
        "xquad-r",
        "benchmark",
        _each("xquad-r/{}.json", "ar de el en es hi ru th tr vi zh"),
        "CC BY-SA 4.0",
        "LAReQA, arXiv:2004.05484",
        "XQuAD with sentence breaks, as LAReQA published it",
        f"{_LAREQA}/5405d2a77e83d5ccb47623a3f9e5604c3f103193/{{path}}",
    ),
    DataSet(
        "mlqa-r",
        "benchmark",
        _each("mlqa-r/{}.json", "ar de en es hi vi zh"),
        "CC BY-NC 4.0",
        "LAReQA, arXiv:2004.05484",
        "MLQA's dev split with sentence breaks, an early commit of LAReQA",
        f"{_LAREQA}/354d67d1cd066854cdfbf5ad0e6105528976141d/{{path}}",
    ),
    DataSet(
        "miracl",
        "benchmark",
        _flat(_MIRACL_DEV),
        "Apache-2.0",
        "MIRACL, doi:10.1162/tacl_a_00595",
        "dev topics and judgements; miracl-corpus has the passages",
        "hf://datasets/miracl/miracl/{tail}",
        words=tuple(_MIRACL_DEV),
        by_language=_MIRACL_DEV,
    ),
    DataSet(
        "miracl-corpus",
        "benchmark",
        _flat(_MIRACL_CORPUS),
        "Apache-2.0",
        "MIRACL, doi:10.1162/tacl_a_00595",
        "the passages of MIRACL, 106 million in 18 languages",
        "hf://datasets/miracl/miracl-corpus/{tail}",
        words=tuple(_MIRACL_CORPUS),
        by_language=_MIRACL_CORPUS,
    ),
    DataSet(
        "miracl-pool",
        "benchmark",
        _flat(_MIRACL_POOL),
        "Apache-2.0",
        "MIRACL, doi:10.1162/tacl_a_00595",
        "966 of MIRACL's dev questions and judgements over 80,971 of its passages, 18 languages, laid out as MIRACL",
        words=tuple(_MIRACL_POOL),
        by_language=_MIRACL_POOL,
        caution=(
            "its passages are those that MIRACL judged and their neighbours, so values are higher than on MIRACL; "
            "compare systems on it, not with published values of MIRACL"
        ),
    ),
    DataSet(
        "tydi-goldp",
        "benchmark",
        _flat(_TYDI_GOLDP),
        "Apache-2.0",
        "TyDi QA, arXiv:2003.05002",
        "TyDi QA's gold-passage task laid out as MIRACL, https://github.com/google-research-datasets/tydiqa",
        words=tuple(_TYDI_GOLDP),
        by_language=_TYDI_GOLDP,
    ),
    DataSet(
        "atlas-lexicon",
        "lexicon",
        _each("atlas/lexicons/en-{}.txt", "ar de el es hi ru th tr vi zh"),
        "MIT; names from CLDR, Unicode-3.0",
        "Unicode CLDR through Babel",
        "made by the kit: the names and the template words of atlas, one word each",
        bundled=True,
    ),
    DataSet(
        "muse",
        "lexicon",
        _each("lexicons/muse/en-{}.txt", "ar de el es fi hi ru th tr vi zh"),
        "CC BY-NC 4.0",
        "MUSE, arXiv:1710.04087",
        "ground-truth dictionaries of MUSE",
        "https://dl.fbaipublicfiles.com/arrival/dictionaries/{base}",
    ),
)
DATA_SETS: dict[str, DataSet] = {data.name: data for data in _ALL}


def data_set(name: str) -> DataSet:
    """Return the data set of a name, with what it asks for in brackets. Raises InputError for an unknown name.

    >>> data_set("xquad-r").licence, data_set("xquad-r").path
    ('CC BY-SA 4.0', 'xquad-r')
    >>> data_set("mlqa-test").path
    'train/mlqa-test.jsonl'
    >>> data_set("mr-tydi[sw]").files
    ('mr-tydi/mrtydi-v1.1-swahili/train.jsonl.gz',)
    """
    base, words = split_name(name)
    if base not in DATA_SETS:
        raise InputError(f"there is no data set {base!r}{meant(base, DATA_SETS)}; the kit knows {', '.join(DATA_SETS)}")
    return DATA_SETS[base].choose(words, name)


def cautions(names: Iterable[str]) -> list[str]:
    """Return what must be said beside the values of some benchmarks: "NAME: sentence", each data set once.

    >>> [text[:45] for text in cautions(["xquad-r", "miracl-pool[sw]", "miracl-pool[pool]"])]
    ['miracl-pool: its passages are those that MIRA']
    """
    bases = dict.fromkeys(split_name(name)[0] for name in names)
    return [f"{base}: {DATA_SETS[base].caution}" for base in bases if base in DATA_SETS and DATA_SETS[base].caution]


@cache
def pins() -> Mapping[str, tuple[int, str]]:
    """Return bytes and SHA-256 of every file that the maintainers have seen; other files are unpinned."""
    text = (Path(__file__).parent / "pins.json").read_text(encoding="utf-8")
    return {file: (int(size), str(sha256)) for file, (size, sha256) in json.loads(text).items()}


def folders_of(data: DataSet) -> list[Path]:
    """Return the folders in which a data set's files are sought, in order."""
    return [bundled("data")] if data.bundled else data_folders()


def locate(data: DataSet) -> Path | None:
    """Return the first folder that holds all files of a data set, or None."""
    return next((folder for folder in folders_of(data) if all((folder / file).is_file() for file in data.files)), None)
