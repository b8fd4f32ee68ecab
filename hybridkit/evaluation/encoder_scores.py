"""One encoder in a few numbers: its scores on one parallel benchmark, and its training loss on new batches."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import DISTANCE, macro, scores_of
from hybridkit.evaluation.rank_table import rank_table
from hybridkit.models.embedding import encode
from hybridkit.models.encoder import similarity_of
from hybridkit.utils.parallel import one_blas_thread
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

KINDS = ("mono", "cross", "pool")


def evaluate_encoder(
    encoder: "SentenceTransformer",
    benchmark: Benchmark,
    max_length: int | None = None,
    precision: str = "float32",
    pair: str = "",
) -> dict[str, float]:
    """Mean AP of an encoder in the three settings, by its own similarity, and its rank distance.

    Keys: `AP` (the mean of the settings there are), `AP mono`, `AP cross`, `AP pool` and `rank_distance` in ranks; with
    a `pair` such as "AP en>de" (English queries, German passages) its AP too, under that name, if it is judged.
    """
    queries = encode(encoder, benchmark.queries["text"].tolist(), "query", max_length=max_length, precision=precision)
    passages = encode(
        encoder, benchmark.passages["text"].tolist(), "passage", max_length=max_length, precision=precision
    )
    pairs = scores_of(rank_table(benchmark, queries, passages, similarity=similarity_of(encoder)))
    table = macro(pairs)
    found = {setting: value for setting, measure, value in table.itertuples(index=False) if measure == "AP"}
    distance = table.loc[table["measure"] == DISTANCE, "value"]
    out = {"AP": sum(found.values()) / len(found)} | {f"AP {setting}": value for setting, value in found.items()}
    out |= {DISTANCE: float(distance.iloc[0])} if len(distance) else {}
    named = "AP " + pairs["query_language"] + ">" + pairs["passage_language"]
    chosen = pairs.loc[(named == pair) & (pairs["measure"] == "AP"), "value"]
    out |= {pair: chosen.iloc[0]} if len(chosen) else {}
    return {key: float(value) for key, value in out.items()}


@one_blas_thread()
def batch_losses(
    benchmark: Benchmark,
    queries: np.ndarray,
    passages: np.ndarray,
    temperature: float,
    size: int = 32,
    batches: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """InfoNCE (nats) of a model's embeddings on batches made of a parallel benchmark, of a kind for each setting.

    `queries` (n, dim) and `passages` (m, dim) are in the benchmark's order; the loss is over their cosines, as in
    training, whatever the model's own similarity. In a `mono` batch all is in one language; in a `cross` batch the
    queries are in one language and the passages in another, so that its candidates are those of that pair; in a `pool`
    batch each question draws a pair of different languages, so that its candidates are mixed, as in the pool. (The
    `cross` batches that arXiv 2408.10536 trains on, section 2, are of the last kind.) Languages and pairs are drawn
    uniformly among those with enough articles; questions of one article never meet, since a neighbouring sentence may
    answer both. Equal arguments give equal batches, so models are compared on the same ones.

    Returns kind, batch, loss. Raises InputError for a benchmark that has fewer articles than `size` in
    every language or pair.
    """
    query_at, passage_at, articles = _parallel(benchmark)
    rows = []
    for kind in KINDS:
        random = generator(seed, "batch losses", benchmark.name, kind)
        choices = _choices(kind, query_at, passage_at, articles, size, benchmark.name)
        for number in range(batches):
            query, passage = _draw(choices, query_at, passage_at, articles, size, random)
            scores = _unit(queries[query]) @ _unit(passages[passage]).T / temperature
            top = scores.max(axis=1)
            loss = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores.diagonal()
            rows.append((kind, number, float(loss.mean())))
    return pd.DataFrame(rows, columns=["kind", "batch", "loss"])


def _unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def _parallel(benchmark: Benchmark) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of each question's query and of its relevant passage by language, -1 for none; articles as numbers."""
    languages = {tag: number for number, tag in enumerate(benchmark.languages)}
    ids = pd.Index(benchmark.queries["query_id"].unique())
    query_at, passage_at = (np.full((len(ids), len(languages)), -1) for _ in range(2))
    queries, judged = benchmark.queries, benchmark.judgements
    at = ids.get_indexer(queries["query_id"]), queries["language"].map(languages).to_numpy()
    query_at[at] = np.arange(len(queries))
    # of a question with several relevant passages in a language, the first
    judged = judged.drop_duplicates(["query_id", "passage_language"])
    position = pd.Index(benchmark.passages["passage_id"]).get_indexer(judged["passage_id"])
    passage_at[ids.get_indexer(judged["query_id"]), judged["passage_language"].map(languages).to_numpy()] = position
    articles = np.zeros(len(ids), dtype=np.int64)
    articles[at[0]] = pd.factorize(queries["article"])[0]
    return query_at, passage_at, articles


def _choices(
    kind: str, query_at: np.ndarray, passage_at: np.ndarray, articles: np.ndarray, size: int, name: str
) -> list[np.ndarray]:
    """What a batch may be made of: bool arrays (questions, languages, languages), of which each batch takes one."""
    width = query_at.shape[1]
    has = (query_at >= 0)[:, :, None] & (passage_at >= 0)[:, None, :]
    same = np.eye(width, dtype=bool)
    cells = np.argwhere(same if kind == "mono" else ~same)
    if kind == "pool":
        found = [has & ~same]
    else:
        found = [np.zeros_like(has) for _ in cells]
        for one, (query, passage) in zip(found, cells, strict=True):
            one[:, query, passage] = has[:, query, passage]
    counts = [len(np.unique(articles[one.any(axis=(1, 2))])) for one in found]
    most = max(counts, default=0)
    if not most:
        what = "a language" if kind == "mono" else "two languages"
        raise InputError(f"{name}: no question has a query and a relevant passage in {what}, as a {kind} batch needs")
    if most < size:
        raise InputError(f"{name}: a {kind} batch of {size} needs as many articles, there are {most}; make it less")
    return [one for one, count in zip(found, counts, strict=True) if count >= size]


def _draw(
    choices: list[np.ndarray],
    query_at: np.ndarray,
    passage_at: np.ndarray,
    articles: np.ndarray,
    size: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the queries and passages of one batch."""
    has = choices[int(random.integers(len(choices)))]
    order = random.permutation(np.flatnonzero(has.any(axis=(1, 2))))
    _, first = np.unique(articles[order], return_index=True)
    rows = order[np.sort(first)][:size]
    pairs = [random.choice(np.flatnonzero(has[row].reshape(-1))) for row in rows]
    query, passage = np.divmod(pairs, query_at.shape[1])
    return query_at[rows, query], passage_at[rows, passage]
