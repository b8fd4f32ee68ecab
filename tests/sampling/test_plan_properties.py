"""What holds for every plan of every strategy, on corpora of odd shapes, beside what test_planning.py looks at."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.storage.columns import StringColumn
from hybridkit.errors import InputError
from hybridkit.sampling import BatchPlan, Strategy, cross, english, hybrid, linear, mixed, mono, step
from hybridkit.sampling.language_pairs import Patterns
from hybridkit.sampling.planning import RowQueue

TAGS = ("de", "en", "th", "zh")
CONSTANT = [
    mixed(),
    mono(),
    mono(weights={"en": 0.7, "de": 0.3}),
    mixed(by="size"),
    cross(),
    cross(pairs="one"),
    cross(pairs="en-x"),
    cross(pairs=["de-en", "en-de", "th-zh"]),
    cross(by="size", power=0.5),
    cross(weights={"en": 0.5, "de": 0.3, "th": 0.2}),
    hybrid(alpha=0.5),
    hybrid(alpha=0.3, pairs="one"),
    hybrid(alpha=0.4, level="row"),
]
ABSOLUTE = [hybrid(alpha=linear(0, 1, steps=7)), hybrid(alpha=step({0: 1.0, 4: 0.5}), level="row")]
WHOLE = [hybrid(alpha=linear(0, 1))]
OTHERS = [english(), mono(by="size", power=0.5)]


def corpus_of(query: np.ndarray, passage: np.ndarray, group: np.ndarray | None = None) -> ParallelCorpus:
    """A corpus of bool arrays (rows, languages) that say what a row knows; no plan reads a text."""
    group = np.arange(len(query)) if group is None else group
    own = np.arange(len(query), dtype=np.int32)[:, None]
    none = np.int32(-1)
    positions = {"query": np.where(query, own, none), "passage": np.where(passage, own, none)}
    positions["negative"] = np.full_like(positions["query"], none)
    ids, passages = (StringColumn(pa.array([f"{n}" for n in names])) for names in (range(len(query)), group))
    return ParallelCorpus(
        languages=TAGS,
        ids=ids,
        passage_ids=passages,
        group=group.astype(np.int32),
        positions=positions,
        texts={},
        fingerprint="a test's",
    )


@st.composite
def odd_corpora(draw: st.DrawFn) -> ParallelCorpus:
    """Up to 40 rows: languages missing, one-language rows, tiny languages, passages that many rows share."""
    rows = draw(st.integers(4, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    known = random.random((2, rows, 4)) < draw(st.sampled_from([0.3, 0.7, 1.0]))
    if draw(st.booleans()):  # rows that know one language only
        known[:, : rows // 3] = np.eye(4, dtype=bool)[random.integers(4, size=rows // 3)]
    if draw(st.booleans()):  # a language that few rows know
        known[:, 5:, 2] = False
    group = random.integers(draw(st.integers(3, 60)), size=rows) if draw(st.booleans()) else np.arange(rows)
    if draw(st.booleans()):  # one passage of many rows
        group[: rows // 3] = group[0]
    return corpus_of(known[0], known[1], group)


def planned(strategy: Strategy, corpus: ParallelCorpus, steps: int, batch_size: int, seed: int) -> BatchPlan:
    try:
        return strategy.plan(corpus, steps, batch_size, seed)
    except InputError:
        assume(False)
        raise


def sources(plan: BatchPlan) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The rows of the batches that came from one queue, (batches, batch size), by kind, and language or pair."""
    one_pair = "pairs='one'" in plan.strategy
    for kind in sorted(set(plan.kinds)):
        draws = plan.draws[plan.kinds == kind]
        if kind == "mono" or one_pair:
            for pair in np.unique(draws[:, 0, 1:], axis=0):
                yield kind, pair, draws[(draws[:, 0, 1:] == pair).all(axis=1), :, 0]
        else:
            yield kind, np.array([], dtype=int), draws[..., 0]


