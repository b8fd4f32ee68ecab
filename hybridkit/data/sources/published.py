"""Published scores, to compare with: every cell of the paper's tables, and MIRACL's baselines."""

import pandas as pd

from hybridkit.errors import MissingDataError
from hybridkit.utils.paths import checkout

_STRATEGIES = {"X-X-mono": "mono", "X-Y": "cross", "Hybrid": "hybrid(alpha=0.5)"}
_SETTINGS = {"monolingual": "mono", "cross-lingual": "cross", "multilingual": "pool"}
_COLUMNS = ["source", "encoder", "strategy", "benchmark", "split", "setting", "measure", "language", "value"]


def published() -> pd.DataFrame:
    """Return published scores as one tidy frame, in the kit's names.

    Returns:
        The columns source, encoder, strategy ("" for systems that were not trained with one), benchmark, split ("dev",
        "train", "" where the benchmark has only one), setting (mono, cross, pool), measure (AP, R@1, R@10, R@100,
        nDCG@10, rank_distance), language of the query ("mean" for the published mean), value (0 to 1; rank distance in
        ranks).

    Source: arXiv 2408.10536 (every cell of its tables); Pyserini's reproductions of MIRACL's baselines.

    >>> frame = published().query("encoder == 'XLM-R' and benchmark == 'xquad-r' and measure == 'rank_distance'")
    >>> frame[frame.language == "mean"].set_index("strategy").value.round().astype(int).to_dict()
    {'mono': 410, 'cross': 295, 'hybrid(alpha=0.5)': 287}
    """
    return pd.concat([_paper(), _miracl()], ignore_index=True)[_COLUMNS]


def _read(name: str) -> pd.DataFrame:
    home = checkout()
    if home is None or not (home / "data" / "published" / name).is_file():
        raise MissingDataError(f"data/published/{name} comes with a git checkout of the kit: run from one")
    return pd.read_csv(home / "data" / "published" / name)


def _paper() -> pd.DataFrame:
    frame = _read("hybrid_2408.10536_iclr25.csv").rename(columns={"backbone": "encoder"})
    return frame.assign(
        source="arXiv 2408.10536",
        strategy=frame["sampling"].map(_STRATEGIES),
        benchmark=frame["dataset"].str.removesuffix("-dev").str.lower(),
        split=frame["dataset"].str.endswith("-dev").map({True: "dev", False: ""}),
        setting=frame["setting"].map(_SETTINGS),
        measure=frame["metric"].replace("mAP", "AP"),
    )


def _miracl() -> pd.DataFrame:
    frame = _read("miracl_pyserini_2cr.csv").rename(columns={"condition": "encoder", "metric": "measure"})
    return frame.assign(source="Pyserini, MIRACL reproductions", strategy="", benchmark="miracl", setting="mono")
