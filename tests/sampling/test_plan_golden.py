"""Plans of earlier versions can be made again, by name; today's stay the same: published results hang on them."""

from dataclasses import replace

import numpy as np
import pytest

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.sampling import hybrid, mono, parse

TAGS = ("ar", "de", "en", "th", "zh")


def odd_corpus() -> ParallelCorpus:
    """300 rows in five languages: some lack languages, some know one, passages are shared, one by 40 rows."""
    random = np.random.default_rng(8)
    rows = []
    for n in range(300):
        known = random.random((2, 5)) < 0.7
        known[:, n % 5] = True
        if n % 7 == 0:
            known[:] = np.arange(5) == n % 5
        passage = "large" if n < 40 else f"p{random.integers(200)}"
        rows.append(
            Row(
                f"r{n}",
                passage,
                f"r{n}",
                {tag: f"q{n} {tag}" for tag, has in zip(TAGS, known[0], strict=True) if has},
                {tag: f"p{n} {tag}" for tag, has in zip(TAGS, known[1], strict=True) if has},
                {},
            )
        )
    return ParallelCorpus.from_rows(rows)


CORPUS = odd_corpus()
# strategy, steps, batch size, seed, fingerprint: made with hybridkit 0.1.0 before planning was rewritten for speed
GOLDEN = [
    ("english", 60, 8, 0, "2445eb8908dd11bf0810cf016520f74e8a7cdee7a80edc0b16fe2f3f778b819f"),
    ("mixed", 60, 16, 0, "8e7a44e86a0788b1376bc5c256a2574734781bef86cca6f1c0143ad91a445ec4"),
    ("mixed", 400, 30, 1, "013117621e1f3494b0738d59b2f52cce52ed2a896c63a6972fbf8f2d38c1ae6a"),
    ("mono", 200, 8, 0, "20171e0aa880bc696183df8fbde62e25d0ce6bc1ad8e19a7a46789987d7835a6"),
    ("mono", 500, 20, 5, "1806382996401e5e7ca7f37268192782b8d86b5243107ba9b055880c1390cb2d"),
    ("mono(by='size', power=0.5)", 200, 8, 2, "81c7509cea4cd6faf1ce7ce1da541cb5931f59b5c4354f8acc4756542b8ec06e"),
    ("cross", 60, 16, 0, "113218ed2f26c7653a6d877e95c6568fa82e3c4a1e4254460812f2e6ced5742b"),
    ("cross", 500, 40, 3, "5b072a20adb6d172067b33bb1c8dcf886d95143ce143e65a5f601114ab3f1cdc"),
    ("hybrid(alpha=0.5)", 200, 16, 0, "d4d1a0951b533ba7f67cce812dc4c32aac945528805d11af30dfc41fb6be4a3b"),
    ("hybrid(alpha=0.5)", 600, 25, 7, "d5d6aaefcc650e5ecd8e01508c1b073610c3d8fbc835b032e193ce0191cb4090"),
    ("hybrid(alpha=0.1)", 100, 4, 1, "90aab42caeeba863e40077b0a788d2f99ef4e18436f185adfc30c4efb85ce966"),
    ("hybrid(by='size', alpha=0.9)", 300, 12, 4, "8b52e1661fd511ef51f8cd70594f99326b3192e1f3c500119058e5d9ac0c3c8c"),
    ("hybrid(alpha=0)", 50, 8, 0, "756d40fa24f96bd1d3218812dbbb789f8b27283deab6ee4121c41593172c9698"),
    ("hybrid(alpha=1)", 50, 8, 0, "12dde04064679ccf3300aa184767e10c0f173448472768c8d9956b42f850722f"),
]


@pytest.mark.parametrize(("strategy", "steps", "batch_size", "seed", "fingerprint"), GOLDEN)
def test_plans_of_earlier_versions_can_be_made_again(
    strategy: str, steps: int, batch_size: int, seed: int, fingerprint: str
) -> None:
    named = parse(strategy)
    if isinstance(named, mono | hybrid):  # what they drew has a name of its own now
        named = replace(named, draw="independent", by="uniform" if named.by == "rows" else named.by)
    plan = named.plan(CORPUS, steps, batch_size, seed)
    assert replace(plan, strategy=str(parse(strategy))).fingerprint == fingerprint


def test_the_corpus_of_the_golden_plans_stays_the_same() -> None:
    assert CORPUS.fingerprint == "302f890006fbadbf4dc4a22d840ee9f0aa5d8903b88e166cd62a46e8c27fa445"
