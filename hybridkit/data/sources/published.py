"""Published scores, to compare with: the paper's tables, LAReQA's and MIRACL's baselines, and MTEB's results."""

import pandas as pd

from hybridkit.errors import MissingDataError
from hybridkit.utils.paths import bundled

_STRATEGIES = {"X-X-mono": "mono", "X-Y": "cross", "Hybrid": "hybrid(alpha=0.5)"}
_SETTINGS = {"monolingual": "mono", "cross-lingual": "cross", "multilingual": "pool"}
# LAReQA says mAP in the pool with a question's answers in all languages; its En-En and X-X are `english` and `mixed`.
_LAREQA = {"En-En": "english", "X-X": "mixed", "X-X-mono": "mono", "X-Y": "cross"}
_COLUMNS = ["source", "encoder", "strategy", "benchmark", "split", "setting", "measure", "language", "value"]


def published() -> pd.DataFrame:
    """Return published scores as one tidy frame, in the kit's names.

    Returns:
        The columns source, encoder, strategy ("" for systems that were not trained with one), benchmark, split ("dev",
        "train", "" where the benchmark has only one), setting (mono, cross, pool), measure (AP, R@1, R@10, R@100,
        nDCG@10, rank_distance), language of the query ("mean" for the published mean), value (0 to 1; rank distance in
        ranks).

    Source: arXiv 2408.10536 (every cell of its tables); LAReQA's baselines, arXiv 2004.05484; Pyserini's reproductions
    of MIRACL's baselines. MTEB's results are apart (`mteb`): they are of other versions of the benchmarks.

    >>> frame = published().query("encoder == 'XLM-R' and benchmark == 'xquad-r' and measure == 'rank_distance'")
    >>> frame[frame.language == "mean"].set_index("strategy").value.round().astype(int).to_dict()
    {'mono': 410, 'cross': 295, 'hybrid(alpha=0.5)': 287}
    """
    return pd.concat([_paper(), _miracl(), _lareqa()], ignore_index=True)[_COLUMNS]


def mteb() -> pd.DataFrame:
    """Return MTEB's results on its multilingual retrieval tasks, as they are: not comparable with values of the kit.

    XQuADRetrieval and MLQARetrieval have paragraphs as passages where XQuAD-R and MLQA-R have sentences;
    MIRACLRetrievalHardNegatives has a small part of MIRACL's corpus; all measures are cut at 10 or 100. Only
    MIRACLRetrieval has the passages, judgements and measure (nDCG@10) of MIRACL's dev part.

    Returns:
        model, revision, task, query_language, passage_language, measure (nDCG@10, AP@10, RR@10, R@100), value.

    Source: github.com/embeddings-benchmark/results, CC0 1.0; MTEB, arXiv 2210.07316, MMTEB, arXiv 2502.13595.

    >>> found = mteb().query("model == 'intfloat/multilingual-e5-small' and task == 'MIRACLRetrieval'")
    >>> found[(found["query_language"] == "yo") & (found["measure"] == "nDCG@10")]["value"].item()
    0.45278
    """
    return published_table("mteb_multilingual_retrieval.csv").rename(columns={"metric": "measure"})


def published_gains() -> pd.DataFrame:
    """Return what code-switched training adds to re-rankers by arXiv 2305.05295: source, setting, measure, difference.

    Means over 36 pairs of languages of mMARCO, over training on English only, as its abstract prints them. It prints no
    number where query and passages are in one language: "stable".

    >>> published_gains()[["setting", "measure", "difference"]].values.tolist()
    [['cross', 'RR@10', 0.051], ['pool', 'RR@10', 0.039]]
    """
    frame = published_table("code_switching_2305.05295.csv")
    return pd.DataFrame(
        {
            "source": "arXiv 2305.05295",
            "setting": frame["setting"].map({"CLIR": "cross", "MLIR": "pool"}),
            "measure": frame["metric"].replace("MRR@10", "RR@10"),
            "difference": (frame["gain"] / 100).round(4),
        }
    )


def published_table(name: str, text: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table of data/published; the columns `text` as they are written ("no" is Norwegian, "011" no number).

    Raises MissingDataError where the table, which comes with the kit, was removed.
    """
    path = bundled("data/published") / name
    if not path.is_file():
        raise MissingDataError(f"{path}: it comes with the kit, and is not there; install the kit again")
    return pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=not text)


def _paper() -> pd.DataFrame:
    frame = published_table("hybrid_2408.10536_iclr25.csv").rename(columns={"backbone": "encoder"})
    return frame.assign(
        source="arXiv 2408.10536",
        strategy=frame["sampling"].map(_STRATEGIES),
        benchmark=frame["dataset"].str.removesuffix("-dev").str.lower(),
        split=frame["dataset"].str.endswith("-dev").map({True: "dev", False: ""}),
        setting=frame["setting"].map(_SETTINGS),
        measure=frame["metric"].replace("mAP", "AP"),
    )


def _lareqa() -> pd.DataFrame:
    frame = published_table("lareqa_baselines.csv").rename(columns={"model": "encoder", "metric": "measure"})
    return frame.assign(
        source="LAReQA, arXiv 2004.05484",
        strategy=frame["sampling"].map(_LAREQA),
        benchmark=frame["dataset"].str.lower(),
        split="",
        language="mean",
        measure=frame["measure"].replace("mAP", "AP"),
    )


def _miracl() -> pd.DataFrame:
    frame = published_table("miracl_pyserini_2cr.csv").rename(columns={"condition": "encoder", "metric": "measure"})
    return frame.assign(source="Pyserini, MIRACL reproductions", strategy="", benchmark="miracl", setting="mono")