@given(odd_corpora(), st.sampled_from([*CONSTANT, *ABSOLUTE, *WHOLE]), st.integers(1, 40), st.integers(2, 5))
@settings(max_examples=150)
def test_batches_keep_to_their_kind_and_hold_no_twins(
    corpus: ParallelCorpus, strategy: Strategy, steps: int, batch_size: int
) -> None:
    plan = planned(strategy, corpus, steps, batch_size, 1)
    groups = np.sort(corpus.group[plan.draws[..., 0]], axis=1)
    assert (np.diff(groups, axis=1) > 0).all()  # twins, shared passages and equal texts are one group
    row, query, passage = np.moveaxis(plan.draws, 2, 0)
    assert corpus.has_query[row, query].all()
    assert corpus.has_passage[row, passage].all()
    same = query == passage
    kinds = plan.kinds
    assert same[(kinds == "mono") | (kinds == "mixed")].all()
    assert not same[kinds == "cross"].any()
    assert all(len({*batch[:, 1]}) == 1 for batch in plan.draws[kinds == "mono"])
    if "pairs='one'" in plan.strategy:
        assert all(len({*map(tuple, batch[:, 1:].tolist())}) == 1 for batch in plan.draws[kinds == "cross"])
    text = str(strategy)
    if "en-x" in text:
        assert ((query == TAGS.index("en")) | (passage == TAGS.index("en"))).all()
    if "th-zh" in text:
        assert set(zip(query.ravel().tolist(), passage.ravel().tolist(), strict=True)) <= {(0, 1), (1, 0), (2, 3)}
    if "weights" in text:
        allowed = [TAGS.index(tag) for tag in strategy.weights]  # type: ignore[attr-defined]
        assert np.isin(query, allowed).all()
        assert np.isin(passage, allowed).all()


@given(odd_corpora(), st.sampled_from([*CONSTANT, *ABSOLUTE]), st.integers(1, 60), st.integers(2, 5))
@settings(max_examples=150)
def test_the_rows_of_a_queue_are_drawn_equally_often(
    corpus: ParallelCorpus, strategy: Strategy, steps: int, batch_size: int
) -> None:
    """At most once more or less than another; a row that waits for others of its group falls behind, by no more."""
    plan = planned(strategy, corpus, steps, batch_size, 2)
    for kind, pair, rows in sources(plan):
        usable = strategy.usable(corpus)
        if len(pair):
            usable = corpus.has_query[:, pair[0]] & corpus.has_passage[:, pair[1]]
        elif isinstance(strategy, hybrid) and kind == "cross":
            usable = cross(pairs=strategy.pairs).usable(corpus)
        times = np.bincount(rows.ravel(), minlength=len(corpus))
        assert not times[~usable].any()
        sizes = np.bincount(corpus.group[usable], minlength=corpus.group.max() + 1)
        alone = usable & (sizes[corpus.group] == 1)
        if strategy.rows_first and len(pair):  # rows come from each of their languages or pairs in turn
            continue
        if alone.any():  # no other row can keep it waiting
            assert times[alone].max() - times[alone].min() <= 1
            assert times[usable].max() <= times[alone].max() + 1
        if alone.all() or (sizes <= 1).all():
            assert times[usable].max() - times[usable].min() <= 1
        for group in np.flatnonzero(sizes > 1):  # rows of one group take turns
            own = times[usable & (corpus.group == group)]
            if (sizes > 1).sum() <= batch_size:  # each batch draws from every group that waits, first come first;
                assert own.max() - own.min() <= 2  # where more wait than a batch holds, a row may be overtaken
            # a group falls behind only where it stands in nearly every batch already
            mean, most = rows.size / usable.sum(), len(rows)
            if own.sum() < np.floor(mean - 2) * sizes[group]:
                assert own.sum() >= most - 2 * sizes[group] - batch_size


