"""TREC files: lines that are invalid."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridkit.data.collection import read_qrels, read_run
from hybridkit.errors import InputError


@pytest.mark.parametrize("line", ["q Q0 p 1 0.5", "q Q0 p first 0.5 kit", "q Q0 p 1 much kit", "q Q0 p 1 nan kit"])
def test_bad_lines_are_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "run.txt"
    path.write_text(f"q Q0 p 1 0.5 kit\n{line}\n")
    with pytest.raises(InputError, match="line 2"):
        read_run(path)
    path.write_text("q 0 p yes\n")
    with pytest.raises(InputError, match="line 1"):
        read_qrels(path)
