"""TREC files: lines that are invalid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import read_qrels
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import write_qrels, write_runs

SCORES = np.array([[0.1, 0.3, 0.1], [9, 9, 9]], np.float32)


def toy(query_id: str = "q") -> Benchmark:
    queries = pd.DataFrame({"language": ["de", "en"], "query_id": query_id, "article": "a", "text": "?"})
    ids = ["t:de:1", "t:en:1", "t:en:2"]
    passages = pd.DataFrame({"language": ["de", "en", "en"], "passage_id": ids, "article": "a", "text": "!"})
    judgements = pd.DataFrame({"query_id": query_id, "passage_language": ["de", "en"], "passage_id": [ids[0], ids[2]]})
    return Benchmark("t", queries, passages, judgements)


def test_a_run_stands_in_trec_evals_order_and_keeps_every_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    write_runs({"*": path}, toy(), lambda rows: SCORES[rows], "de")
    assert path.read_text().splitlines() == [
        "q Q0 t:en:1 1 0.300000012 hybridkit",
        "q Q0 t:en:2 2 0.100000001 hybridkit",
        "q Q0 t:de:1 3 0.100000001 hybridkit",
    ]
    written = [line.split()[4] for line in path.read_text().splitlines()]
    assert np.array(written, np.float32).tolist() == SCORES[0, [1, 2, 0]].tolist()
    write_runs({"en": path}, toy(), lambda rows: SCORES[rows], "en")
    assert path.read_text() == "q Q0 t:en:2 1 9 hybridkit\nq Q0 t:en:1 2 9 hybridkit\n"
    write_runs({"en": path}, toy(), lambda rows: SCORES[rows], "en", depth=1)
    assert path.read_text() == "q Q0 t:en:2 1 9 hybridkit\n"


def test_qrels_of_a_pair_and_of_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    write_qrels(path, toy(), "de", "en")
    assert path.read_text() == "q 0 t:en:2 1\n"
    write_qrels(path, toy(), "de")
    assert read_qrels(path)["passage_id"].tolist() == ["t:de:1", "t:en:2"]


def test_what_the_format_cannot_hold_and_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    with pytest.raises(InputError, match="'two words' has white space"):
        write_runs({"*": path}, toy("two words"), lambda rows: SCORES[rows], "de")
    assert not path.exists()
    with pytest.raises(InputError, match="nothing in 'fr'"):
        write_runs({"*": path}, toy(), lambda rows: SCORES[rows], "fr")


@pytest.mark.parametrize("line", ["q 0 p yes", "q 0 p", "q 0 p 1 0.5", "q 0 p 1_000"])
def test_bad_lines_are_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "qrels.txt"
    path.write_text(f"q 0 p 1\n{line}\n")
    with pytest.raises(InputError, match="line 2"):
        read_qrels(path)