@given(odd_corpora(), st.sampled_from([*OTHERS, *CONSTANT, *ABSOLUTE]), st.integers(1, 15), st.integers(0, 3))
@settings(max_examples=80)
def test_an_independent_plan_is_the_beginning_of_every_longer_one(
    corpus: ParallelCorpus, strategy: Strategy, steps: int, seed: int
) -> None:
    if getattr(strategy, "whole_batches", False):
        strategy = replace(strategy, draw="independent")  # type: ignore[call-arg]
    long, short = planned(strategy, corpus, 20, 2, seed), planned(strategy, corpus, steps, 2, seed)
    assert short.draws.tolist() == long.draws[:steps].tolist()
    assert short.kinds.tolist() == long.kinds[:steps].tolist()
    assert short.fingerprint == long[:steps].fingerprint


ALL = np.ones((400, 4), dtype=bool)
EVERY_PAIR = {(a, b): 1 for a in range(4) for b in range(4) if a != b}


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.5, 0.77])
@pytest.mark.parametrize("steps", [1, 2, 7, 40, 150])
def test_a_plan_has_just_its_share_of_monolingual_batches(alpha: float, steps: int) -> None:
    found = [hybrid(alpha=alpha).plan(corpus_of(ALL, ALL), steps, 2, seed).kinds for seed in range(4)]
    assert {int((kinds == "mono").sum()) for kinds in found} == {int(np.floor(alpha * steps + 0.5))}
    if steps == 150:  # placed at random
        assert len({tuple(kinds) for kinds in found}) == 4
        assert (found[0] == "mono")[:75].sum() not in (0, 75)


def test_a_share_that_moves_is_kept_as_a_whole_and_along_the_way() -> None:
    kinds = hybrid(alpha=linear(0, 1)).plan(corpus_of(ALL, ALL), 1000, 2, 3).kinds == "mono"
    assert kinds.sum() == 500
    assert kinds[:250].mean() == pytest.approx(0.125, abs=0.06)
    assert kinds[-250:].mean() == pytest.approx(0.875, abs=0.06)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
