"""mteb's tasks on the kit's benchmarks: scores in mteb's result format, and tasks that mteb itself can run.

Where mteb has a task on the same texts, the result has that task's name: XQuADRetrieval and MLQARetrieval (validation)
for the benchmarks of paragraphs, MIRACLRetrieval for MIRACL. Their queries, passages and characters are as many as the
descriptive statistics that mteb 2.26.24 ships say. XQuAD-R and MLQA-R by sentences are not in mteb: `mteb_tasks` makes
a task of each setting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.sources.open_benchmarks import open_benchmark
from hybridkit.data.sources.registry import data_set
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table
from hybridkit.utils.extras import optional
from hybridkit.utils.files import write_text
from hybridkit.utils.reading import json_file

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from numpy.typing import NDArray

    from hybridkit.data.collection import Collection

VERSION = "2.26.24"  # of mteb, whose format this is and which the tests are run with
CUTOFFS = (1, 3, 5, 10, 20, 100, 1000)  # mteb's k_values
# Languages as mteb's own tasks name them: ISO 639-3 and script.
_CODES = {
    "ar": "ara-Arab", "bn": "ben-Beng", "de": "deu-Latn", "el": "ell-Grek", "en": "eng-Latn", "es": "spa-Latn",
    "fa": "fas-Arab", "fi": "fin-Latn", "fr": "fra-Latn", "hi": "hin-Deva", "id": "ind-Latn", "ja": "jpn-Jpan",
    "ko": "kor-Kore", "ru": "rus-Cyrl", "sw": "swa-Latn", "te": "tel-Telu", "th": "tha-Thai", "tr": "tur-Latn",
    "vi": "vie-Latn", "yo": "yor-Latn", "zh": "zho-Hans",
}  # fmt: skip
# Queries and passages of MIRACLRetrieval by language: only a corpus that is whole has its values.
_MIRACL = {
    "ar": (2896, 2061414), "bn": (411, 297265), "de": (304, 15866223), "en": (799, 32893221), "es": (648, 10373953),
    "fa": (631, 2207173), "fi": (1271, 1883509), "fr": (343, 14636953), "hi": (350, 506264), "id": (960, 1446315),
    "ja": (860, 6953614), "ko": (213, 1486752), "ru": (1252, 9543918), "sw": (482, 131924), "te": (828, 518079),
    "th": (733, 542166), "yo": (119, 49043), "zh": (390, 4934371),
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """What names a task in mteb: its name, its split, the revision of its data, and what its subsets are.

    `kind` is a setting, or "questions" and "contexts" for XQuADRetrieval and MLQARetrieval, which draw the queries and
    the candidates in ways of their own.
    """

    name: str
    split: str
    revision: str
    kind: str


class Subset(NamedTuple):
    """A subset of a task: its name and languages in mteb, and a benchmark cut out of a larger one by positions."""

    name: str
    languages: list[str]
    benchmark: Benchmark
    queries: NDArray[np.int64]
    passages: NDArray[np.int64]


MIRACL_TASK = Task("MIRACLRetrieval", "dev", "9c09abc13478308c27598f350e31d8f06b9b5481", "mono")
_TASKS = {
    "xquad-r-paragraphs": [
        Task("XQuADRetrieval", "validation", "194842d6a49baddf6cd3f4d5130ab3c7756268d2", "questions")
    ],
    "mlqa-r-paragraphs": [Task("MLQARetrieval", "validation", "5bef8b6e2601af974fb1a1cca03fd702229be4b6", "contexts")],
    **{
        base: [
            Task(f"{name}{setting.title()}Retrieval", split, revision, setting) for setting in ("mono", "cross", "pool")
        ]
        for base, name, split, revision in (
            ("xquad-r", "XQuADR", "test", "5405d2a77e83d5ccb47623a3f9e5604c3f103193"),  # LAReQA's commits
            ("mlqa-r", "MLQAR", "validation", "354d67d1cd066854cdfbf5ad0e6105528976141d"),
        )
    },
}
# What mteb would also know of a model.
_NOT_SAID = (
    *("loader", "release_date", "languages", "n_parameters", "memory_usage_mb", "max_tokens", "license"),
    *("open_weights", "public_training_code", "public_training_data", "similarity_fn_name", "use_instructions"),
    "training_datasets",
)
NAMES = tuple(_TASKS)  # benchmarks that mteb's format is written of; miracl is one too


def subsets(task: Task, benchmark: Benchmark) -> Iterator[Subset]:
    """Cut the subsets of a task out of its benchmark, each a benchmark of its own.

    Queries without a relevant passage in the subset are left out, as mteb leaves them out. XQuADRetrieval has each
    text of a question once. MLQARetrieval's "deu-eng" has English questions and, as candidates, the German paragraphs
    that one of them is answered in.
    """
    contexts, paired = task.kind == "contexts", task.kind in ("cross", "contexts")
    for query in benchmark.query_slices:
        for passage in benchmark.passage_slices if paired else [query]:
            if (task.kind == "cross" and query == passage) or (not paired and query not in benchmark.passage_slices):
                continue
            tags = [passage, query] if contexts else [query, passage]
            codes = [_CODES[tag] for tag in tags]
            name = "-".join(code[:3] for code in codes) if contexts else "-".join(tags if paired else [query])
            if task.kind == "pool":
                codes = [_CODES[tag] for tag in benchmark.languages]
            yield Subset(
                name, codes if paired or task.kind == "pool" else codes[:1], *_cut(task, benchmark, query, passage)
            )


def _cut(
    task: Task, whole: Benchmark, query: str, passage: str
) -> tuple[Benchmark, NDArray[np.int64], NDArray[np.int64]]:
    judged = whole.judgements
    if task.kind != "pool":
        judged = judged[judged["passage_language"] == passage]
    asked = (whole.queries["language"] == query) & whole.queries["query_id"].isin(judged["query_id"])
    if task.kind in ("questions", "contexts"):
        texts = whole.queries["text"].str.strip().where(asked)
        asked &= ~texts.duplicated()
    judged = judged[judged["query_id"].isin(whole.queries.loc[asked, "query_id"])]
    found = whole.passages["language"].isin(whole.languages if task.kind == "pool" else [passage])
    if task.kind == "contexts":
        found &= whole.passages["passage_id"].isin(judged["passage_id"])
    queries, passages = np.flatnonzero(asked), np.flatnonzero(found)
    return Benchmark(whole.name, whole.queries.iloc[queries], whole.passages.iloc[passages], judged), queries, passages


def cutoff_scores(ranks: pd.DataFrame) -> dict[str, float]:
    """Return mteb's measures at its cut-offs, means over queries, from the ranks of their relevant passages.

    Args:
        ranks: query_id and rank, a line for each relevant passage; from 1, infinite where it was not found.

    Returns:
        `ndcg_at_k`, `map_at_k`, `recall_at_k`, `precision_at_k`, `mrr_at_k` and `hit_rate_at_k` as trec_eval and mteb
        define them for passages that are relevant or not, `accuracy` (recall at 1) and `main_score` (nDCG at 10).

    >>> found = cutoff_scores(pd.DataFrame({"query_id": ["a", "b", "b"], "rank": [2, 1, 4]}))
    >>> found["mrr_at_10"], found["recall_at_3"], found["precision_at_1"], found["map_at_10"]
    (0.75, 0.75, 0.5, 0.625)
    """
    ordered = ranks.sort_values(["query_id", "rank"], kind="stable")
    rank = ordered["rank"].to_numpy(np.float64)
    query = pd.factorize(ordered["query_id"])[0]
    starts = np.flatnonzero(np.diff(query, prepend=-1))
    sizes = np.diff(np.append(starts, len(rank)))
    nth = np.arange(len(rank)) - np.repeat(starts, sizes) + 1
    ideal = np.cumsum(1 / np.log2(np.arange(max(CUTOFFS)) + 2.0))
    found: dict[str, float] = {}
    for k in CUTOFFS:
        hit = (rank <= k).astype(np.float64)
        first, hits = hit[starts], np.add.reduceat(hit, starts)
        values = {
            "ndcg": np.add.reduceat(hit / np.log2(rank + 1), starts) / ideal[np.minimum(sizes, k) - 1],
            "map": np.add.reduceat(hit * nth / rank, starts) / sizes,
            "recall": hits / sizes,
            "precision": hits / k,
            "mrr": first / rank[starts],
            "hit_rate": first,
        }
        found |= {f"{name}_at_{k}": float(value.mean()) for name, value in values.items()}
    return found | {"accuracy": found["recall_at_1"], "main_score": found["ndcg_at_10"]}


def benchmark_results(
    name: str, benchmark: Benchmark, queries: NDArray[np.floating], passages: NDArray[np.floating], similarity: str
) -> list[dict[str, Any]]:
    """Return the results of mteb's tasks on a benchmark, one of `NAMES`, from embeddings in its order.

    Each is what a file of mteb holds. Raises InputError for a benchmark that mteb has nothing like.
    """
    found = []
    for task in _tasks_of(name):
        entries = []
        for subset in subsets(task, benchmark):
            cut = queries[subset.queries], passages[subset.passages]
            ranks = rank_table(subset.benchmark, *cut, similarity=similarity)
            ranks = ranks.assign(rank=ranks["pool_rank"])  # the candidates are all passages of the subset
            entries.append(_entry(subset.name, subset.languages, ranks))
        found.append(_result(task, entries))
    return found


def miracl_results(runs: Sequence[tuple[Collection, pd.DataFrame]]) -> list[dict[str, Any]]:
    """Return the result of MIRACLRetrieval from the runs of MIRACL's languages, of those whose corpus is whole.

    A run has the best 1,000 passages of each query. Nothing is returned where no corpus is whole.
    """
    entries = []
    for collection, run in runs:
        if (len(collection.queries), collection.size) != _MIRACL.get(collection.language):
            continue
        relevant = collection.judgements[collection.judgements["relevance"] > 0]
        ranked = run.assign(rank=run.groupby("query_id").cumcount() + 1)
        ranks = relevant.merge(ranked, on=["query_id", "passage_id"], how="left")
        ranks = ranks.assign(rank=ranks["rank"].fillna(np.inf))
        entries.append(_entry(collection.language, [_CODES[collection.language]], ranks))
    return [_result(MIRACL_TASK, entries)] if entries else []


def _entry(name: str, languages: list[str], ranks: pd.DataFrame) -> dict[str, Any]:
    rounded = {measure: round(value, 5) for measure, value in cutoff_scores(ranks).items()}  # as mteb does
    return {**rounded, "hf_subset": name, "languages": languages}


def _result(task: Task, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "dataset_revision": task.revision,
        "task_name": task.name,
        "mteb_version": VERSION,
        "scores": {task.split: entries},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def write_results(folder: Path, results: Sequence[dict[str, Any]], model: str, revision: str, dim: int) -> list[Path]:
    """Write results where `mteb.ResultCache(FOLDER)` finds them, with the model's name and revision; return the paths.

    Subsets that an earlier command wrote for the same model and revision stay.
    """
    home = folder / "results" / model.replace("/", "__").replace(" ", "_") / revision
    known = {"name": model, "revision": revision, "embed_dim": dim, "framework": ["Sentence Transformers"]}
    meta = known | dict.fromkeys(_NOT_SAID) | {"modalities": ["text"], "model_type": ["dense"]}
    paths = []
    for result in results:
        path = home / f"{result['task_name']}.json"
        kept = json_file(path, "remove it")["scores"] if path.is_file() else {}
        for split, entries in result["scores"].items():
            named = {one["hf_subset"]: one for one in [*kept.get(split, ()), *entries]}
            kept[split] = list(named.values())
        write_text(path, json.dumps(result | {"scores": kept}, indent=2) + "\n")
        paths.append(path)
    if paths:
        write_text(home / "model_meta.json", json.dumps(meta, indent=2) + "\n")
    return paths


def mteb_tasks(name: str) -> list[AbsTaskRetrieval]:
    """Return XQuAD-R or MLQA-R as tasks that mteb runs, one for each setting.

    `mteb.evaluate(model, mteb_tasks("xquad-r"))` runs them. `name` is "xquad-r" or "mlqa-r". Subsets are languages
    (mono), pairs such as "de-en" (German queries, English passages) and query languages (pool). With
    "xquad-r-paragraphs" and "mlqa-r-paragraphs" the tasks are mteb's own XQuADRetrieval and MLQARetrieval (validation)
    on the kit's files, so that they run without a network.

    Raises InputError for another name, and where mteb is not installed.
    """
    tasks = _tasks_of(name)
    optional("mteb")
    benchmark = open_benchmark(name)
    return [_mteb_task(task, name, benchmark) for task in tasks]


def _mteb_task(task: Task, name: str, benchmark: Benchmark) -> AbsTaskRetrieval:
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    parts = {subset.name: subset for subset in subsets(task, benchmark)}
    known = data_set(name.removesuffix("-paragraphs"))

    class KitTask(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name=task.name,
            description=f"{known.origin}; {task.kind}, through hybridkit",
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=[task.split],
            eval_langs={part.name: part.languages for part in parts.values()},
            main_score="ndcg_at_10",
            dataset={"path": name, "revision": task.revision},
            license=known.licence.lower().replace("cc by", "cc-by").replace(" ", "-"),
        )

        data_loaded: bool = False

        def load_data(self, num_proc: int | None = None, **_: Any) -> None:
            """Hand the texts over that the kit has on disk."""
            if self.data_loaded:
                return
            self.dataset = {name: {task.split: _texts(parts[name].benchmark)} for name in self.hf_subsets}
            self.data_loaded = True

    def _texts(part: Benchmark) -> Any:
        judged = part.judgements.groupby("query_id")["passage_id"]
        queries, passages = (frame["text"].tolist() for frame in (part.queries, part.passages))
        ids = part.passages["passage_id"].tolist()
        return {
            "queries": Dataset.from_dict({"id": part.queries["query_id"].tolist(), "text": queries}),
            "corpus": Dataset.from_dict({"id": ids, "title": [""] * len(ids), "text": passages}),
            "relevant_docs": {query: dict.fromkeys(found, 1) for query, found in judged},
            "top_ranked": None,
        }

    return KitTask()


def _tasks_of(name: str) -> list[Task]:
    if name not in _TASKS:
        raise InputError(f"{name}: mteb has no task like it; there are {', '.join(NAMES)} and miracl")
    return _TASKS[name]
