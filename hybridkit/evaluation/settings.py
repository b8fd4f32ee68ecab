"""One encoder on one parallel benchmark, in a few numbers: for choosing by held-out rows and for early stopping."""

from typing import TYPE_CHECKING

from hybridkit.benchmark import Benchmark
from hybridkit.embedding import encode
from hybridkit.encoder import similarity_of
from hybridkit.evaluation.measures import macro, scores_of
from hybridkit.evaluation.ranks import rank_table

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def evaluate_encoder(
    encoder: "SentenceTransformer", benchmark: Benchmark, max_length: int | None = None, precision: str = "float32",
    pair: str = "",
) -> dict[str, float]:  # fmt: skip
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
    distance = table.loc[table["measure"] == "rank_distance", "value"]
    out = {"AP": sum(found.values()) / len(found)} | {f"AP {setting}": value for setting, value in found.items()}
    out |= {"rank_distance": float(distance.iloc[0])} if len(distance) else {}
    named = "AP " + pairs["query_language"] + ">" + pairs["passage_language"]
    asked = pairs.loc[(named == pair) & (pairs["measure"] == "AP"), "value"]
    out |= {pair: asked.iloc[0]} if len(asked) else {}
    return {key: float(value) for key, value in out.items()}
