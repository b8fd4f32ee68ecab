"""ParallelCorpus: what it holds, which rows may never meet, and that its parts share nothing."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row, normalise
from hybridkit.errors import InputError


def row(name: str, query: dict[str, str], passage: dict[str, str], passage_id: str = "", query_id: str = "") -> Row:
    return Row(name, passage_id or name, query_id or name, query, passage, {})


def together(corpus: ParallelCorpus) -> list[set[str]]:
    """The groups of more than one row, as sets of ids."""
    found = [set(corpus.ids[corpus.group == group]) for group in np.unique(corpus.group)]
    return sorted((one for one in found if len(one) > 1), key=sorted)


SMALL = [
    row("r1", {"en": "Who?", "de": "Wer?"}, {"en": "She.", "zh": "她"}),
    row("r2", {"de": "Wo?"}, {"en": "There."}),
    row("r3", {"en": "Who?"}, {"en": "He."}),
]


def test_texts_are_kept_once_and_found_by_row_and_language() -> None:
    corpus = ParallelCorpus.from_rows(SMALL)
    assert (len(corpus), corpus.languages, corpus.ids.tolist()) == (3, ("de", "en", "zh"), ["r1", "r2", "r3"])
    assert [corpus.query_text(place, "en") for place in range(3)] == ["Who?", None, "Who?"]
    assert [corpus.passage_text(place, "zh") for place in range(3)] == ["她", None, None]
    assert [corpus.query_text(place, "zh") for place in range(3)] == [None] * 3
    assert corpus.texts["query", "en"].to_pylist() == ["Who?"]
    assert corpus.has_query.tolist() == [[True, True, False], [True, False, False], [False, True, False]]
    assert corpus.query_table("zh") == (pytest.approx([]), [])
    rows, texts = corpus.passage_table("en")
    assert (rows.tolist(), texts) == ([0, 1, 2], ["She.", "There.", "He."])
    assert corpus.take_texts("query", np.array([2, 1, 0, 0]), np.array([1, 0, 1, 0])) == ["Who?", "Wo?", "Who?", "Wer?"]
    assert list(corpus.iter_texts()) == ["She.", "There.", "He.", "她", "Wer?", "Wo?", "Who?"]
    with pytest.raises(InputError, match="language 'fr' is in no row; the corpus has de, en, zh"):
        corpus.query_text(0, "fr")


def test_groups_by_hand() -> None:
    corpus = ParallelCorpus.from_rows(
        [
            row("a", {"en": "Overview"}, {"en": "Of files."}),
            row("b", {"en": "OVERVIEW "}, {"de": "Von Tabellen."}),  # a's query but for case and space
            row("c", {"de": "Wer?"}, {"de": "Sie."}, passage_id="p"),
            row("d", {"fr": "Qui est-ce ?"}, {"fr": "Elle."}, passage_id="p"),  # c's passage_id
            row("e", {"fr": "Qui est-ce ?"}, {"es": "Ella."}),  # d's query: with c through d
            row("f", {"th": "ใคร"}, {"zh": "ＡＢＣ"}),
            row("g", {"vi": "Ai?"}, {"en": "abc"}),  # f's passage under NFKC, in another language
            row("h", {"es": "Elle."}, {"es": "Overview"}),  # a passage of d as query, a query of a as passage: alone
            row("i", {"hi": "कौन?"}, {"hi": "वह।"}, query_id="q"),
            row("j", {"el": "Ποιος;"}, {"el": "Αυτή."}, query_id="q"),  # i's question again
            row("k", {"ru": "p"}, {"ru": "q"}),  # texts that are ids elsewhere: alone
        ]
    )
    assert together(corpus) == [{"a", "b"}, {"c", "d", "e"}, {"f", "g"}, {"i", "j"}]


def test_a_shared_text_in_another_language_joins_two_rows_in_all() -> None:
    rows = [
        row("a", {"de": "Übersicht", "en": "Overview"}, {"de": "Eins.", "en": "One."}),
        row("b", {"de": "Übersicht", "en": "Survey"}, {"de": "Zwei.", "en": "Two."}),
        row("c", {"de": "Anders", "en": "Survey"}, {"de": "Drei.", "en": "Three."}),
    ]
    corpus = ParallelCorpus.from_rows(rows)
    assert together(corpus) == [{"a", "b", "c"}]
    assert together(corpus.keep_languages(["en"])) == [{"a", "b", "c"}]  # twins of a shared heading may mean the same


def test_normalise() -> None:
    assert normalise("  Straße\u00a0\n\tNr. １ ") == normalise("STRASSE nr. 1") == "strasse nr. 1"
    assert normalise("cafe\u0301") == normalise("CAFÉ")
    assert normalise("ア") != normalise("あ")


def test_save_and_open_give_the_same_corpus(tmp_path: Path) -> None:
    corpus = ParallelCorpus.from_rows([*SMALL, Row("r4", "p", "q", {"zh-Hant": "誰"}, {"en": "x"}, {"en": "y"})])
    for name, one in (
        ("whole", corpus),
        ("part", corpus.select(np.array([3, 0]))),
        ("de", corpus.keep_languages(["de"])),
    ):
        one.save(tmp_path / name)
        again = ParallelCorpus.open(tmp_path / name)
        assert (again.languages, again.fingerprint, len(again)) == (one.languages, one.fingerprint, len(one))
        assert again.ids.tolist() == one.ids.tolist()
        assert again.passage_ids.tolist() == one.passage_ids.tolist()
        assert again.group.tolist() == one.group.tolist()
        for side in ("query", "passage", "negative"):
            assert again.positions[side].dtype == np.int32
            assert again.positions[side].tolist() == one.positions[side].tolist()
        assert {key: array.to_pylist() for key, array in again.texts.items()} == {
            key: array.to_pylist() for key, array in one.texts.items()
        }


def test_an_opened_corpus_keeps_its_texts_on_disk(tmp_path: Path) -> None:
    rows = [
        row(str(number), {"en": f"q {number} " + "x" * 500}, {"en": f"p {number} " + "y" * 500})
        for number in range(999)
    ]
    ParallelCorpus.from_rows(rows).save(tmp_path / "corpus")
    before = pa.total_allocated_bytes()
    corpus = ParallelCorpus.open(tmp_path / "corpus")
    assert pa.total_allocated_bytes() - before < 100_000  # a million characters
    assert corpus.query_text(998, "en") == rows[998].query["en"]


def test_open_of_what_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no corpus here"):
        ParallelCorpus.open(tmp_path)
    corpus = ParallelCorpus.from_rows(SMALL)
    corpus.save(tmp_path / "cut")
    file = tmp_path / "cut" / "query.en.arrow"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"query\.en\.arrow: cannot be read .*make it again"):
        ParallelCorpus.open(tmp_path / "cut")
    corpus.save(tmp_path / "cut")
    (tmp_path / "cut" / "rows.arrow").write_bytes(b"no arrow")
    with pytest.raises(InputError, match=r"rows\.arrow: cannot be read"):
        ParallelCorpus.open(tmp_path / "cut")


def test_select_by_positions_and_by_mask() -> None:
    corpus = ParallelCorpus.from_rows(SMALL)
    by_place, by_mask = corpus.select(np.array([0, 2])), corpus.select(np.array([True, False, True]))
    assert by_place.ids.tolist() == by_mask.ids.tolist() == ["r1", "r3"]
    assert by_place.fingerprint == by_mask.fingerprint != corpus.fingerprint
    assert by_place.select(np.array([1])).passage_text(0, "en") == "He."
    assert corpus.select(np.array([2, 0])).fingerprint != by_place.fingerprint
    assert len(corpus.select(np.zeros(3, dtype=bool))) == 0
    assert list(corpus.select(np.array([1])).iter_texts()) == ["There.", "Wo?"]
    with pytest.raises(IndexError):
        corpus.select(np.array([True, False]))


def test_keep_languages_drops_rows_without_a_side() -> None:
    corpus = ParallelCorpus.from_rows(SMALL)
    assert corpus.keep_languages(["en"]).ids.tolist() == ["r1", "r3"]
    both = corpus.keep_languages(["en", "de", "en"])
    assert (both.languages, both.ids.tolist()) == (("de", "en"), ["r1", "r2", "r3"])
    assert both.passage_text(0, "en") == "She."
    assert len(corpus.keep_languages(["zh"])) == 0
    with pytest.raises(InputError, match="'fr'"):
        corpus.keep_languages(["fr"])


def test_the_fingerprint_hangs_on_every_text_and_id() -> None:
    first = ParallelCorpus.from_rows(SMALL).fingerprint
    others = [
        row("r2", {"de": "Wo "}, {"en": "There."}),
        row("r2", {"de": "Wo?"}, {"en": "Here."}),
        row("r2", {"en": "Wo?"}, {"en": "There."}),
        row("r9", {"de": "Wo?"}, {"en": "There."}),
        row("r2", {"de": "Wo?"}, {"en": "There."}, passage_id="p"),
        row("r2", {"de": "Wo?"}, {"en": "There."}, query_id="q"),
        Row("r2", "r2", "r2", {"de": "Wo?"}, {"en": "There."}, {"en": "n"}),
    ]
    found = {ParallelCorpus.from_rows([SMALL[0], other, SMALL[2]]).fingerprint for other in others}
    found |= {ParallelCorpus.from_rows(SMALL[::-1]).fingerprint, first}
    assert len(found) == len(others) + 2
    assert ParallelCorpus.from_rows(SMALL).fingerprint == first


@st.composite
def clumped_rows(draw: st.DrawFn) -> list[Row]:
    """Rows that share passage_ids and texts at random, in random languages."""
    tags = st.sampled_from(["de", "en", "fr"])
    text = st.sampled_from(["A", "a ", "B", "C", "D", "E", "F", "G", "H"]).map(str)
    side = st.dictionaries(tags, text, min_size=1)
    count = draw(st.integers(1, 12))
    return [
        row(f"r{number}", draw(side), draw(side), passage_id=f"p{draw(st.integers(0, 8))}") for number in range(count)
    ]


@given(clumped_rows(), st.floats(0.1, 0.9))
def test_training_and_held_out_share_no_passage_and_no_text(rows: list[Row], share: float) -> None:
    train, held_out = ParallelCorpus.from_rows(rows).split(share)
    assert sorted([*train.ids, *held_out.ids]) == sorted(one.id for one in rows)
    assert not set(train.passage_ids) & set(held_out.passage_ids)
    for side in ("query", "passage"):
        texts = [
            {normalise(text) for tag in part.languages for text in getattr(part, f"{side}_table")(tag)[1]}
            for part in (train, held_out)
        ]
        assert not texts[0] & texts[1]


def test_split_is_about_the_share_and_stays_when_rows_are_added() -> None:
    rows = [row(f"r{number}", {"en": f"q{number}"}, {"en": f"p{number}"}) for number in range(2000)]
    train, held_out = ParallelCorpus.from_rows(rows).split(0.1)
    assert 150 < len(held_out) < 250  # 200 expected, standard deviation 13.4
    fewer = ParallelCorpus.from_rows(rows[:500]).split(0.1)[1]
    assert set(fewer.ids) == {one for one in held_out.ids if int(one[1:]) < 500}
    assert set(ParallelCorpus.from_rows(rows).split(0.1, "other")[1].ids) != set(held_out.ids)
    assert len(ParallelCorpus.from_rows(rows).split(0)[1]) == 0
    with pytest.raises(InputError, match="held-out share must be a number from 0 to below 1 .got 1"):
        ParallelCorpus.from_rows(rows).split(1)


def test_several_files_are_pooled_under_their_stems(tmp_path: Path) -> None:
    lines = [json.dumps({"id": name, "query": {"en": name}, "passage": {"en": f"{name}."}}) for name in ("1", "2")]
    (tmp_path / "first.jsonl").write_text(lines[0])
    (tmp_path / "second.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    corpus = ParallelCorpus.from_jsonl(tmp_path / "first.jsonl", tmp_path / "second.jsonl.gz")
    assert corpus.ids.tolist() == corpus.passage_ids.tolist() == ["first/1", "second/1", "second/2"]
    assert together(corpus) == [{"first/1", "second/1"}]
    assert ParallelCorpus.from_jsonl(tmp_path / "first.jsonl").ids.tolist() == ["1"]
    for files in ([], [tmp_path / "first.jsonl", tmp_path / "first.jsonl.gz"]):
        with pytest.raises(InputError, match="give one or more files with different names"):
            ParallelCorpus.from_jsonl(*files)
