"""The words of a claim's check, each with what it takes and gives; the settings, groups and roles that they take."""

from dataclasses import dataclass

from hybridkit.evaluation.judged import MEASURES as JUDGED_MEASURES
from hybridkit.evaluation.measures import MEASURES as RANK_MEASURES

DISTANCE = "rank_distance"
MEASURES = tuple(dict.fromkeys([*RANK_MEASURES, *JUDGED_MEASURES]))
LOWER_IS_BETTER = (DISTANCE,)
ROLES = ("mono", "cross", "hybrid")  # what the paper compares; hybrid is the study's hybrid(alpha=0.5)
SETTINGS = ("mono", "cross", "pool")
GROUPS = ("seen-seen", "seen-unseen", "unseen-seen", "unseen-unseen")  # query and passage language, in the rows or not
UNSEEN = "unseen"  # the last three of these together
KINDS = ("mono", "cross", "mixed")
ROWS = "rows"
MOST = 1000  # times that a check may ask


@dataclass(frozen=True)
class Word:
    """What a name takes and gives, each by its kind."""

    takes: tuple[str, ...]
    gives: str
    told: str


_SCORE = Word(("strategy", "benchmark", "setting"), "score", "a measure, averaged as the setting's mean is")
WORDS: dict[str, Word] = {
    **dict.fromkeys(MEASURES, _SCORE),
    DISTANCE: Word(("strategy", "benchmark"), "score", "rank distance in the pool, in ranks"),
    "macro": Word(("measure", "strategy", "benchmark", "setting"), "number", "the mean over what is reported in parts"),
    "best": Word(("measure", "benchmark", "setting"), "strategy", "the best of mono, cross and hybrid"),
    "languages": Word(("data",), "set of languages", "languages of a benchmark, or of the training rows"),
    "pairs": Word(("benchmark", "setting"), "set of pairs", "pairs of languages that are scored"),
    "measures": Word(("benchmark",), "set of measures", "what is reported on a benchmark"),
    "kinds": Word(("strategy",), "set of kinds", "kinds of batches in a strategy's plan"),
    "parallel": Word(("benchmark",), "number", "the fewest languages that a question of a benchmark stands in"),
    "leaks": Word(("benchmark",), "number", "texts of a benchmark among the rows that were trained on"),
    "relatives": Word(("benchmark",), "set of sets", "training sets that are parts of a benchmark's own collection"),
    "count": Word(("set",), "number", "how many there are"),
    "benchmarks": Word((), "set of benchmarks", "what the study evaluates on"),
    "encoders": Word((), "set of encoders", "what the study starts from"),
    "start": Word((), "start", "pretrained, or scratch"),
}
