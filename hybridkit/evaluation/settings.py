"""One encoder on one parallel benchmark, in a few numbers: for choosing by held-out rows and for early stopping."""

from typing import TYPE_CHECKING

from hybridkit.benchmark import Benchmark
from hybridkit.embedding import encode
from hybridkit.evaluation.measures import macro, per_query, scores
from hybridkit.evaluation.ranks import rank_table

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def evaluate_encoder(
    encoder: "SentenceTransformer", benchmark: Benchmark, max_length: int | None = None, precision: str = "float32"
) -> dict[str, float]:
    """Mean AP of an encoder in the three settings, and its rank distance.

    Keys: `AP` (the mean of the settings there are), `AP mono`, `AP cross`, `AP pool` and `rank_distance` in ranks.
    """
    queries = encode(encoder, benchmark.queries["text"].tolist(), "query", max_length=max_length, precision=precision)
    passages = encode(
        encoder, benchmark.passages["text"].tolist(), "passage", max_length=max_length, precision=precision
    )
    table = macro(scores(per_query(rank_table(benchmark, queries, passages))))
    found = {setting: value for setting, measure, value in table.itertuples(index=False) if measure == "AP"}
    distance = table.loc[table["measure"] == "rank_distance", "value"]
    out = {"AP": sum(found.values()) / len(found)} | {f"AP {setting}": value for setting, value in found.items()}
    return {key: float(value) for key, value in out.items()} | (
        {"rank_distance": float(distance.iloc[0])} if len(distance) else {}
    )