@settings(max_examples=30)
def test_all_strategies_draw_every_row_and_language_equally_often(seed: int, rare: int) -> None:
    """What a comparison of strategies rests on: rows with few languages and rows with many, and rare languages."""
    random = np.random.default_rng(seed)
    known = np.zeros((300, 4), dtype=bool)
    known[:, :2] = True
    known[:100, 2] = True
    known[: 100 // rare, 3] = True
    known = known[random.permutation(300)]
    corpus = corpus_of(known, known)
    share_of_language = (known / known.sum(axis=1, keepdims=True)).mean(axis=0)
    for strategy in (mono(), cross(), mixed(), hybrid(alpha=0.5), cross(pairs="one")):
        plan = strategy.plan(corpus, 1500, 8, 0)  # 12,000 draws: 40 of a row
        times = np.bincount(plan.draws[..., 0].ravel(), minlength=300)
        for many in (2, 3, 4):
            assert times[known.sum(axis=1) == many].mean() == pytest.approx(40, rel=0.06), (strategy, many)
        for side in (1, 2):
            drawn = np.bincount(plan.draws[..., side].ravel(), minlength=4) / 12_000
            assert np.abs(drawn - share_of_language).max() < 0.02, (strategy, side)


def test_drawing_the_language_first_repeats_the_rows_of_a_rare_language() -> None:
    """What by='rows' is for: by the old rule a row with the rare language is drawn many times as often as another."""
    known = np.zeros((300, 4), dtype=bool)
    known[:, 0], known[:10, 1] = True, True
    corpus = corpus_of(known, known)
    old, new = (mono(by=by).plan(corpus, 600, 5, 0).draws[..., 0].ravel() for by in ("uniform", "rows"))
    times = [np.bincount(rows, minlength=300) for rows in (old, new)]
    assert times[0][:10].mean() > 15 * times[0][10:].mean()
    assert times[1][:10].mean() == pytest.approx(times[1][10:].mean(), rel=0.15)


def test_alpha_over_the_whole_plan_is_no_beginning_of_a_longer_one() -> None:
    short, long = (WHOLE[0].plan(corpus_of(ALL, ALL), steps, 2, 0) for steps in (200, 400))
    assert short.kinds.tolist() != long.kinds[:200].tolist()
    assert (short.kinds[0], short.kinds[-1], long.kinds[-1]) == ("cross", "mono", "mono")


@pytest.mark.parametrize("strategy", [*OTHERS, *CONSTANT, *ABSOLUTE, *WHOLE], ids=str)
def test_equal_seeds_give_equal_plans_and_others_have_nothing_in_common(strategy: Strategy) -> None:
    corpus = corpus_of(ALL, ALL)
    first, again, other = (strategy.plan(corpus, 120, 20, seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.draws.tobytes() == again.draws.tobytes()
    # of two independent orders of 400 rows about one in 400 stands in the same place
    assert (first.draws[..., 0] == other.draws[..., 0]).mean() < 0.02


@pytest.mark.parametrize("strategy", [mono(), cross(pairs="one"), hybrid(alpha=0.5, pairs="one")], ids=str)
def test_queues_of_equal_size_have_orders_of_their_own(strategy: Strategy) -> None:
    from itertools import combinations

    plan = strategy.plan(corpus_of(ALL, ALL), 600, 20, 0)
    firsts = [rows[:20].ravel() for _, _, rows in sources(plan)]
    assert len(firsts) == {"mono": 4, "cross(pairs='one')": 12}.get(str(strategy), 16)
    for one, other in combinations(firsts, 2):
        length = min(len(one), len(other))
        assert (one[:length] == other[:length]).mean() < 0.03
        assert abs(np.corrcoef(one[:length], other[:length])[0, 1]) < 0.25


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (mono(), [4 / 7, 1 / 7, 1 / 7, 1 / 7]),  # by rows: 400, 100, 100 and 100
        (mono(by="uniform"), [0.25] * 4),
        (mono(weights={"en": 0.7, "de": 0.3}), [0.3, 0.7, 0, 0]),
        (mono(by="size", power=0.5), [20 / 50, 10 / 50, 10 / 50, 10 / 50]),  # 400, 100, 100 and 100 rows
        (hybrid(alpha=0.5), [0.25] * 4),
    ],
    ids=str,
)
def test_languages_of_mono_batches_are_drawn_by_their_weights(strategy: Strategy, expected: list[float]) -> None:
    from scipy.stats import chisquare

    known = np.eye(4, dtype=bool)[np.repeat([0, 1, 2, 3], [400, 100, 100, 100])]
    if isinstance(strategy, hybrid):
        known = ALL
    for draw in ("independent", "stratified"):
        plan = replace(strategy, draw=draw).plan(corpus_of(known, known), 6000, 2, 0)  # type: ignore[call-arg]
        counts = np.bincount(plan.draws[plan.kinds == "mono", 0, 1], minlength=4)
        drawn = np.array(expected) > 0
        assert not counts[~drawn].any()
        assert chisquare(counts[drawn], counts.sum() * np.array(expected)[drawn]).pvalue > 0.001
        if draw == "stratified":
            assert np.abs(counts - counts.sum() * np.array(expected)).max() < 1


@pytest.mark.parametrize(
    ("strategy", "pairs"),
    [
        (mixed(), {(a, a): 1 for a in range(4)}),
        (cross(), EVERY_PAIR),
        (cross(pairs="one"), EVERY_PAIR),
        (cross(pairs="en-x"), {(1, 0): 1, (1, 2): 1, (1, 3): 1, (0, 1): 1, (2, 1): 1, (3, 1): 1}),
        (cross(pairs=["de-en", "th-en"]), {(0, 1): 1, (2, 1): 1}),
        (
            cross(weights={"de": 0.5, "en": 0.3, "th": 0.2}),
            {(0, 1): 15, (1, 0): 15, (0, 2): 10, (2, 0): 10, (1, 2): 6, (2, 1): 6},
        ),
        (
            cross(pairs="one", weights={"de": 0.5, "en": 0.3, "th": 0.2}),
            {(0, 1): 15, (1, 0): 15, (0, 2): 10, (2, 0): 10, (1, 2): 6, (2, 1): 6},
        ),
        (mixed(weights={"de": 0.9, "zh": 0.1}), {(0, 0): 9, (3, 3): 1}),
    ],
    ids=str,
)
def test_pairs_are_drawn_by_their_weights(strategy: Strategy, pairs: dict[tuple[int, int], float]) -> None:
    from scipy.stats import chisquare

    plan = strategy.plan(corpus_of(ALL, ALL), 3000, 4, 0)
    draws = plan.draws[:, :1] if "one" in str(strategy) else plan.draws  # one draw of a pair a batch
    drawn, counts = np.unique(draws[..., 1:].reshape(-1, 2), axis=0, return_counts=True)
    assert {tuple(pair) for pair in drawn.tolist()} == set(pairs)
    weights = np.array([pairs[tuple(pair)] for pair in drawn.tolist()])
    assert chisquare(counts, counts.sum() * weights / weights.sum()).pvalue > 0.001


def test_by_size_a_pair_weighs_its_queries_times_its_passages() -> None:
    from scipy.stats import chisquare

    query, passage = np.zeros((400, 4), dtype=bool), np.zeros((400, 4), dtype=bool)
    query[:, 0], query[:100, 1] = True, True  # 400 German and 100 English queries
    passage[:, 2], passage[:, 3] = True, True
    passage[200:, 3] = False  # 400 Thai passages and 200 Chinese ones
    plan = cross(by="size", power=1.0).plan(corpus_of(query, passage), 4000, 4, 0)
    both = plan.draws[plan.draws[..., 0] < 100]  # rows with all four pairs: they weigh as 8, 4, 2, 1
    counts = np.bincount(both[:, 1] * 2 + both[:, 2] - 2, minlength=4)
    assert chisquare(counts, counts.sum() * np.array([8, 4, 2, 1]) / 15).pvalue > 0.001


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        (0.2, lambda at: np.full(len(at), 0.2)),
        (linear(0, 1, steps=1000), lambda at: np.minimum(at / 1000, 1)),
        (linear(1, 0.5), lambda at: 1 - 0.5 * at / 1999),
        (step({0: 1.0, 500: 0.25, 1500: 0}), lambda at: np.where(at < 500, 1.0, np.where(at < 1500, 0.25, 0.0))),
    ],
    ids=["constant", "rising", "falling", "in steps"],
)
def test_alpha_is_honoured_at_every_step(alpha: float, expected) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    corpus, share = corpus_of(ALL[:8], ALL[:8]), expected(np.arange(2000))
    kinds = np.array([hybrid(alpha=alpha).plan(corpus, 2000, 2, seed).kinds == "mono" for seed in range(10)])
    assert not kinds[:, share == 0].any()
    assert kinds[:, share == 1].all()
    for part in np.array_split(np.arange(2000), 10):  # 2,000 draws each; the mean's standard error is below 0.0112
        assert abs(kinds[:, part].mean() - share[part].mean()) < 4 * 0.0112
    rows = hybrid(alpha=alpha, level="row").plan(corpus_of(ALL, ALL), 2000, 7, 0)
    same = (rows.draws[..., 1] == rows.draws[..., 2]).sum(axis=1)
    assert set(rows.kinds) == {"blend"}
    assert (np.abs(same - 7 * share) < 1).all()  # in every batch, to the nearest row above or below
    assert abs(same.mean() - 7 * share.mean()) < 0.05


