"""codeswitch: any strategy, with words of its queries or passages replaced through a bilingual lexicon."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.sources.lexicons import Lexicons, homes, lexicon_languages, lexicons_from
from hybridkit.errors import InputError
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.strategies import Strategy
from hybridkit.sampling.word_switching import Switcher
from hybridkit.utils.numbers import SHARE, check_choice

_SAMPLE = 2000  # draws looked at for the rates
_RATES = ("side", "language", "texts", "tokens", "known", "switched")


@dataclass(frozen=True)
class codeswitch(Strategy):  # noqa: N801  strategies are written as the field writes them
    """A strategy's batches with words replaced by translations, as they are read.

    The plan has the draws of `base` with the same seed, so that the two are compared row by row. Each word of a text is
    replaced with probability `p` where the lexicon has it: case and punctuation stay, other words stay.

    Args:
        base: The strategy.
        p: Probability that a word is replaced.
        side: "query", "passage" (with the hard negatives, which have to look like passages) or "both".
        mode: "multilingual" draws a language for every word, among those that have the word; "bilingual" draws one for
            all texts of a row.
        lexicon: "muse", "atlas" or a folder with `en-LANG.txt`; English is on one side of each.
        pivot: Off, as in the paper, only English texts are switched. On, texts in other languages are switched too,
            through the inverted lexicon into English and from English into the rest.
        languages: Languages to switch into and from beside English: "all" of the corpus (an error where the lexicon
            does not have one), those "shared" by corpus and lexicon, or a list, which may name others than the corpus
            has and which an English corpus needs.

    Raises:
        InputError: p outside 0..1, another side or mode; from `plan`, a lexicon without a language or with broken
            lines, and nothing that would be switched.

    Source:
        arXiv 2305.05295, section 3.

    Example:
        >>> from hybridkit.sampling import hybrid
        >>> str(codeswitch(hybrid(), p=0.3, side="both", languages=["de", "ar"]))
        "codeswitch(hybrid(alpha=0.5), p=0.3, side='both', languages=['ar', 'de'])"
    """

    base: Strategy
    p: float = 0.5
    side: str = "query"
    mode: str = "multilingual"
    lexicon: str = "muse"
    pivot: bool = False
    languages: str | Sequence[str] = "all"

    def __post_init__(self) -> None:
        if not isinstance(self.base, Strategy) or isinstance(self.base, codeswitch):
            raise InputError(f"codeswitch of {self.base}: give one other strategy first, codeswitch(hybrid(alpha=0.5))")
        SHARE.check(self.p, "p, the probability that a word is switched,")
        check_choice(self.side, ("query", "passage", "both"), "side")
        check_choice(self.mode, ("multilingual", "bilingual"), "mode")
        if not isinstance(self.pivot, bool):
            raise InputError(f"pivot must be True or False (got {self.pivot!r})")
        if not isinstance(self.lexicon, str) or not self.lexicon:
            raise InputError(f"lexicon={self.lexicon!r}: give 'muse', 'atlas' or a folder with files en-LANG.txt")
        if self.languages not in ("all", "shared"):
            listed = isinstance(self.languages, list | tuple) and all(isinstance(tag, str) for tag in self.languages)
            tags = tuple(sorted(set(self.languages) - {"en"})) if listed else ()
            if not tags:
                raise InputError(f"languages={self.languages!r}: give 'all', 'shared' or a list such as ['de', 'es']")
            object.__setattr__(self, "languages", tags)

    def __str__(self) -> str:
        """The text that parses back, defaults left out except p."""
        shown = [str(self.base)]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if field.name == "p" or value != field.default:
                shown.append(f"{field.name}={list(value) if isinstance(value, tuple) else value!r}")
        return f"codeswitch({', '.join(shown)})"

    @property
    def shares(self) -> dict[str, float]:
        """Those of the base."""
        return self.base.shares

    @property
    def mono_share(self) -> float:
        """That of the base."""
        return self.base.mono_share

    def usable(self, corpus: ParallelCorpus) -> np.ndarray:
        """Return those of the base."""
        return self.base.usable(corpus)

    def plan(self, corpus: ParallelCorpus, steps: int, batch_size: int, seed: int) -> BatchPlan:
        """Return the base's plan with the same arguments and the lexicon's fingerprint."""
        lexicons = self.lexicons(corpus.languages)
        drawn = self.base.plan(corpus, steps, batch_size, seed)
        plan = replace(drawn, strategy=str(self), lexicon=lexicons.fingerprint)
        self._check_rates(plan, corpus)
        return plan

    def switches(self, side: str) -> bool:
        """Return whether texts of a side ("query", "passage", "negative") are switched."""
        return self.side == "both" or ("query" if side == "query" else "passage") == self.side

    def lexicons(self, languages: Sequence[str]) -> Lexicons:
        """Open the lexicons that a corpus in `languages` is switched by; InputError where one is missing."""
        wanted = sorted(set(languages) - {"en"}) if isinstance(self.languages, str) else self.languages
        if self.languages == "shared":
            wanted = sorted(set(wanted) & set(lexicon_languages(self.lexicon)))
        if not wanted:
            raise InputError(
                f"{self}: beside English the corpus ({', '.join(languages)}) has no language"
                f"{' that the lexicon has' if self.languages == 'shared' else ''}; name those to switch into, "
                f"languages=[...], among {', '.join(lexicon_languages(self.lexicon))}"
            )
        return Lexicons.open(self.lexicon, wanted)

    def _check_rates(self, plan: BatchPlan, corpus: ParallelCorpus) -> None:
        if self.p == 0:  # the base itself, the first point of a curve over p
            return
        for number, side in enumerate(("query", "passage")):
            if not self.switches(side):
                continue
            switcher = _switcher(self, plan)
            can = [bool(switcher.targets(tag)) for tag in plan.languages]
            fit = np.flatnonzero(np.array(can)[plan.draws[..., number + 1].ravel()])
            known, switched = _counts(plan, corpus, side, fit)[:, 1:3].sum(axis=0) if len(fit) else (0, 0)
            if switched:
                continue
            why = f"lexicon {self.lexicon} has no word of the {len(fit):,} {side} texts that can be switched"
            if not len(fit):
                tags = ", ".join(tag for tag, has in zip(plan.languages, can, strict=True) if has)
                why = f"no {side} of the plan is in {tags or 'English'}"
                why += "" if self.pivot else ", and other languages are switched with pivot=True only"
            elif known:
                why = f"p is too small for the {known:,} known words of its {side} texts"
            raise InputError(f"{self}: nothing would be switched: {why}")


def switcher_of(plan: BatchPlan) -> tuple[codeswitch, Switcher] | None:
    """Return the strategy of a plan and its `Switcher`; None where its strategy does not switch.

    Raises InputError where the lexicon is not the one that the plan was made with.
    """
    if not plan.strategy.startswith("codeswitch("):
        return None
    strategy = _parsed(plan.strategy)
    return strategy, _switcher(strategy, plan)


def switch_rates(plan: BatchPlan, corpus: ParallelCorpus, draws: int = _SAMPLE) -> pd.DataFrame:
    """Return how much of a plan's texts is switched, from `draws` draws that are evenly spread over it.

    Returns:
        DataFrame[side, language, texts, tokens, known, switched, content, content_switched]: a line for each language
        of each side that is switched, without hard negatives. `known` and `switched` are shares of the `tokens` (words;
        in a language without spaces that is switched, entries of the lexicon and the stretches between them).
        `content` is the number of words that are no English stop words, and `content_switched` the share of them that
        is switched: the effective rate of arXiv 2305.05295. Both are of English texts; in another language they are 0
        and missing. The paper's repository counts marks of punctuation as words and does not fold case, so that
        its rates are lower for the same texts.

    Raises:
        InputError: The plan's strategy does not switch, or the plan was made of another corpus.
    """
    plan.check(corpus)
    known = switcher_of(plan)
    if known is None:
        raise InputError(f"{plan.strategy} switches no texts; make the plan of codeswitch({plan.strategy})")
    rows = []
    everything = np.arange(plan.draws.shape[0] * plan.draws.shape[1])
    for number, side in enumerate(("query", "passage")):
        if not known[0].switches(side):
            continue
        sample = _spread(everything, draws)
        counts = _counts(plan, corpus, side, sample)
        columns = plan.draws.reshape(-1, 3)[sample, number + 1]
        for column in np.unique(columns):
            at = columns == column
            tokens, in_lexicon, switched, content, of_content = counts[at].sum(axis=0).tolist()
            share = (in_lexicon / tokens, switched / tokens) if tokens else (0.0, 0.0)
            effective = (content, of_content / content if content else np.nan)
            rows.append((side, plan.languages[column], int(at.sum()), tokens, *share, *effective))
    return pd.DataFrame(rows, columns=[*_RATES, "content", "content_switched"])


def rate_sentences(plan: BatchPlan, corpus: ParallelCorpus) -> dict[str, str]:
    """Return both rates of `switch_rates` in words, by side and language; empty where the strategy does not switch.

    Lines without a switched word are left out.
    """
    if switcher_of(plan) is None:
        return {}
    found: dict[str, str] = {}
    for line in switch_rates(plan, corpus).to_dict("records"):
        if line["switched"]:
            text = f"{line['switched']:.3f} of all words"
            if line["content"]:
                own = f"{line['content_switched']:.3f} of the words that are no stop words"
                text += f"; {own} (as arXiv 2305.05295 counts)"
            found[f"{line['side']} in {line['language']}"] = text
    return found


def _counts(plan: BatchPlan, corpus: ParallelCorpus, side: str, positions: np.ndarray) -> np.ndarray:
    """What `Switcher.count` counts of a side's words at some positions, or a spread sample of them, int64 (n, 5)."""
    known = switcher_of(plan)
    if known is None:
        raise InputError(f"{plan.strategy} switches no texts")
    positions = _spread(positions, _SAMPLE)
    row, column = plan.draws.reshape(-1, 3)[positions][:, [0, 1 if side == "query" else 2]].T
    tags = [plan.languages[number] for number in column.tolist()]
    return known[1].count(corpus.take_texts(side, row, column), tags, positions, side)


