"""Corpora on disk: a stream gives the very corpus that memory gives, and what stood before stays as it was."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import SIDES, Row, connected_groups, normalise, read_files
from hybridkit.data.storage import columns
from hybridkit.data.storage import corpus_writer as writer
from hybridkit.data.storage.columns import StringColumn, first_equal, hash_arrow, hash_strings, numbered, positions
from hybridkit.data.storage.corpus_writer import corpus_writer
from hybridkit.errors import InputError
from hybridkit.utils.files import digest
from hybridkit.utils.paths import checkout
from hybridkit.utils.products import write_index
from tests.corpus_values import look, write_corpus

# Fingerprints, groups and split as they were when all of it was Python lists (hybridkit 0.1.0): plans and run folders
# hang on them. A change here makes every run of everybody void.
ATLAS = "5cf258cba59d168a7ca68e9777fbee5f9d21380fc3e7753ed96b39c177e5ecea"
ATLAS_GROUPS = "ac93d189bbd53d7df68e7b001134a02d85d39bafbf06ddc0338e83e87ba3d59a"
ATLAS_SPLIT = (
    "fa475ed3f79efb8cafc5d5da449eb81f587180e4af0be74437a61e9ed9ec6774",
    "fd4c57bfd43b27948101f87035504ea8f13a709f0fde60e79d9752b2a105a3f9",
)
ATLAS_AR_DE = "dbcfd64264c5c4a454d07b895b055b5242a56238b225f34b719ac6bcdc2c9898"
ATLAS_AR_DE_SPLIT = "a7b0604efb9b1ab022cfd36af3b1df203b4ef9c2bcbe9020e69f27bbca5c9a44"
STARTER = "261c0a02d47ee2e43dbfbb7e5f5504480a4d35b06e7c3d5efd120322a6a8d36c"
STARTER_GROUPS = "4306029cb5dea64a47d2e51a7c1bf400533514e03ada241283f1306b53588049"
STARTER_HELD_OUT = "19db4d73dab5010fb4ecf09f99c77bdf7e3350432f9b380fd73c6bfa9894772b"


def atlas() -> Path:
    home = checkout()
    if home is None:
        pytest.skip("needs the bundled corpus of a checkout")
    return home / "data" / "atlas" / "train.jsonl.xz"


def test_atlas_is_what_it_was(tmp_path: Path) -> None:
    write_corpus(tmp_path / "atlas", read_files(atlas()))
    for corpus in (ParallelCorpus.from_jsonl(atlas()), ParallelCorpus.open(tmp_path / "atlas")):
        assert (corpus.fingerprint, digest(corpus.group)) == (ATLAS, ATLAS_GROUPS)
        assert tuple(part.fingerprint for part in corpus.split(0.1)) == ATLAS_SPLIT
        two = corpus.keep_languages(["de", "ar"])
        assert (two.fingerprint, two.split(0.2)[1].fingerprint) == (ATLAS_AR_DE, ATLAS_AR_DE_SPLIT)


def test_the_rows_of_starter_are_what_they_were(real_data: Path, tmp_path: Path) -> None:
    names = ("mlqa-test", "xnli-entailment", "libreoffice-help")
    write_corpus(tmp_path / "starter", read_files(*(real_data / "train" / f"{name}.jsonl" for name in names)))
    corpus = ParallelCorpus.open(tmp_path / "starter")
    assert (len(corpus), corpus.fingerprint, digest(corpus.group)) == (22_488, STARTER, STARTER_GROUPS)
    assert corpus.split(0.1)[1].fingerprint == STARTER_HELD_OUT


def naive_groups(rows: list[Row]) -> list[int]:
    """Groups by flooding: rows with a common key, again and again until nothing changes."""
    keys = [
        {("p", row.passage_id), ("q", row.query_id)}
        | {("query", normalise(text)) for text in row.query.values()}
        | {("passage", normalise(text)) for text in row.passage.values()}
        for row in rows
    ]
    group = list(range(len(rows)))
    for _ in rows:
        for one in range(len(rows)):
            for other in range(len(rows)):
                if keys[one] & keys[other]:
                    group[one] = group[other] = min(group[one], group[other])
    leaders = list(dict.fromkeys(group))
    return [leaders.index(leader) for leader in group]


NASTY = ["A", "a ", "ａ", "B", "ß", "ss", 'q"u\\o\n\t\r\x08\x0c\x00\x1f\x7f', "𝒜😀", "é", "e\u0301", "\u2028", "한국"]


@st.composite
def any_rows(draw: st.DrawFn) -> list[Row]:
    """Rows that share ids and nasty texts at random; languages come and go, negatives too."""
    text = st.sampled_from(NASTY)
    side = st.dictionaries(st.sampled_from(["de", "en", "zh-Hant"]), text, min_size=1)
    negative = st.dictionaries(st.sampled_from(["en", "th"]), text)
    name = st.integers(0, 6).map(lambda n: f'p"{n}' if n % 2 else f"ä{n}")
    return [
        Row(f"r{n}", draw(name), draw(name), draw(side), draw(side), draw(negative))
        for n in range(draw(st.integers(0, 12)))
    ]


@given(any_rows())
def test_stream_and_memory_give_one_corpus(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("stream")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_ROWS", 3)
        write_corpus(folder / "stream", iter(rows))
    memory = ParallelCorpus.from_rows(rows)
    memory.save(folder / "saved")
    want = look(memory)
    assert look(ParallelCorpus.open(folder / "stream")) == look(ParallelCorpus.open(folder / "saved")) == want
    assert want["group"] == naive_groups(rows)
    # the definition, in Python lists
    names = [[row.id, row.passage_id, row.query_id] for row in rows]
    texts = ([*key, *array.to_pylist()] for key, array in sorted(memory.texts.items()))
    assert memory.fingerprint == digest(names, *(memory.positions[side] for side in SIDES), *texts)


@given(any_rows())
def test_the_group_of_a_negative_by_its_definition(rows: list[Row]) -> None:
    corpus = ParallelCorpus.from_rows(rows)
    passages = {normalise(text): int(corpus.group[n]) for n, row in enumerate(rows) for text in row.passage.values()}
    for n, row in enumerate(rows):
        for column, tag in enumerate(corpus.languages):
            text = row.negative.get(tag)
            assert corpus.negative_group[n, column] == (-1 if text is None else passages.get(normalise(text), -1))


def test_parts_keep_the_groups_that_the_whole_found(tmp_path: Path) -> None:
    rows = [
        Row("a", "a", "a", {"en": "Who?"}, {"en": "She.", "de": "Sie."}, {"en": "There.", "de": "Anders."}),
        Row("b", "b", "b", {"en": "Where?"}, {"en": "Here.", "de": "THERE."}, {"de": "sie."}),
        Row("c", "c", "c", {"en": "Why?", "de": "Warum?"}, {"en": "So.", "de": "Darum."}, {}),
    ]
    corpus = ParallelCorpus.from_rows(rows)
    assert corpus.negative_group.tolist() == [[-1, 1], [0, -1], [-1, -1]]  # de, en
    assert corpus.select(np.array([1, 0])).negative_group.tolist() == [[0, -1], [-1, 1]]
    english = corpus.keep_languages(["en"])
    assert english.negative_group.tolist() == [[1], [-1], [-1]]  # "There." is b's passage in German, which fell away
    english.select(np.array([0])).save(tmp_path / "part")
    assert ParallelCorpus.open(tmp_path / "part").negative_group.tolist() == [[1]]
    none = ParallelCorpus.from_rows(rows[2:])
    assert none.negative_group.tolist() == [[-1, -1]]


def test_opening_selecting_and_splitting_hold_no_text(tmp_path: Path) -> None:
    rows = (
        Row(f"row-{n}", f"passage-{n}", f"q{n}", {"en": f"q{n}" + "x" * 300}, {"en": f"p{n}" + "y" * 300}, {})
        for n in range(4000)
    )
    write_corpus(tmp_path / "corpus", rows)
    before = pa.total_allocated_bytes()
    train, held_out = ParallelCorpus.open(tmp_path / "corpus").split(0.5)
    parts = [train.keep_languages(["en"]), held_out]
    assert pa.total_allocated_bytes() - before < 100_000  # of 2.4 million characters
    assert all(isinstance(part.ids, StringColumn) for part in parts)
    assert sum(map(len, parts)) == 4000
    assert parts[0].query_text(0, "en") == "q" + parts[0].ids[0].removeprefix("row-") + "x" * 300


def test_arrays_beyond_a_size_lie_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = ParallelCorpus.from_rows(
        [Row(str(n), str(n), str(n), {"en": f"q{n}"}, {"en": f"p{n}"}, {"en": f"n{n}"}) for n in range(50)]
    )
    want = look(corpus.select(np.arange(0, 50, 3)))
    monkeypatch.setattr(columns, "_LARGE", 8)
    monkeypatch.setattr(columns, "CHUNK", 7)
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    part = corpus.select(np.arange(0, 50, 3))
    assert isinstance(part.positions["query"].base, np.memmap)
    assert look(part) == want
    assert list((tmp_path / "cache").iterdir()) == []  # nothing is left behind


def test_a_broken_stream_leaves_what_stood_there(tmp_path: Path) -> None:
    rows = [Row("1", "1", "1", {"en": "Who?"}, {"en": "She."}, {})]
    write_corpus(tmp_path / "corpus", rows)

    def broken() -> object:
        yield rows[0]
        raise InputError("rows.jsonl, line 2: not a whole JSON object")

    with pytest.raises(InputError, match="line 2"):
        write_corpus(tmp_path / "corpus", broken())
    assert len(ParallelCorpus.open(tmp_path / "corpus")) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["corpus"]
    (tmp_path / "corpus" / "query.npy").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"query\.npy: cannot be read .*delete the folder .* and make it again"):
        ParallelCorpus.open(tmp_path / "corpus")
    write_corpus(tmp_path / "corpus", rows)
    (tmp_path / "corpus" / "group.npy").unlink()
    with pytest.raises(InputError, match=r"group\.npy: cannot be read \(No such file or directory\)"):
        ParallelCorpus.open(tmp_path / "corpus")
    columns.write_arrow(tmp_path / "rows.arrow", {"id": pa.array(["1"])}, {"format": "9", "languages": "en"})
    with pytest.raises(InputError, match=r"index\.json: cannot be read \(it is missing\)"):
        ParallelCorpus.open(tmp_path)
    write_index(tmp_path)
    with pytest.raises(InputError, match="format 9, this version reads 3.*delete the folder"):
        ParallelCorpus.open(tmp_path)


def test_columns_given_in_parts(tmp_path: Path) -> None:
    """The door for sources that join on ids: texts first, rows as entries, a language that comes late."""

    def strings(*values: str) -> pa.Array:
        return pa.array(values, pa.large_string())

    with corpus_writer(tmp_path / "corpus") as out:
        first = out.add_texts("query", "en", strings("Who?", "Where?"))
        again = out.add_texts("query", "en", strings("Why?", "Who?").slice(1))
        passage = out.add_texts("passage", "en", strings("She."))
        names = strings("1", "2")
        out.add_rows(
            names, names, names, {("query", "en"): np.array([1, 0]), ("passage", "en"): np.array([passage, 0])}
        )
        late = out.add_texts("passage", "de", strings("Er."))
        out.add_rows(
            strings("3"),
            strings("3"),
            strings("3"),
            {("query", "en"): np.array([again]), ("passage", "de"): np.array([late])},
        )
    corpus = ParallelCorpus.open(tmp_path / "corpus")
    assert (first, again, late) == (0, 2, 0)
    assert corpus.texts["query", "en"].to_pylist() == ["Who?", "Where?"]
    assert [corpus.query_text(n, "en") for n in range(3)] == ["Where?", "Who?", "Who?"]
    assert [corpus.passage_text(n, "de") for n in range(3)] == [None, None, "Er."]
    assert corpus.group.tolist() == [0, 0, 0]


COLUMN = StringColumn(pa.array([f"t{n}" for n in range(10)], pa.large_string()))


@given(
    st.one_of(
        st.lists(st.integers(-4, 3), max_size=8).map(lambda values: np.array(values, dtype=np.int64)),
        st.lists(st.booleans(), min_size=4, max_size=4).map(lambda values: np.array(values, dtype=bool)),
        st.slices(4),
        st.integers(-4, 3),
    )
)
def test_a_string_column_is_asked_like_an_array(rows: np.ndarray | slice | int) -> None:
    part, array = COLUMN.take(np.array([7, 2, 9, 2])), np.array(["t7", "t2", "t9", "t2"], dtype=object)
    found = part[rows]
    if isinstance(rows, int):
        assert found == array[rows]
    else:
        assert (found.dtype, found.tolist()) == (object, array[rows].tolist())
    assert (len(part), list(part), np.asarray(part).tolist()) == (4, array.tolist(), array.tolist())


def test_a_string_column_refuses_what_an_array_refuses() -> None:
    for wrong in (np.array([10]), np.array([-11]), np.array([True, False])):
        with pytest.raises(IndexError):
            COLUMN[wrong]
    with pytest.raises(IndexError):
        COLUMN[10]
    assert positions(slice(None, None, -3), 10).tolist() == [9, 6, 3, 0]


@given(st.lists(st.integers(0, 30)), st.integers(0, 3))
def test_first_equal_in_any_number_of_buckets(values: list[int], bucket: int) -> None:
    # few different high halves: many hashes agree in one half only
    rows = np.array([[value % 3 << 62, value] for value in values], dtype=np.uint64).reshape(-1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_BUCKET", 1 << bucket)
        first = first_equal(rows)
    assert first.tolist() == [values.index(value) for value in values]
    number, fresh = numbered(first)
    order = list(dict.fromkeys(values))
    assert number.tolist() == [order.index(value) for value in values]
    assert np.flatnonzero(fresh).tolist() == [values.index(value) for value in order]


def test_hashes_of_arrow_and_python_texts_are_the_same() -> None:
    values = [*NASTY, "", "x" * 5000]
    array = pa.array(["before", *values], pa.large_string()).slice(1)
    assert hash_arrow(array).tolist() == hash_strings(values).tolist()
    assert len(np.unique(hash_strings(values), axis=0)) == len(values)


@given(st.lists(st.lists(st.integers(-1, 4), min_size=7, max_size=7), max_size=5), st.integers(1, 3))
def test_groups_against_scipy(found: list[list[int]], cut: int) -> None:
    from scipy.sparse import lil_matrix
    from scipy.sparse.csgraph import connected_components

    spaces = [found[:cut], found[cut:]]
    graph = lil_matrix((7 + 10, 7 + 10), dtype=np.int8)
    for number, space in enumerate(spaces):
        for keys in space:
            for row, key in enumerate(keys):
                if key >= 0:
                    graph[row, 7 + 5 * number + key] = 1
    want = connected_components(graph.tocsr(), directed=False)[1][:7]
    got = connected_groups(7, [[np.array(keys) for keys in space] for space in spaces])
    assert got.tolist() == want.tolist()


def test_read_files_names_the_wrong_line(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(n), "query": {"en": "q"}, "passage": {"en": "p"}}) for n in range(3)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, "{"]))
    with pytest.raises(InputError, match=r"rows\.jsonl, line 4"):
        write_corpus(tmp_path / "corpus", read_files(tmp_path / "rows.jsonl"))
    assert not (tmp_path / "corpus").exists()