def test_same_language_rows_of_a_blend_stand_anywhere_in_it() -> None:
    plan = hybrid(alpha=0.5, level="row").plan(corpus_of(ALL, ALL), 2000, 8, 0)
    share = (plan.draws[..., 1] == plan.draws[..., 2]).mean(axis=0)  # by slot; standard error 0.0112
    assert np.abs(share - 0.5).max() < 4 * 0.0112


class SlowQueue:
    """The rule of a queue, written down as plainly as it can be: every row that waits is looked at for every batch."""

    def __init__(self, rows: np.ndarray, group: np.ndarray, size: int, random: np.random.Generator) -> None:
        self.rows, self.size, self.random = rows, size, random
        self.group = dict(zip(rows.tolist(), group.tolist(), strict=True))
        self.order: list[int] = []
        self.waiting: list[int] = []

    def take(self) -> list[int]:
        batch: list[int] = []
        arrived, self.waiting = self.waiting, []
        while True:
            for row in arrived:
                used = {self.group[one] for one in batch}
                (self.waiting if self.group[row] in used or len(batch) == self.size else batch).append(row)
            if len(batch) == self.size:
                return batch
            if not self.order:
                self.order = self.random.permutation(np.setdiff1d(self.rows, self.waiting)).tolist()
            count = self.size - len(batch)
            arrived, self.order = self.order[:count], self.order[count:]