def _spread(positions: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the positions, evenly spread."""
    if len(positions) <= count:
        return positions
    return np.asarray(positions[np.linspace(0, len(positions) - 1, count).astype(np.int64)])


@lru_cache(maxsize=64)
def _parsed(text: str) -> codeswitch:
    from hybridkit.sampling import parse

    strategy = parse(text)
    if not isinstance(strategy, codeswitch):
        raise InputError(f"{text}: it is not a codeswitch strategy")
    return strategy


def _switcher(strategy: codeswitch, plan: BatchPlan) -> Switcher:
    return _opened(strategy, plan.languages, plan.seed, plan.lexicon)


def _lexicons(strategy: codeswitch, languages: tuple[str, ...], fingerprint: str) -> Lexicons:
    """The lexicons that a plan was made with; where they are not found, those that the strategy names now."""
    for home in homes():
        with lexicons_from(home), suppress(InputError):
            found = strategy.lexicons(languages)
            if found.fingerprint == fingerprint:
                return found
    return strategy.lexicons(languages)


@lru_cache(maxsize=16)
def _opened(strategy: codeswitch, languages: tuple[str, ...], seed: int, fingerprint: str) -> Switcher:
    """Opened once per process: every worker of a loader has its own, or what the process it was forked from has."""
    lexicons = _lexicons(strategy, languages, fingerprint)
    if lexicons.fingerprint != fingerprint:
        raise InputError(
            f"{strategy}: lexicon {strategy.lexicon} is not the one the plan was made with ({fingerprint[:12]}, this "
            f"one is {lexicons.fingerprint[:12]}); make the plan again"
        )
    return Switcher(lexicons, float(strategy.p), strategy.mode == "bilingual", strategy.pivot, seed)
