"""Strategies as tables and figures name them: label, order, share of monolingual batches; no plotting library."""

import re
from collections.abc import Iterable

WITH = " with "  # between a strategy and the remedy that its results have
UNTRAINED = "untrained"  # the encoder before training, which is compared with the strategies
_ALPHA = re.compile(r"hybrid\(alpha=([0-9.eE+-]+)\)")
_RANK = {name: rank for rank, name in enumerate([UNTRAINED, "english", "mixed", "mono", "cross"])}


def alpha(strategy: str) -> float | None:
    """Return the share of monolingual batches in a strategy's name; None where it is not a hybrid of one alpha.

    >>> alpha("hybrid(alpha=0.25)"), alpha("mono")
    (0.25, None)
    """
    match = _ALPHA.fullmatch(strategy)
    return float(match[1]) if match else None


def order(strategies: Iterable[str]) -> list[str]:
    """Return distinct strategies in order: untrained, english, mixed, mono, cross, hybrid by alpha, others by name.

    A code-switched strategy follows the one that it switches, one with a remedy the one without.

    >>> order(["hybrid(alpha=0.5)", "zigzag", "cross", "mono", "hybrid(alpha=0.25)", "untrained", "mono"])
    ['untrained', 'mono', 'cross', 'hybrid(alpha=0.25)', 'hybrid(alpha=0.5)', 'zigzag']
    """

    def key(system: str) -> tuple[int, float, bool, str, str]:
        name, _, remedy = system.partition(WITH)
        base = switched(name)
        share, rank = alpha(base or name), _RANK.get(base or name, 99)
        place = (rank, 0.0) if share is None else (50, share)
        return (*place, base is not None, name, remedy)

    return sorted({str(strategy) for strategy in strategies}, key=key)


def switched(strategy: str) -> str | None:
    """Return the strategy that a code-switched one switches; None for any other.

    >>> switched("codeswitch(hybrid(alpha=0.5), p=0.3)"), switched("mono")
    ('hybrid(alpha=0.5)', None)
    """
    if not strategy.startswith("codeswitch("):
        return None
    from hybridkit.sampling import parse

    return str(getattr(parse(strategy.partition(WITH)[0]), "base", strategy))


def switched_into(strategy: str) -> tuple[str, ...]:
    """Return the languages that a code-switched strategy lists; none where it takes those of the rows.

    >>> switched_into("codeswitch(mono, p=0.5, languages=['ar', 'de'])"), switched_into("codeswitch(mono, p=0.5)")
    (('ar', 'de'), ())
    """
    from hybridkit.sampling import parse

    listed = getattr(parse(strategy), "languages", "") if "languages=[" in strategy else ""
    return listed if isinstance(listed, tuple) else ()


def label(strategy: str) -> str:
    """Return a strategy's name in figures.

    >>> label("hybrid(alpha=0.5)"), label("cross"), label("codeswitch(english, p=0.5) with zscore")
    ('hybrid α = 0.5', 'cross', 'english, switched with zscore')
    >>> label("codeswitch(english, p=0.5, languages=['ar'])")
    'english, switched into ar'
    """
    strategy, joint, remedy = strategy.partition(WITH)
    if joint:
        return f"{label(strategy)}{joint}{remedy}"
    if base := switched(strategy):
        return " into ".join([f"{label(base)}, switched", " ".join(switched_into(strategy))]).removesuffix(" into ")
    share = alpha(strategy)
    return strategy if share is None else f"hybrid α = {share:g}"