@given(st.lists(st.integers(0, 12), min_size=3, max_size=60), st.integers(2, 6), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=200)
def test_the_queue_gives_what_its_plain_rule_gives(groups: list[int], size: int, count: int, seed: int) -> None:
    size = min(size, len(set(groups)))
    rows, group = np.arange(len(groups)) * 3 + 1, np.array(groups)
    fast = RowQueue(rows, group, size, np.random.default_rng(seed))
    slow = SlowQueue(rows, group, size, np.random.default_rng(seed))
    expected = [slow.take() for _ in range(count + 3)]
    assert [*fast.take(count).tolist(), *fast.take(3).tolist()] == expected


@pytest.mark.parametrize(("rows", "groups"), [(2000, 20), (4000, 20), (4000, 4000)])
def test_waiting_rows_cost_nothing(rows: int, groups: int) -> None:
    """A batch of 20 out of 20 groups of very different size: a queue looks at few rows a batch, however many wait."""
    random = np.random.default_rng(0)
    group = np.where(np.arange(rows) < groups, np.arange(rows) % groups, 0)
    queue = RowQueue(np.arange(rows), group, 20, random)
    arrived = []
    arrive = queue._arrive
    queue._arrive = lambda count: arrived.append(len(part := arrive(count))) or part  # type: ignore[method-assign,func-returns-value]
    queue.take(500)
    assert sum(arrived) <= 500 * 20 + rows
    assert len(arrived) <= 500 * 20 + rows


@pytest.mark.parametrize("width", [3, 40])
def test_rows_with_the_same_languages_are_one_pattern(width: int) -> None:
    """32 languages fit into a number of 64 bits; more are compared as bytes."""
    random = np.random.default_rng(width)
    known = random.random((2, 500, width)) < 0.9
    known[:, 100:] = known[:, random.integers(100, size=400)]
    known[:, :, -1], known[:, 7] = False, False
    positions = {
        side: np.where(one, 1, -1).astype(np.int32) for side, one in zip(("query", "passage"), known, strict=True)
    }
    ids = StringColumn(pa.array([str(n) for n in range(500)]))
    tags = tuple(f"x{n}" for n in range(width))
    patterns = Patterns.of(ParallelCorpus(tags, ids, ids, np.arange(500, dtype=np.int32), positions, {}, ""))
    assert (patterns.query[patterns.of_row] == known[0]).all()
    assert (patterns.passage[patterns.of_row] == known[1]).all()
    assert len(patterns.query) == len(np.unique(np.concatenate(known, axis=1), axis=0))
    assert patterns.sizes["both"].tolist() == (known[0] & known[1]).sum(axis=0).tolist()
