# ruff: noqa: F401  the names under TYPE_CHECKING are for type checkers and editors
"""hybridkit: how should the batches be made when a multilingual encoder is fine-tuned for retrieval?

The names below are the public ones; each is imported when it is first used, so that `import hybridkit` is quick.

>>> import hybridkit
>>> str(hybridkit.parse("hybrid(alpha=0.25)"))
'hybrid(alpha=0.25)'
"""

from typing import TYPE_CHECKING

from hybridkit.utils.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hybridkit.data.benchmark import Benchmark as Benchmark
    from hybridkit.data.collection import Collection as Collection
    from hybridkit.data.corpus import ParallelCorpus as ParallelCorpus
    from hybridkit.data.sources.open_benchmarks import open_benchmark as open_benchmark
    from hybridkit.data.sources.open_benchmarks import open_collection as open_collection
    from hybridkit.errors import InputError as InputError
    from hybridkit.errors import MissingDataError as MissingDataError
    from hybridkit.evaluation.encoder_scores import evaluate_encoder as evaluate_encoder
    from hybridkit.evaluation.mteb_tasks import mteb_tasks as mteb_tasks
    from hybridkit.evaluation.rank_table import rank_table as rank_table
    from hybridkit.models import encoder as encoder
    from hybridkit.models.embedding import encode as encode
    from hybridkit.models.encoder import make as make_encoder
    from hybridkit.models.encoder import open as open_encoder
    from hybridkit.models.plan_dataset import plan_arguments as plan_arguments
    from hybridkit.models.plan_dataset import plan_dataset as plan_dataset
    from hybridkit.models.reranker import open as open_reranker
    from hybridkit.models.reranker import score as score_pairs
    from hybridkit.models.reranker import start as start_reranker
    from hybridkit.models.reranker_training import RerankerSettings as RerankerSettings
    from hybridkit.models.reranker_training import train_reranker as train_reranker
    from hybridkit.models.training import TrainingSettings as TrainingSettings
    from hybridkit.models.training import train as train
    from hybridkit.report import views as views
    from hybridkit.report.inspected_models import open_models as open_models
    from hybridkit.report.inspected_run import open_inspected as open_inspected
    from hybridkit.report.inspector.inspector import inspect as inspect
    from hybridkit.report.inspector.inspector import inspect_models as inspect_models
    from hybridkit.retrieval.mining import mine_negatives as mine_negatives
    from hybridkit.sampling import BatchPlan as BatchPlan
    from hybridkit.sampling import parse as parse
    from hybridkit.sampling.plan_pairs import PlanPairs as PlanPairs
    from hybridkit.study.run import Run as Run
    from hybridkit.study.settings import open_study as open_study

_HOMES = {
    "Benchmark": "data.benchmark",
    "ParallelCorpus": "data.corpus",
    "Collection": "data.collection",
    "open_benchmark": "data.sources.open_benchmarks",
    "open_collection": "data.sources.open_benchmarks",
    "BatchPlan": "sampling",
    "parse": "sampling",
    "TrainingSettings": "models.training",
    "train": "models.training",
    "RerankerSettings": "models.reranker_training",
    "train_reranker": "models.reranker_training",
    "open_reranker": "models.reranker:open",
    "start_reranker": "models.reranker:start",
    "score_pairs": "models.reranker:score",
    "PlanPairs": "sampling.plan_pairs",
    "make_encoder": "models.encoder:make",
    "open_encoder": "models.encoder:open",
    "encode": "models.embedding",
    "plan_dataset": "models.plan_dataset",
    "plan_arguments": "models.plan_dataset",
    "mine_negatives": "retrieval.mining",
    "rank_table": "evaluation.rank_table",
    "evaluate_encoder": "evaluation.encoder_scores",
    "mteb_tasks": "evaluation.mteb_tasks",
    "open_study": "study.settings",
    "Run": "study.run",
    "inspect": "report.inspector.inspector",
    "inspect_models": "report.inspector.inspector",
    "open_inspected": "report.inspected_run",
    "open_models": "report.inspected_models",
    "InputError": "errors",
    "MissingDataError": "errors",
    "encoder": "models.encoder:",
    "views": "report.views:",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604

__getattr__ = lazy_names(__name__, _HOMES)
