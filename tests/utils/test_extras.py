"""The light core: plans, training and evaluation need no extra; a module that is missing is named with its command."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hybridkit.utils.extras import EXTRAS
from tests.conftest import write_parallel_rows

CHECKOUT = Path(__file__).resolve().parents[2]
WITHOUT = """
import json, sys
from importlib.machinery import PathFinder

gone = set(json.loads(sys.argv[1]))

class Without:
    find_distributions = staticmethod(PathFinder.find_distributions)
    invalidate_caches = staticmethod(PathFinder.invalidate_caches)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in gone else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without()
from hybridkit.cli import main
for words in json.loads(sys.argv[2]):
    print("exit code", main(words))
import hybridkit
try:
    hybridkit.inspect
except hybridkit.InputError as error:
    print(error)
"""


def test_every_module_of_an_extra_is_brought_by_it() -> None:
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*EXTRAS, "dev"} == set(extras)
    brought = {name: {canonicalize_name(Requirement(line).name) for line in extras[name]} for name in EXTRAS}
    brought["notebooks"] |= {"ipython", "jupyter-client", "nbformat"}  # of ipykernel and papermill
    known = packages_distributions()
    for extra, modules in EXTRAS.items():
        for module in modules:
            for distribution in known.get(module, []):  # not all of them are installed everywhere
                assert canonicalize_name(distribution) in brought[extra], module


def test_the_core_plans_trains_and_evaluates_without_any_extra(tmp_path: Path) -> None:
    write_parallel_rows(tmp_path / "mine.jsonl", 40)
    plan = ["--rows", "mine.jsonl", "--strategy", "cross", "--steps", "2", "--batch-size", "4"]
    evaluate = ["evaluate", "--model", "model", "--benchmark", "mine.jsonl"]
    commands = [
        ["data", "check", "mine.jsonl"],
        ["plan", *plan, "--out", "plan.parquet"],
        ["train", "--model", "static", *plan, "--out", "model"],
        evaluate,
        ["init", "project", "--rows", "mine.jsonl", "--encoder", "static"],
        [*evaluate, "--system", "bm25"],
        ["run", "quick", "--dry-run"],
        ["inspect", "quick"],
    ]
    modules = [module for one in EXTRAS.values() for module in one]
    words = [sys.executable, "-c", WITHOUT, json.dumps(modules), json.dumps(commands)]
    environment = os.environ | {"HYBRIDKIT_RUNS": str(tmp_path / "runs"), "HYBRIDKIT_CACHE": str(tmp_path / "cache")}
    made = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    codes = [int(line.split()[-1]) for line in made.stdout.splitlines() if line.startswith("exit code")]
    assert codes == [0, 0, 0, 0, 0, 2, 2, 2], made.stderr
    assert "hybridkit: bm25s is not installed; it comes with pip install 'hybridkit[lexical]'" in made.stderr
    assert made.stderr.count("pip install 'hybridkit[notebooks]'") == 1  # run; no run is there for inspect
    assert made.stdout.splitlines()[-1].endswith("is not installed; it comes with pip install 'hybridkit[notebooks]'")
