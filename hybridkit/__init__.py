"""hybridkit: how should the batches be made when a multilingual encoder is fine-tuned for retrieval?

The names below are the public ones; each is imported when it is first used, so that `import hybridkit` is quick.

>>> import hybridkit
>>> str(hybridkit.parse("hybrid(alpha=0.25)"))
'hybrid(alpha=0.25)'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hybridkit.benchmark import Benchmark as Benchmark
    from hybridkit.corpus import ParallelCorpus as ParallelCorpus
    from hybridkit.embedding import encode as encode
    from hybridkit.encoder import make as make_encoder  # noqa: F401
    from hybridkit.encoder import open as open_encoder  # noqa: F401
    from hybridkit.errors import InputError as InputError
    from hybridkit.errors import MissingDataError as MissingDataError
    from hybridkit.evaluation.ranks import rank_table as rank_table
    from hybridkit.evaluation.settings import evaluate_encoder as evaluate_encoder
    from hybridkit.judged import JudgedSet as JudgedSet
    from hybridkit.judged import open_judged as open_judged
    from hybridkit.run import Run as Run
    from hybridkit.sampling import BatchPlan as BatchPlan
    from hybridkit.sampling import parse as parse
    from hybridkit.sampling.feed import plan_arguments as plan_arguments
    from hybridkit.sampling.feed import plan_dataset as plan_dataset
    from hybridkit.sampling.mining import mine_negatives as mine_negatives
    from hybridkit.sources.benchmarks import open_benchmark as open_benchmark
    from hybridkit.study import open_study as open_study
    from hybridkit.training import TrainingSettings as TrainingSettings
    from hybridkit.training import train as train

_HOMES = {
    "Benchmark": "benchmark", "ParallelCorpus": "corpus", "encode": "embedding", "make_encoder": "encoder:make",
    "open_encoder": "encoder:open", "InputError": "errors", "MissingDataError": "errors",
    "rank_table": "evaluation.ranks", "evaluate_encoder": "evaluation.settings", "Run": "run", "BatchPlan": "sampling",
    "parse": "sampling", "open_benchmark": "sources.benchmarks", "open_study": "study",
    "TrainingSettings": "training", "train": "training", "plan_dataset": "sampling.feed",
    "plan_arguments": "sampling.feed", "mine_negatives": "sampling.mining",
    "JudgedSet": "judged", "open_judged": "judged",
}  # fmt: skip

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:  # noqa: ANN401  whichever public name is asked for
    if name not in _HOMES:
        raise AttributeError(f"module 'hybridkit' has no attribute {name!r}")
    module, _, known_as = _HOMES[name].partition(":")
    return getattr(import_module(f"hybridkit.{module}"), known_as or name)
