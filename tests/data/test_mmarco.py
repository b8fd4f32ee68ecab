"""mMARCO: files of the published shape, joined on ids; what is judged is no negative, what is wrong is named."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.languages import language
from hybridkit.data.rows import Row
from hybridkit.data.sources import mmarco
from hybridkit.data.sources.mmarco import LANGUAGES, TRIPLES, add_mmarco, files_of, read_triples
from hybridkit.data.sources.readers import read_tsv
from hybridkit.data.storage.corpus_writer import corpus_writer
from hybridkit.errors import InputError, MissingDataError
from tests.corpus_values import write_corpus

# ids are in no order in the files of the hub's kind; 9 is a passage that no line names
COLLECTION = {
    "en": {3: 'Three "quoted.', 1: "One, NULL", 7: "Seven", 9: "Nobody asks", 5: "Five"},
    "de": {1: "Eins", 5: "Fünf", 3: "Drei", 7: "Sieben", 9: "Niemand"},
}
QUERIES = {
    "en": {20: "who is one?", 10: "what is three?", 30: "unasked"},
    "de": {10: "was ist drei?", 20: "wer ist eins?", 30: "ungefragt"},
}
LINES = [(10, 3, 7), (20, 1, 3), (10, 3, 5), (10, 5, 7), (10, 3, 1)]  # 5 is judged for 10: no negative in the third


def write(
    home: Path,
    collection: Mapping[str, Mapping[int, str]] = COLLECTION,
    queries: Mapping[str, Mapping[int, str]] = QUERIES,
    lines: list[tuple[int, int, int]] = LINES,
) -> Path:
    for tag in collection:
        for file, texts in zip(files_of(tag), (collection[tag], queries[tag]), strict=True):
            (home / file).parent.mkdir(parents=True, exist_ok=True)
            (home / file).write_text("".join(f"{n}\t{text}\n" for n, text in texts.items()), encoding="utf-8")
    (home / TRIPLES).write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return home


def prepare(home: Path, *words: str, prefix: str = "") -> ParallelCorpus:
    folder = home / "corpus"
    with corpus_writer(folder) as writer:
        add_mmarco(writer, home, words or ("de", "en"), prefix)
    return ParallelCorpus.open(folder)


def expected(lines: list[tuple[int, int, int]], prefix: str = "") -> list[Row]:
    """The rows of triples, by dictionaries."""
    judged = {(query, positive) for query, positive, _ in lines}
    tags = ("de", "en")
    return [
        Row(
            f"{prefix}{number}",
            f"{prefix}{positive}",
            f"{prefix}{query}",
            {tag: QUERIES[tag][query] for tag in tags},
            {tag: COLLECTION[tag][positive] for tag in tags},
            {} if (query, negative) in judged else {tag: COLLECTION[tag][negative] for tag in tags},
        )
        for number, (query, positive, negative) in enumerate(lines, start=1)
    ]


def values(corpus: ParallelCorpus) -> list[dict[str, object]]:
    """Rows as plain values, whatever the order of the text tables."""
    return [
        {"id": corpus.ids[n], "passage_id": corpus.passage_ids[n], "group": int(corpus.group[n])}
        | {
            (side, tag): corpus._text(side, n, tag)
            for side in ("query", "passage", "negative")
            for tag in corpus.languages
        }
        for n in range(len(corpus))
    ]


def test_the_languages_are_the_fourteen_of_the_hub() -> None:
    assert len(LANGUAGES) == 14
    for tag, name in LANGUAGES.items():
        assert language(tag).name.lower() == name
    assert files_of("vi")[0] == "mmarco/data/google/collections/vietnamese_collection.tsv"


def test_every_line_is_a_row_with_its_negative(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hybridkit"):
        corpus = prepare(write(tmp_path), prefix="mmarco/")
    assert "1 negatives are positives of their query" in caplog.text
    assert values(corpus) == values(ParallelCorpus.from_rows(expected(LINES, "mmarco/")))
    assert corpus.ids.tolist() == [f"mmarco/{n}" for n in range(1, 6)]
    assert corpus.group.tolist() == [0, 1, 0, 0, 0]  # a query's rows never meet
    assert corpus._text("negative", 2, "en") is None
    assert corpus._text("negative", 1, "en") == 'Three "quoted.'
    assert corpus.texts["passage", "en"].to_pylist() == [
        'Three "quoted.',
        "One, NULL",
        "Five",
    ]  # each once, none unasked
    assert corpus.negative_group[:, 1].tolist() == [-1, 0, -1, -1, 1]
    assert [file.name for file in (tmp_path / "corpus").iterdir() if file.is_dir()] == []


@given(
    st.lists(st.tuples(st.sampled_from([10, 20]), st.sampled_from([1, 3]), st.sampled_from([1, 3, 5, 7])), min_size=1)
)
def test_any_lines_against_dictionaries(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, int, int]]
) -> None:
    home = tmp_path_factory.mktemp("mmarco")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmarco, "CHUNK", 3)
        patch.setattr(mmarco, "_MANY", 2)
        corpus = prepare(write(home, lines=lines))
        pairs = prepare(home, "pairs", "de", "en")
    assert values(corpus) == values(ParallelCorpus.from_rows(expected(lines)))
    judged = sorted({line[:2] for line in lines})
    assert pairs.ids.tolist() == [f"{query}-{positive}" for query, positive in judged]
    for n, pair in enumerate(judged):
        usable = {COLLECTION["en"][no] for *asked, no in lines if tuple(asked) == pair and (pair[0], no) not in judged}
        found = pairs._text("negative", n, "en") if ("negative", "en") in pairs.texts else None
        assert found in usable if usable else found is None


def test_the_negative_of_a_pair_hangs_on_the_seed_and_is_fair(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("".join(f"1\t2\t{no}\n" for no in [10, 20, 30, 40] * 5 + [2]))
    found = read_triples(tmp_path / "t.tsv", tmp_path)
    assert (found.dropped, found.negatives.tolist()) == (1, [10, 20, 30, 40])
    drawn = [int(found.one_each(np.random.default_rng(seed)).lines[0, 2]) for seed in range(400)]
    counts = np.bincount(drawn)[[10, 20, 30, 40]]
    assert counts.sum() == 400
    assert counts.min() > 65  # 100 expected, standard deviation 8.7
    assert drawn[7] == int(found.one_each(np.random.default_rng(7)).lines[0, 2])


def test_same_files_same_corpus_and_other_languages_another(tmp_path: Path) -> None:
    first = prepare(write(tmp_path)).fingerprint
    assert prepare(tmp_path).fingerprint == first
    assert prepare(tmp_path, "en").languages == ("en",)
    assert prepare(tmp_path, "en").fingerprint != first


def test_mmarco_stands_beside_other_rows_in_one_corpus(tmp_path: Path) -> None:
    write(tmp_path)
    rows = [Row("x", "x", "x", {"en": "who is one?"}, {"fi": "Yksi"}, {})]
    with corpus_writer(tmp_path / "both") as writer:
        writer.add(rows)
        add_mmarco(writer, tmp_path, ("en",), "mmarco/")
    corpus = ParallelCorpus.open(tmp_path / "both")
    assert (len(corpus), corpus.languages) == (6, ("en", "fi"))
    assert corpus.group.tolist() == [0, 1, 0, 1, 1, 1]  # the two questions are one text
    write_corpus(tmp_path / "alone", rows)


def test_unknown_ids_and_blank_texts_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    collection = {
        "en": {**COLLECTION["en"], 1: "  "},
        "de": {n: text for n, text in COLLECTION["de"].items() if n != 7},
    }
    queries = {**QUERIES, "en": {10: QUERIES["en"][10]}}
    lines = [*LINES, (99, 3, 1)]
    corpus = prepare(write(tmp_path, collection, queries, lines))
    said = caplog.text
    assert "mmarco, en: 2 of 6 lines name a query that is missing in its files" in said
    assert "mmarco, de: 1 of 6 lines name a query that is missing in its files" in said
    assert "mmarco, en: 1 of 6 lines name a passage" in said
    assert "mmarco, de: 2 of 6 lines name a negative" in said
    assert "mmarco: 1 of 6 lines have no query or no positive in any language and are dropped" in said
    assert corpus.ids.tolist() == ["1", "2", "3", "4", "5"]
    assert corpus.passage_text(1, "en") is None
    assert corpus.passage_text(1, "de") == "Eins"


def test_files_of_another_release_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, {**COLLECTION, "en": {n + 1000: text for n, text in COLLECTION["en"].items()}})
    with pytest.raises(
        InputError, match=r"mmarco, en: 5 of 5 lines name a passage .*english_collection\.tsv.*triples\?"
    ):
        prepare(tmp_path)
    assert not (tmp_path / "corpus").exists()


def test_a_missing_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / files_of("de")[1]).unlink()
    (tmp_path / TRIPLES).write_text("no triples at all\n")
    with pytest.raises(MissingDataError, match=r"german_queries\.train\.tsv.*hybridkit data fetch mmarco"):
        prepare(tmp_path)
    with pytest.raises(MissingDataError, match=r"french_collection\.tsv"):
        prepare(tmp_path, "fr")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\tOne\n\n3 Three\n", r"line 3: 1 columns, not the 2 of id, text; the line is cut short"),
        (b"1\tOne\n3\tThree\textra\n", r"line 2: 3 columns, not the 2 of id, text; take the tab out of its text"),
        (b"1\tOne\nthree\tThree\n", r"line 2: id is 'three', not a number"),
        (b"1\tOne\n-3\tThree\n", r"line 2: id is '-3', not a number"),
        (b"1\tOne\n3000000000\tThree\n", r"line 2: id is '3000000000', not a number"),
        (b"1\tOne\n\tThree\n", r"line 2: id is '', not a number"),
        (b"1\tOne\n3\tK\xf6ln\n", r"line 2: text is not UTF-8"),
        (b"", r"the file is empty"),
        (b"1\tOne\n3\tThree\n3\tThree\n", r"the id 3 is duplicated"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(tmp_path: Path, content: bytes, message: str) -> None:
    (write(tmp_path) / files_of("de")[0]).write_bytes(content)
    with pytest.raises(InputError, match=rf"german_collection\.tsv.*{message}"):
        prepare(tmp_path)


def test_an_id_that_stands_twice_in_different_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridkit.data.sources.readers._BLOCK", 64)
    texts = "".join(f"{n}\t{n:030}\n" for n in [1, 3, 5, 7, 3])
    (write(tmp_path) / files_of("de")[0]).write_text(texts)
    with pytest.raises(InputError, match="the id 3 is duplicated"):
        prepare(tmp_path)


def test_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b'\xef\xbb\xbf1\ta\r\n\r\n2\tNA\r\n3\t"b\n4\t\\t')
    found = [row for batch in read_tsv(tmp_path / "t.tsv", {"id": "id", "text": "text"}) for row in batch.to_pylist()]
    assert [tuple(row.values()) for row in found] == [(1, "a"), (2, "NA"), (3, '"b'), (4, "\\t")]


@pytest.mark.parametrize("block", [*range(60, 76), 1 << 20])
def test_a_carriage_return_inside_a_text_is_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("hybridkit.data.sources.readers._BLOCK", block)
    texts = ["Was ist\rdas?", "\r", "zwei\r\r", "ende\r\ufdd1", "\u00e9\r\u20ac", "x" * 40, *map(str, range(40))]
    for end in ("\n", "\r\n"):
        (tmp_path / "t.tsv").write_bytes("".join(f"{n}\ta{text}b{end}" for n, text in enumerate(texts)).encode())
        told: list[int] = []
        found = [
            (row["id"], row["text"])
            for batch in read_tsv(tmp_path / "t.tsv", {"id": "id", "text": "text"}, told.append)
            for row in batch.to_pylist()
        ]
        assert found == [(n, f"a{text}b") for n, text in enumerate(texts)]
        assert sum(told) == (tmp_path / "t.tsv").stat().st_size


def test_wrong_triples(tmp_path: Path) -> None:
    (write(tmp_path) / TRIPLES).write_text("10\t3\t7\n10\t3\n")
    with pytest.raises(InputError, match=r"triples\.train\.ids\.small\.tsv, line 2: 2 columns, not the 3"):
        prepare(tmp_path)
