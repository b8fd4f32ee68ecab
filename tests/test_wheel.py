"""The wheel in a new environment: it has its notebooks, studies and data, and works from any folder.

`make test-wheel` does all of it, the study quick too, which takes minutes. By default the packages of this environment
are lent to the new one, so that no network is needed; `WHEEL_TEST=network` installs the wheel's own dependencies.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import write_parallel_rows

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "hybridkit",
    "notebooks",
    "studies",
    "data",
)
FULL = os.environ.get("WHEEL_TEST", "")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "cache", "*.egg-info")
    for name in SOURCES:
        path = CHECKOUT / name
        shutil.copytree(path, home / name, ignore=ignored) if path.is_dir() else shutil.copy(path, home / name)
    words = [*PIP, "wheel", str(home), "--no-build-isolation", "--no-deps", "--no-index", "-w", str(home / "made")]
    made = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if made.returncode and "setuptools" in made.stderr:
        pytest.skip(f"no wheel can be built here: {made.stderr[-300:]}")
    assert made.returncode == 0, made.stderr
    (found,) = (home / "made").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def hybridkit(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a new environment, in a folder with spaces and other letters in its path."""
    home = tmp_path_factory.mktemp("new") / "Umgebung für alle ☂"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=300)
    python = home / "bin" / "python"
    install = [*PIP, "--python", str(python), "install"]
    if FULL == "network":
        constraints = ["--constraint", str(CHECKOUT / "constraints.txt")]
        subprocess.run([*install, *constraints, f"{wheel}[notebooks,lexical]"], check=True, timeout=3000)
    else:
        subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, timeout=300)
        lent = [path for path in sys.path if path.endswith("site-packages")]
        (own,) = (home / "lib").glob("python*/site-packages")
        (own / "lent.pth").write_text("\n".join(lent) + "\n")
    return home / "bin" / "hybridkit"


def without_ours() -> dict[str, str]:
    """The environment without what leads to this checkout, its runs and its packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HYBRIDKIT", "PYTHON"))}


def run(hybridkit: Path, folder: Path, *words: str, timeout: int = 300) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    given = without_ours() | {"XDG_CACHE_HOME": str(folder.parent / "cache"), "OMP_NUM_THREADS": "1"}
    if FULL != "network":  # templates and kernels that lent packages look for in the prefix
        given["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")
    made = subprocess.run(
        [str(hybridkit), *words], cwd=folder, env=given, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert made.returncode == 0, f"{' '.join(words)}: {made.stderr[-3000:]}"
    return made.stdout


def test_the_wheel_holds_what_comes_with_the_kit_and_nothing_of_this_machine(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = {name.removeprefix("hybridkit/bundled/") for name in file.namelist()}
    wanted = [*CHECKOUT.glob("notebooks/*.ipynb"), *CHECKOUT.glob("studies/*"), *CHECKOUT.glob("data/published/*")]
    wanted += [path for path in CHECKOUT.glob("data/atlas/**/*") if path.is_file()]
    assert len(wanted) > 30
    assert {path.relative_to(CHECKOUT).as_posix() for path in wanted} | {"data/claims.yaml"} <= names
    templates = {path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.glob("hybridkit/**/*.j2")}
    assert templates <= names and len(templates) > 3
    assert not [name for name in names if "cache" in name or name.startswith("tests") or name.endswith(".pyc")]


def test_the_installed_kit_plans_and_starts_a_project_from_any_folder(hybridkit: Path, tmp_path: Path) -> None:
    here = tmp_path / "leerer Ordner ñ"
    assert "hybridkit init shop" in run(hybridkit, here, "--help")
    words = ["--rows", "atlas", "--strategy", "mono", "--steps", "2", "--batch-size", "4", "--out", "plan.csv"]
    assert "share of mono batches" in run(hybridkit, here, "plan", *words)
    assert (here / "plan.csv").read_text(encoding="utf-8").startswith("step,kind,row,id,passage_id,")
    run(hybridkit, here, "init", "shop", "--encoder", "static")
    study = here / "shop" / "studies" / "mine.yaml"
    assert "name: mine" in study.read_text() and (here / "shop" / "notebooks" / "04_evaluation.ipynb").is_file()
    python = hybridkit.with_name("python")
    code = "import hybridkit.utils.paths as p; print(p.checkout(), p.bundled('studies'), p.runs_folder(), sep='\\n')"
    found = subprocess.run(
        [str(python), "-c", code], cwd=here / "shop", env=without_ours(), capture_output=True, text=True, check=True
    )
    checkout, studies, runs = found.stdout.splitlines()
    assert (checkout, runs) == ("None", str(here / "shop" / "runs"))
    assert Path(studies).is_relative_to(hybridkit.parents[1]) and (Path(studies) / "quick.yaml").is_file()


@pytest.mark.skipif(not FULL, reason="minutes: make test-wheel")
def test_quick_own_rows_and_the_inspector_from_an_empty_folder(hybridkit: Path, tmp_path: Path) -> None:
    here = tmp_path / "leerer Ordner ñ"
    run(hybridkit, here, "run", "quick", timeout=3600)
    assert (here / "runs" / "quick" / "report" / "index.html").is_file()
    numbers = json.loads((here / "runs" / "quick" / "notebooks" / "04.json").read_text())
    assert numbers["against"]
    assert "jupyter lab" in run(hybridkit, here, "inspect", "quick", "--dry-run")
    for path in (here / "runs" / "quick" / "notebooks").glob("*.ipynb"):
        assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name
    write_parallel_rows(here / "mine.jsonl", 300)
    run(hybridkit, here, "init", "shop", "--rows", "mine.jsonl", "--encoder", "static")
    run(hybridkit, here / "shop", "run", "mine", "--set", "training.steps=20", timeout=3600)
    assert (here / "shop" / "runs" / "mine" / "report" / "index.html").is_file()
