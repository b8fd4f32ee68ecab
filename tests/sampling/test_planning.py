"""Batch plans: what every batch of every strategy must keep to, on corpora of odd shapes, and what a plan can do."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row, normalise
from hybridkit.errors import InputError
from hybridkit.sampling import BatchPlan, Strategy, common_rows, cross, english, hybrid, mixed, mono
from hybridkit.sampling import plan as planfile
from hybridkit.sampling.plan_texts import PlanTexts

TAGS = ("de", "en", "th", "zh")
STRATEGIES = [english(), mixed(), mono(), mono(by="size", power=0.5), cross(), hybrid(alpha=0.5), hybrid(alpha=0.1)]


def parallel(count: int, tags: tuple[str, ...] = TAGS) -> ParallelCorpus:
    """Rows that share nothing, each known in every language on both sides."""
    return ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", {tag: f"q{n} {tag}" for tag in tags}, {tag: f"p{n} {tag}" for tag in tags}, {})
        for n in range(count)
    )


@st.composite
def odd_corpora(draw: st.DrawFn) -> ParallelCorpus:
    """Rows that lack languages, know only one, share passages, headings and ids, in a corpus of any small size."""
    count = draw(st.integers(4, 25))
    shared = draw(st.integers(4, 60))  # the fewer different texts and passages there are, the more rows conflict
    some = st.sets(st.sampled_from(TAGS), min_size=1)
    rows = []
    for n in range(count):
        queries, passages = draw(some), draw(some)
        if draw(st.booleans()):
            passages = queries
        texts = [draw(st.integers(0, shared)) for _ in range(3)]
        query = {tag: f"Q{texts[0]} {tag}" for tag in queries}
        passage = {tag: f"p{texts[1]}  {tag}".swapcase() for tag in passages}
        rows.append(Row(f"r{n}", f"x{n if texts[2] % 2 else texts[2]}", f"r{n}", query, passage, {}))
    return ParallelCorpus.from_rows(rows)


@given(odd_corpora(), st.sampled_from(STRATEGIES), st.integers(1, 12), st.integers(2, 6), st.integers(0, 3))
@settings(max_examples=200)
def test_every_batch_keeps_to_the_rules(
    corpus: ParallelCorpus, strategy: Strategy, steps: int, batch_size: int, seed: int
) -> None:
    plan = None
    while plan is None and batch_size >= 2:
        try:
            plan = strategy.plan(corpus, steps, batch_size, seed)
        except InputError:  # whether that is right is the test after next's
            batch_size -= 1
    assume(plan is not None)
    assert plan is not None
    assert plan.draws.shape == (steps, batch_size, 3)
    assert plan.draws.dtype == np.int32
    assert set(plan.kinds) <= set(strategy.shares)
    for kind, batch in zip(plan.kinds, plan.batches(), strict=True):
        rows, queries, passages = batch.T
        # no two rows share a group, an id, a passage_id, a text
        assert len(set(corpus.group[rows])) == batch_size
        assert len(set(corpus.passage_ids[rows])) == batch_size
        for side in ("query", "passage"):
            known = [{normalise(text) for tag in TAGS if (text := _text(corpus, side, row, tag))} for row in rows]
            assert len(set().union(*known)) == sum(map(len, (set(one) for one in known)))
        # every drawn text exists
        assert corpus.has_query[rows, queries].all()
        assert corpus.has_passage[rows, passages].all()
        if kind == "mono":
            assert len({*queries, *passages}) == 1
            if isinstance(strategy, english):
                assert corpus.languages[queries[0]] == "en"
        elif kind == "mixed":
            assert (queries == passages).all()
        else:
            assert (queries != passages).all()


def _text(corpus: ParallelCorpus, side: str, row: int, tag: str) -> str | None:
    return getattr(corpus, f"{side}_text")(int(row), tag) if tag in corpus.languages else None


@given(odd_corpora(), st.sampled_from(STRATEGIES), st.integers(2, 8))
def test_a_plan_or_a_clear_error_and_never_an_endless_search(
    corpus: ParallelCorpus, strategy: Strategy, batch_size: int
) -> None:
    """There is a plan exactly where every kind of batch has as many groups of usable rows as a batch has rows."""
    possible = True
    for kind in strategy.shares:
        both = corpus.has_query & corpus.has_passage
        pairs = corpus.has_query.sum(1) * corpus.has_passage.sum(1) - both.sum(1)
        if kind == "cross":
            sets = [pairs > 0]
        elif kind == "mixed":
            sets = [both.any(1)]
        else:
            tags = (
                ["en"]
                if isinstance(strategy, english)
                else [t for i, t in enumerate(corpus.languages) if both[:, i].any()]
            )
            sets = [
                both[:, corpus.languages.index(tag)] if tag in corpus.languages else both[:, :0].any(1) for tag in tags
            ]
            possible &= bool(sets)
        possible &= all(len(set(corpus.group[rows])) >= batch_size for rows in sets)
    if possible:
        assert len(strategy.plan(corpus, 5, batch_size, 0)) == 5
    else:
        with pytest.raises(InputError):
            strategy.plan(corpus, 5, batch_size, 0)


def test_a_plan_that_a_run_was_made_with_stays() -> None:
    """Run folders and published results hang on it: whoever changes a draw changes the format of plans as well."""
    plan = hybrid(alpha=0.5).plan(parallel(7, ("de", "en")), 4, 3, seed=0)
    assert plan.kinds.tolist() == KINDS
    assert plan.draws.tolist() == DRAWS
    assert plan.corpus == "2435b6b49815e90ab2979a6757e61de0f24efdcc557ab108d90d484a97e49c74"
    assert plan.fingerprint == "a9dc245ff0dd3863f09fc00bbaab212ecaa484b2f4ba9a5de3ff049733d85736"


KINDS = ["mono", "mono", "cross", "cross"]
DRAWS = [
    [[1, 0, 0], [2, 0, 0], [4, 0, 0]],
    [[0, 1, 1], [6, 1, 1], [3, 1, 1]],
    [[4, 1, 0], [0, 0, 1], [5, 0, 1]],
    [[2, 0, 1], [3, 0, 1], [6, 0, 1]],
]


def test_hybrid_at_the_ends_draws_what_mono_and_cross_draw() -> None:
    corpus = parallel(20)
    for alpha, end in ((0, cross()), (1, mono())):
        assert hybrid(alpha=alpha).plan(corpus, 40, 5, 3).draws.tolist() == end.plan(corpus, 40, 5, 3).draws.tolist()


@given(st.integers(3, 40), st.integers(2, 40), st.integers(1, 40), st.sampled_from([cross(), mixed(), english()]))
def test_rows_are_used_evenly(count: int, batch_size: int, steps: int, strategy: Strategy) -> None:
    batch_size = min(batch_size, count)
    plan = strategy.plan(parallel(count), steps, batch_size, 0)
    times = np.bincount(plan.draws[..., 0].ravel(), minlength=count)
    assert times.max() - times.min() <= 1


def test_rows_of_each_mono_language_are_used_evenly() -> None:
    draws = mono().plan(parallel(11), 200, 4, 0).draws
    for language in range(4):
        times = np.bincount(draws[draws[:, 0, 1] == language][..., 0].ravel(), minlength=11)
        assert times.max() - times.min() <= 1


def test_a_large_group_waits_its_turn_and_is_not_forgotten() -> None:
    """Ten rows of one passage among forty: one of them a batch at most, each drawn in turn."""
    rows = [Row(f"r{n}", "p" if n < 10 else f"r{n}", f"r{n}", {"en": f"q{n}"}, {"en": f"p{n}"}, {}) for n in range(40)]
    plan = mixed().plan(ParallelCorpus.from_rows(rows), 100, 4, 0)
    times = Counter(plan.draws[..., 0].ravel().tolist())
    assert 80 <= sum(times[n] for n in range(10)) <= 100  # nearly one a batch: 10 of 40 rows in batches of 4
    assert {times[n] for n in range(10)} <= {7, 8, 9, 10}
    assert {times[n] for n in range(10, 40)} <= {10, 11}


@pytest.mark.parametrize(
    ("strategy", "languages", "batch_size", "message"),
    [
        (mono(), TAGS, 21, "mono batches in 'de': only 20 rows can be in one batch .*the batch size is 21"),
        (cross(), TAGS, 21, "cross batches: only 20 rows"),
        (cross(), ("en",), 2, "cross batches: only 0 rows"),
        (english(), ("de", "fr"), 2, "language 'en' is in no row; the corpus has de, fr"),
        (hybrid(), ("en",), 2, "cross batches: only 0 rows"),
        (mixed(), TAGS, 1, "batch size must be a whole number from 2 on .got 1"),
    ],
)
def test_an_impossible_batch(strategy: Strategy, languages: tuple[str, ...], batch_size: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        strategy.plan(parallel(20, languages), 5, batch_size, 0)


def test_no_steps_no_rows_and_no_row_in_one_language() -> None:
    with pytest.raises(InputError, match="steps must be a whole number from 1 on .got 0"):
        mono().plan(parallel(4), 0, 2, 0)
    nothing = parallel(4).select(np.zeros(4, dtype=bool))
    for strategy in STRATEGIES:
        with pytest.raises(InputError):
            strategy.plan(nothing, 1, 2, 0)
    apart = ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", {"de": f"{n}"}, {"en": f"{n}"}, {}) for n in range(4)
    )
    with pytest.raises(InputError, match="mono: no row has its query and its passage in one language; use cross"):
        mono().plan(apart, 1, 2, 0)
    assert set(cross().plan(apart, 3, 4, 0).matrix().loc["de"]) == {0, 12}


def test_a_language_too_small_for_a_batch_is_named() -> None:
    rows = [Row(f"r{n}", f"r{n}", f"r{n}", {"en": f"q{n}"}, {"en": f"p{n}"}, {}) for n in range(8)]
    rows += [Row(f"s{n}", f"s{n % 2}", f"s{n}", {"th": f"Q {n}"}, {"th": f"P {n}"}, {}) for n in range(8)]
    with pytest.raises(InputError, match="mono batches in 'th': only 2 rows can be in one batch .of 8 usable rows"):
        mono().plan(ParallelCorpus.from_rows(rows), 1, 3, 0)


@given(odd_corpora(), st.sampled_from(STRATEGIES))
@settings(max_examples=20)
def test_write_and_read(tmp_path_factory: pytest.TempPathFactory, corpus: ParallelCorpus, strategy: Strategy) -> None:
    try:
        plan = strategy.plan(corpus, 4, 2, 7)
    except InputError:
        assume(False)
    path = tmp_path_factory.mktemp("plan") / "plan.parquet"
    for with_corpus in (corpus, None):
        plan.write(path, with_corpus)
        again = BatchPlan.read(path)
        assert again.draws.dtype == np.int32
        assert again.draws.tolist() == plan.draws.tolist()
        assert again.kinds.tolist() == plan.kinds.tolist()
        assert (again.languages, again.strategy, again.seed, again.corpus) == (
            plan.languages,
            plan.strategy,
            plan.seed,
            plan.corpus,
        )
        assert again.fingerprint == plan.fingerprint
    again.check(corpus)


def test_the_written_table_speaks_of_ids_and_languages(tmp_path: Path) -> None:
    corpus = parallel(6, ("de", "en"))
    plan = cross().plan(corpus, 2, 3, 0)
    plan.write(tmp_path / "plan.parquet", corpus)
    table = pd.read_parquet(tmp_path / "plan.parquet")
    assert [*table] == ["step", "kind", "row", "id", "passage_id", "query_language", "passage_language"]
    assert table["step"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["id"].tolist() == [f"r{row}" for row in plan.draws[..., 0].ravel()]
    assert set(zip(table["query_language"], table["passage_language"], strict=True)) <= {("de", "en"), ("en", "de")}
    texts = PlanTexts(plan, corpus)(np.array([3, 4, 5]))
    assert texts["query"] == [
        f"q{row[1:]} {tag}" for row, tag in zip(table["id"][3:], table["query_language"][3:], strict=True)
    ]
    assert texts["passage"] == [
        f"p{row[1:]} {tag}" for row, tag in zip(table["id"][3:], table["passage_language"][3:], strict=True)
    ]
    assert [str(kind) for kind in pq.read_schema(tmp_path / "plan.parquet").types] == [
        "int64",
        "large_string",
        "int32",
        *["large_string"] * 4,
    ]


def test_a_table_that_pandas_wrote_reads_and_one_of_another_format_does_not(tmp_path: Path) -> None:
    corpus = parallel(9, ("de", "en"))
    plan = hybrid(alpha=0.5).plan(corpus, 6, 4, 2)
    meta: dict[str, object] = {"format": 2, "languages": ["de", "en"], "strategy": "hybrid(alpha=0.5)", "seed": 2}
    meta |= {"corpus": corpus.fingerprint, "batch": 4}
    table = pa.Table.from_pandas(plan.frame(corpus), preserve_index=False)
    table = table.replace_schema_metadata({"hybridkit": json.dumps(meta)})
    pq.write_table(table, tmp_path / "plan.parquet", compression="zstd")
    assert BatchPlan.read(tmp_path / "plan.parquet").fingerprint == plan.fingerprint
    table = table.replace_schema_metadata({"hybridkit": json.dumps(meta | {"format": 1})})
    pq.write_table(table, tmp_path / "plan.parquet", compression="zstd")
    with pytest.raises(InputError, match="plan format 1, this kit reads 2; make the plan again"):
        BatchPlan.read(tmp_path / "plan.parquet")


def test_a_plan_of_several_parts_and_of_a_lexicon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = parallel(9, ("de", "en"))
    plan = hybrid(alpha=0.5).plan(corpus, 11, 4, 2)
    monkeypatch.setattr(planfile, "_DRAWS", 12)  # three steps a part
    for one in (plan, replace(plan, lexicon="abc")):
        one.write(tmp_path / "plan.parquet", corpus)
        assert pq.ParquetFile(tmp_path / "plan.parquet").num_row_groups == 4
        again = BatchPlan.read(tmp_path / "plan.parquet")
        assert (again.fingerprint, again.lexicon) == (one.fingerprint, one.lexicon)
        assert again.draws.tolist() == plan.draws.tolist()
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "plan.parquet"), plan.frame(corpus))
    assert replace(plan, lexicon="abc").fingerprint != plan.fingerprint


def test_slices_and_descriptions() -> None:
    plan = hybrid(alpha=0.5).plan(parallel(20), 50, 4, 0)
    part = plan[10:20]
    assert (len(plan), len(part)) == (50, 10)
    assert part.draws.tolist() == plan.draws[10:20].tolist()
    assert part.fingerprint != plan.fingerprint
    with pytest.raises(TypeError, match="plan.draws"):
        plan[0]  # type: ignore[index]
    with pytest.raises(TypeError, match="plan.batches"):
        list(plan)  # type: ignore[call-overload]
    told = plan.describe()
    mono_batches = int((plan.kinds == "mono").sum())
    assert (told["steps"], told["batch size"]) == (50, 4)
    assert told["share of mono batches"] == mono_batches / 50
    assert told["share of cross batches"] == 1 - mono_batches / 50
    assert told["different rows"] == 20
    matrix = plan.matrix()
    assert matrix.to_numpy().sum() == 200
    assert matrix.to_numpy().trace() == 4 * mono_batches


def test_a_plan_of_another_corpus_is_refused() -> None:
    corpus, other = parallel(6), parallel(7)
    plan = mono().plan(corpus, 1, 2, 0)
    with pytest.raises(InputError, match=r"the plan of mono \(seed 0\) was made of another corpus"):
        plan.check(other)
    with pytest.raises(InputError, match="another corpus"):
        plan.frame(other)
    with pytest.raises(InputError, match="another corpus"):
        plan.check(corpus.select(np.arange(5)))


def test_what_is_no_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    with pytest.raises(InputError, match=r"plan\.parquet: not a batch plan"):
        BatchPlan.read(path)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="not a batch plan"):
        BatchPlan.read(path)
    pd.DataFrame({"row": [1]}).to_parquet(path)
    with pytest.raises(InputError, match="not a batch plan"):
        BatchPlan.read(path)


def test_strategies_of_a_study_draw_from_the_same_rows() -> None:
    rows = [
        Row(f"r{n}", f"r{n}", f"r{n}", {"en": f"q{n}"}, {"en": f"p{n}"} | ({"de": f"d{n}"} if n % 2 else {}), {})
        for n in range(20)
    ]
    corpus = ParallelCorpus.from_rows(rows)
    both = corpus.select(common_rows(corpus, [mono(), cross()]))
    assert both.ids.tolist() == [f"r{n}" for n in range(1, 20, 2)]
    with pytest.raises(InputError, match="'en': only 10"):
        mono().plan(both, 1, 11, 0)
