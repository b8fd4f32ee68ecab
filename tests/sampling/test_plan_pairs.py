"""Pairs for a re-ranker: the answer first, then passages that answer nothing of the row's group, in its language."""

from pathlib import Path

import numpy as np
import pytest

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.sampling import hybrid, mono
from hybridkit.sampling.codeswitch import codeswitch
from hybridkit.sampling.plan_pairs import PlanPairs
from hybridkit.sampling.plan_texts import PlanTexts

TAGS = ("de", "en")


def row(n: int) -> Row:
    """Rows 2k and 2k + 1 are two questions on one passage; every third has a hard negative in English.

    That of row 3 is the passage of its own group in English, and that of row 6 a text that is no passage.
    """
    negative = {3: f"house {n // 2} en", 6: "no passage en"}.get(n, f"house {(n // 2 + 1) % 12} en")
    return Row(
        f"r{n}",
        f"p{n // 2}",
        f"q{n}",
        {tag: f"bank {n} {tag}" for tag in TAGS},
        {tag: f"house {n // 2} {tag}" for tag in TAGS},
        {"en": negative} if n % 3 == 0 and n != 3 else {},
    )


CORPUS = ParallelCorpus.from_rows(row(n) for n in range(24))
PLAN = hybrid(alpha=0.5).plan(CORPUS, 60, 6, 1)
ALL = np.arange(PLAN.draws.shape[0] * PLAN.draws.shape[1])


@pytest.mark.parametrize("negatives", ["own", "random"])
@pytest.mark.parametrize("ratio", [1, 4, 11])
def test_no_negative_answers_the_row_and_all_are_different_and_in_the_passage_language(
    negatives: str, ratio: int
) -> None:
    pairs = PlanPairs(PLAN, CORPUS, negatives, ratio)
    found = pairs(ALL)
    texts = PlanTexts(PLAN, CORPUS)(ALL)
    assert found["query"] == texts["query"]
    assert [some[0] for some in found["passages"]] == texts["passage"]
    assert found["labels"] == [[1.0] + [0.0] * ratio] * len(ALL)
    for (drawn, _, column), some in zip(PLAN.draws.reshape(-1, 3), found["passages"], strict=True):
        assert len(set(some)) == 1 + ratio
        for text in some:
            assert text.endswith(TAGS[column])
        assert not any(text.startswith(f"house {drawn // 2} ") for text in some[1:])
    assert pairs.hard.any() == (negatives == "own")


def test_the_rows_own_negative_comes_first_where_it_is_known_in_the_passage_language() -> None:
    found = PlanPairs(PLAN, CORPUS, "own", 2)(ALL)
    firsts = 0
    for (drawn, _, column), some in zip(PLAN.draws.reshape(-1, 3), found["passages"], strict=True):
        if TAGS[column] == "en" and drawn % 3 == 0 and drawn != 3:
            assert some[1] == ("no passage en" if drawn == 6 else f"house {(drawn // 2 + 1) % 12} en")
            firsts += 1
    assert firsts > 20


def test_a_hard_negative_that_answers_the_rows_group_is_not_taken() -> None:
    twin = {"en": "house 0 de"}  # the text of the group's German passage
    rows = [row(n) for n in range(24)]
    rows[1] = Row("r1", "p0", "q1", rows[1].query, rows[1].passage, twin)
    corpus = ParallelCorpus.from_rows(rows)
    plan = mono().plan(corpus, 60, 6, 1)
    pairs = PlanPairs(plan, corpus, "own", 3)
    found = pairs(ALL)
    own = plan.draws.reshape(-1, 3)[:, 0] == 1
    assert own.any() and not pairs.hard[own].any()
    for at in np.flatnonzero(own):
        assert not any(text.startswith("house 0 ") for text in found["passages"][at][1:])


def test_pairs_depend_on_the_position_and_the_seed_only() -> None:
    pairs = PlanPairs(PLAN, CORPUS, "own", 3)
    whole = pairs(ALL)["passages"]
    some = ALL[[7, 300, 2, 7]]
    assert PlanPairs(PLAN, CORPUS, "own", 3)(some)["passages"] == [whole[at] for at in some]
    other = hybrid(alpha=0.5).plan(CORPUS, 60, 6, 2)
    assert PlanPairs(other, CORPUS, "random", 3)(ALL)["passages"] != whole


def test_random_negatives_are_spread_over_all_groups() -> None:
    found = PlanPairs(PLAN, CORPUS, "random", 2)(ALL)["passages"]
    names = [text.split()[1] for some in found for text in some[1:]]
    counts = np.array([names.count(str(n)) for n in range(12)])
    assert counts.sum() == 720 and counts.min() > 30 and counts.max() < 95  # 60 each


def test_negatives_are_switched_as_passages_are(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text("bank ufer\nhouse haus", encoding="utf-8")
    plans = {
        side: codeswitch(mono(), p=1, side=side, lexicon=str(tmp_path)).plan(CORPUS, 40, 6, 1)
        for side in ("query", "both")
    }
    texts = {side: PlanPairs(plan, CORPUS, "own", 3)(np.arange(240)) for side, plan in plans.items()}
    english = plans["both"].draws.reshape(-1, 3)[:, 2] == 1
    assert english.any()
    for at in np.flatnonzero(english):
        assert texts["both"]["query"][at] == texts["query"]["query"][at]
        assert texts["query"]["query"][at].startswith("ufer ")
        assert all(text.startswith("house ") or text == "no passage en" for text in texts["query"]["passages"][at])
        assert all(text.startswith("haus ") or text == "no passage en" for text in texts["both"]["passages"][at])


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="negatives must be 'own' or 'mined' or 'random'"):
        PlanPairs(PLAN, CORPUS, "hard")
    with pytest.raises(InputError, match="ratio"):
        PlanPairs(PLAN, CORPUS, "random", 0)
    with pytest.raises(InputError, match="'de' the rows have 12 groups of passages.*at most 11.*lower the ratio"):
        PlanPairs(PLAN, CORPUS, "random", 12)
    without = ParallelCorpus.from_rows(
        Row(one.id, one.passage_id, one.query_id, one.query, one.passage, {}) for one in map(row, range(24))
    )
    for negatives in ("own", "mined"):
        with pytest.raises(InputError, match="no draw has a hard negative"):
            PlanPairs(mono().plan(without, 4, 4, 0), without, negatives)
    with pytest.raises(InputError, match="another corpus"):
        PlanPairs(PLAN, without, "random")
