"""Published numbers beside ours: only what has the same passages, judgements and measure."""

from __future__ import annotations

import pandas as pd

from hybridkit.analysis.scores import beside_published, collections_beside_published


def test_miracl_stands_beside_miracl_alone() -> None:
    keys = {"setting": "mono", "language": "yo"}
    rows = [("miracl[yo]", "nDCG@10", 0.25), ("miracl[yo]", "nDCG@10", 0.75), ("miracl[yo]", "RR@10", 0.5)]
    rows += [("miracl-pool", "nDCG@10", 0.9), ("tydi-goldp", "nDCG@10", 0.9)]
    ours = pd.DataFrame(rows, columns=["benchmark", "measure", "value"]).assign(**keys, strategy="mono")
    found = collections_beside_published(ours)
    own = found[found["source"] == "this study"].set_index("measure")["value"]
    assert own.to_dict() == {"nDCG@10": 0.5, "RR@10": 0.5}  # seeds are averaged; nothing of miracl-pool
    theirs = found[(found["source"] != "this study") & (found["measure"] == "nDCG@10")].set_index("system")["value"]
    assert theirs["bm25"] == 0.4059 and theirs["mdpr-tied-pft-msmarco"] == 0.4439
    assert theirs["intfloat/multilingual-e5-small"] == 0.45278
    assert set(found["language"]) == {"yo"} and set(found["benchmark"]) == {"miracl"}
    assert collections_beside_published(ours[ours["benchmark"] != "miracl[yo]"]).empty


def test_lareqas_baselines_stand_beside_the_pool() -> None:
    ours = pd.DataFrame({"benchmark": ["xquad-r"], "setting": "pool", "encoder": "e5", "strategy": "mono"})
    found = beside_published(ours.assign(measure="AP", value=0.5))
    mbert = found[found["system"] == "mBERT"]
    assert set(mbert["source"]) == {"LAReQA, arXiv 2004.05484"} and set(mbert["setting"]) == {"pool"}
    expected = {"english": 0.29, "mixed": 0.23, "mono": 0.52, "cross": 0.66}
    assert mbert.set_index("strategy")["value"].to_dict() == expected
