"""Hard negatives: which ones a batch may use, and mining that never takes an answer."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.cli import main
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row, read_rows
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.retrieval.bm25 import tokens
from hybridkit.retrieval.mining import Mining, mine_negatives, negative_counts
from hybridkit.sampling import BatchPlan, mono
from hybridkit.sampling.plan_texts import spare_passage, usable_negatives


def row(name: str, query: dict[str, str], passage: dict[str, str], negative: dict[str, str] | None = None) -> Row:
    return Row(name, name, name, query, passage, negative or {})


def plan_of(corpus: ParallelCorpus, draws: list[list[tuple[int, int]]]) -> BatchPlan:
    """A plan of (row, passage language) with queries in the first language."""
    array = np.array([[(number, 0, tag) for number, tag in batch] for batch in draws], dtype=np.int32)
    kinds = np.array(["cross"] * len(array), dtype=object)
    return BatchPlan(array, kinds, corpus.languages, "cross", 0, corpus.fingerprint)


MIXED = ParallelCorpus.from_rows(
    [
        row("0", {"de": "q0"}, {"de": "p0", "en": "e0"}, {"de": "p1", "en": "elsewhere"}),
        row("1", {"de": "q1"}, {"de": "P1 ", "en": "e1"}, {"en": "p2"}),  # row 0's negative, written otherwise
        row("2", {"de": "q2"}, {"de": "p2", "en": "e2"}),  # row 1's English negative is its German passage
        row("3", {"de": "q3"}, {"de": "p3", "en": "e3"}, {"de": "p3 twin"}),
        row("4", {"de": "q3"}, {"de": "p3 twin", "en": "e4"}, {"de": "lost"}),  # of row 3's group: one question
    ]
)


def test_a_negative_stays_out_of_a_batch_that_it_answers() -> None:
    plan = plan_of(
        MIXED,
        [
            [(0, 0), (1, 1)],  # p1 answers row 1; p2 answers nobody here
            [(0, 0), (2, 0)],  # p1 answers nobody here; row 2 has no negative
            [(0, 1), (1, 0)],  # a text that is nobody's passage; row 1 has none in German
            [(1, 1), (2, 1)],  # p2 answers row 2
            [(3, 0), (0, 0)],  # of row 3's own group
            [(4, 0), (0, 1)],
        ],
    )
    assert usable_negatives(plan, MIXED).tolist() == [
        [False, True],
        [True, False],
        [True, False],
        [False, False],
        [False, True],
        [True, True],
    ]
    with pytest.raises(InputError, match="another corpus"):
        usable_negatives(plan, MIXED.select(np.arange(4)))


@given(st.data())
def test_usable_negatives_are_those_of_a_plain_search(data: st.DataObject) -> None:
    text = st.sampled_from(["a", "b", "c", "d", "e", "f"])
    texts, negatives = (st.dictionaries(st.sampled_from(["de", "en"]), text, min_size=least) for least in (1, 0))
    rows = [
        row(str(n), {"de": f"query {n}"}, data.draw(texts), data.draw(negatives))
        for n in range(data.draw(st.integers(2, 6)))
    ]
    corpus = ParallelCorpus.from_rows(rows)
    column = {tag: number for number, tag in enumerate(corpus.languages)}
    cells = [(n, column[tag]) for n, one in enumerate(rows) for tag in one.passage]
    batches = data.draw(st.lists(st.lists(st.sampled_from(cells), min_size=2, max_size=2), min_size=1, max_size=4))
    found = usable_negatives(plan_of(corpus, batches), corpus)
    for step, batch in enumerate(batches):
        groups = {int(corpus.group[n]) for n, _ in batch}
        answers = {text for n, one in enumerate(rows) if corpus.group[n] in groups for text in one.passage.values()}
        for slot, (n, tag) in enumerate(batch):
            own = rows[n].negative.get(corpus.languages[tag])
            assert found[step, slot] == (own is not None and own not in answers)


def test_a_spare_passage_answers_nobody_in_the_batch() -> None:
    plan = plan_of(MIXED, [[(0, 0), (3, 0)], [(0, 1), (1, 1)]])
    assert {spare_passage(plan, MIXED, position) for position in (0, 1)} <= {"P1 ", "p2"}
    assert {spare_passage(plan, MIXED, position) for position in (2, 3)} <= {"e2", "e3", "e4"}
    full = plan_of(MIXED, [[(0, 0), (1, 0), (2, 0), (3, 0)]])
    with pytest.raises(InputError, match="step 0: every passage in 'de' belongs to a row of the batch"):
        spare_passage(full, MIXED, 1)


ANIMALS = ["red horse runs", "red horse sleeps", "blue whale sings", "blue whale dives", "old tree"]
TIERE = ["rotes pferd läuft", "rotes pferd schläft", "blauer wal singt", "blauer wal taucht", "alter baum"]
ZOO = ParallelCorpus.from_rows(
    Row(
        str(n),
        f"p{n}",
        str(n),
        {"en": f"what {one}", "de": f"was {other}"},
        {"en": f"a {one}", "de": f"ein {other}"},
        {"en": "a stone"} if n == 3 else {},
    )
    for n, (one, other) in enumerate(zip(ANIMALS, TIERE, strict=True))
)


def negatives_of(corpus: ParallelCorpus, tag: str) -> list[str | None]:
    column = corpus.column(tag)
    places = corpus.positions["negative"][:, column].tolist()
    return [corpus.texts["negative", tag][place].as_py() if place >= 0 else None for place in places]


def test_bm25_takes_the_nearest_that_is_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hybridkit"):
        mined = mine_negatives(ZOO, "bm25")
    # the old tree shares no word with anything else but "a"/"ein", which its question lacks
    assert negatives_of(mined, "en") == [
        "a red horse sleeps",
        "a red horse runs",
        "a blue whale dives",
        "a stone",
        None,
    ]
    assert negatives_of(mined, "de") == [
        "ein rotes pferd schläft",
        "ein rotes pferd läuft",
        "ein blauer wal taucht",
        "ein blauer wal singt",
        None,
    ]
    assert "8 of 10 passages have a hard negative, 7 of them mined" in caplog.text
    assert negative_counts(mined)["negatives"].tolist() == [4, 4]
    again = mine_negatives(ZOO, "bm25")
    assert again.fingerprint == mined.fingerprint != ZOO.fingerprint
    others = [mine_negatives(ZOO, "bm25", one).fingerprint for one in (Mining(keep=False), Mining(range_min=1))]
    assert len({mined.fingerprint, *others}) == 3
    np.testing.assert_array_equal(mined.group, ZOO.group)
    assert negatives_of(mine_negatives(ZOO, "bm25", Mining(keep=False)), "en")[3] == "a blue whale sings"


def test_any_language_takes_the_passages_of_one_row() -> None:
    # the English question of row 0 shares "taxi" with row 2, in French; no German word is shared
    rows = [
        row("0", {"en": "the taxi", "de": "wagen"}, {"en": "cab", "de": "mietwagen"}),
        row("1", {"en": "rain", "de": "regen"}, {"en": "wet", "de": "nass"}),
        row("2", {"fr": "quoi"}, {"fr": "un taxi", "en": "vehicle"}),
    ]
    mined = mine_negatives(ParallelCorpus.from_rows(rows), "bm25", Mining(language="any"))
    assert negatives_of(mined, "en")[0] == "vehicle"  # row 2 has no German passage
    assert (
        mined.positions["negative"][0, mined.column("de")] == mined.positions["negative"][0, mined.column("fr")] == -1
    )
    assert mine_negatives(ParallelCorpus.from_rows(rows), "bm25").positions["negative"].max() == -1


def test_without_a_query_in_its_language_bm25_asks_with_the_passage() -> None:
    rows = [
        row("0", {"en": "where do you die"}, {"de": "ein hund bellt"}),
        row("1", {"de": "frage"}, {"de": "sie die die"}),  # shares an English word with row 0's question
        row("2", {"en": "what"}, {"de": "der hund schläft"}),
    ]
    assert negatives_of(mine_negatives(ParallelCorpus.from_rows(rows), "bm25"), "de") == [
        "der hund schläft",
        None,
        "ein hund bellt",
    ]


def test_other_passages_of_a_group_are_never_taken() -> None:
    rows = [
        Row("0", "0", "one", {"en": "red horse"}, {"en": "red horse here", "de": "red horse dort"}, {}),
        Row("1", "1", "one", {"en": "red horse?"}, {"en": "red horse there"}, {}),  # the same question
        row("2", {"en": "blue"}, {"en": "red  HORSE there", "de": "pferd"}),  # the same passage, written otherwise
        row("3", {"en": "green"}, {"en": "red frog"}),
    ]
    corpus = ParallelCorpus.from_rows(rows)
    for mining in (Mining(), Mining(language="any")):
        found = negatives_of(mine_negatives(corpus, "bm25", mining), "en")
        assert found[:2] == ["red frog", "red frog"]
    assert negatives_of(mine_negatives(corpus, static(corpus)), "en")[:3] == ["red frog"] * 3


def test_limits_of_mining() -> None:
    rows = [row(str(n), {"en": f"x {'y ' * n}".strip()}, {"en": "x " * (n + 1) + f"w{n}"}) for n in range(6)]
    corpus = ParallelCorpus.from_rows(rows)
    best = [negatives_of(mine_negatives(corpus, "bm25", Mining(range_min=n)), "en")[0] for n in range(5)]
    assert len(set(best)) == 5  # each rank another passage
    assert negatives_of(mine_negatives(corpus, "bm25", Mining(range_min=1, range_max=2)), "en")[0] == best[1]
    drawn = {negatives_of(mine_negatives(corpus, "bm25", Mining(top=2, seed=seed)), "en")[0] for seed in range(20)}
    assert drawn == set(best[:2])
    # the answer of row 0 is the shortest: what has more x scores higher, and a margin of 0 leaves nothing of it
    from bm25s import BM25

    index = BM25(method="lucene", k1=0.9, b=0.4, backend="numpy")
    index.index([tokens(one.passage["en"]) for one in rows], show_progress=False)
    scores = index.get_scores(["x"])
    for limits, limit in (
        ({"absolute_margin": 0.0}, scores[0]),
        ({"relative_margin": 0.1}, 0.9 * scores[0]),
        ({"max_score": float(scores[3])}, scores[3]),
    ):
        mined = mine_negatives(corpus, "bm25", Mining(**limits))
        fit = [score for score in scores[1:] if score <= limit + 1e-7]
        expected = rows[int(np.flatnonzero(scores == max(fit))[0])].passage["en"] if fit else None
        assert negatives_of(mined, "en")[0] == expected
    for wrong in ({"language": "de"}, {"range_min": 3, "range_max": 3}, {"range_min": -1}, {"top": 0}):
        with pytest.raises(InputError, match=f"mining: .*{list(wrong)[-1] if len(wrong) > 1 else list(wrong)[0]}"):
            Mining(**wrong)


def static(corpus: ParallelCorpus) -> Any:
    return encoder.make(corpus.iter_texts(), vocab_size=120, dim=32)


@pytest.mark.parametrize("language", ["passage", "any"])
def test_a_model_takes_what_is_nearest_by_cosine(language: str) -> None:
    model = static(ZOO)
    model.prompts.update({"query": "ask ", "passage": "tell "})
    mining = Mining(language=language, keep=False, relative_margin=0.02)  # type: ignore[arg-type]
    mined = mine_negatives(ZOO, model, mining)
    passages = {tag: model.encode([f"tell {one}" for one in ZOO.passage_table(tag)[1]]) for tag in ZOO.languages}
    queries = {tag: model.encode([f"ask {one}" for one in ZOO.query_table(tag)[1]]) for tag in ZOO.languages}
    for number in range(5):
        ranked = []
        for asked in ZOO.languages:
            own = float(queries[asked][number] @ passages[asked][number])
            for told in ZOO.languages:
                scores = passages[told] @ queries[asked][number]
                ranked += [
                    (float(score), other, asked, told)
                    for other, score in enumerate(scores)
                    if other != number and score <= own * 0.98
                ]
        for tag in ZOO.languages:
            fit = [one for one in ranked if language == "any" or (one[2] == one[3] == tag)]
            expected = ZOO.passage_text(max(fit)[1], tag) if fit else None
            assert negatives_of(mined, tag)[number] == expected
    assert mine_negatives(ZOO, model, mining).fingerprint == mined.fingerprint


def test_a_mined_corpus_trains_and_is_saved(tmp_path: Path) -> None:
    mined = mine_negatives(ZOO, "bm25")
    mined.save(tmp_path / "corpus")
    again = ParallelCorpus.open(tmp_path / "corpus")
    assert negatives_of(again, "de") == negatives_of(mined, "de")
    assert again.fingerprint == mined.fingerprint
    plan = mono().plan(mined, 20, 2, 0)
    usable = usable_negatives(plan, mined)
    twins = {0: 1, 1: 0, 2: 3, 3: 2}  # whose passage a mined negative is
    for step, batch in enumerate(plan.draws[..., 0].tolist()):
        for slot, number in enumerate(batch):
            is_own = number == 3 and mined.languages[plan.draws[step, slot, 2]] == "en"
            assert usable[step, slot] == (number != 4 and (is_own or twins[number] not in batch))


def test_the_command_writes_rows_that_everything_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, out = tmp_path / "mine.jsonl", tmp_path / "mined.jsonl"
    texts = [("who is 0", "she is 0"), ("who is 1", "she is 1"), ("what now", "nothing")]
    rows.write_text(
        "".join(
            json.dumps({"id": str(n), "query_id": f"q{n}", "query": {"en": query}, "passage": {"en": passage}}) + "\n"
            for n, (query, passage) in enumerate(texts)
        )
    )
    command = ["data", "negatives", "--rows", str(rows), "--with", "bm25", "--out", str(out)]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "2 of 3 passages have a hard negative, 2 of them mined" in told.err
    assert "0.6667" in told.out
    before, after = list(read_rows(rows)), list(read_rows(out))
    assert [replace(one, negative={}) for one in after] == before
    assert [one.negative for one in after] == [{"en": "she is 1"}, {"en": "she is 0"}, {}]
    assert main(command) == 2
    assert "mined.jsonl: it exists" in capsys.readouterr().err
