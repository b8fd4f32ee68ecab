"""pyproject.toml, environment.yml and constraints.txt must name one and the same environment."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parent.parent
PYPROJECT = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
ENVIRONMENT = yaml.safe_load((CHECKOUT / "environment.yml").read_text(encoding="utf-8"))


def by_name(lines: list[str]) -> dict[str, SpecifierSet]:
    requirements = [Requirement(line) for line in lines]
    names = [canonicalize_name(requirement.name) for requirement in requirements]
    assert len(set(names)) == len(names), "a name stands twice"
    return {name: requirement.specifier for name, requirement in zip(names, requirements, strict=True)}


def wanted() -> list[str]:
    return [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]


def pinned() -> dict[str, Version]:
    lines = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = by_name([line for line in lines if line and not line.startswith("#")])
    for name, specifier in pins.items():
        assert re.fullmatch(r"==[^=*,]+", str(specifier)), f"constraints.txt: {name}{specifier} is no exact pin"
    return {name: Version(str(specifier).removeprefix("==")) for name, specifier in pins.items()}


def test_the_conda_environment_has_the_names_and_ranges_of_pyproject() -> None:
    (pip,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    assert by_name([line for line in pip if not line.startswith("--")]) == by_name(wanted())
    assert [line for line in pip if line.startswith("--")] == ["--constraint constraints.txt", "--editable ."]


def test_the_conda_environment_has_a_python_that_pyproject_allows() -> None:
    (python,) = [entry for entry in ENVIRONMENT["dependencies"] if str(entry).startswith("python=")]
    assert PROJECT["requires-python"] == ">=3.11"
    assert Version(python.removeprefix("python=")) in SpecifierSet(PROJECT["requires-python"])


def test_every_dependency_is_pinned_within_its_range() -> None:
    pins = pinned()
    for name, specifier in by_name(wanted()).items():
        assert name in pins, f"constraints.txt has no pin for {name}"
        assert pins[name] in specifier, (
            f"constraints.txt pins {name}=={pins[name]}, pyproject.toml asks for {specifier}"
        )


def test_the_pins_hold_on_every_machine() -> None:
    pins = pinned()
    assert pins["torch"] == Version("2.13.0")
    local = [name for name, version in pins.items() if version.local]
    assert not local, f"builds of one machine are pinned: {local}"
    of_one_platform = [name for name in pins if name.startswith(("nvidia-", "triton", "cuda-")) or name == "hybridkit"]
    assert not of_one_platform, f"only some machines have {of_one_platform}"


def test_every_dependency_tells_its_reason() -> None:
    for line in wanted():
        (found,) = [text for text in PYPROJECT.splitlines() if text.strip().startswith(f'"{line}",')]
        reason = found.partition("#")[2].strip()
        assert len(reason) > 5, f"pyproject.toml: {line} has no comment that says what it is for"


def test_the_container_is_made_of_files_and_extras_that_are_there() -> None:
    """It is not built here: what it names must exist, and nothing opens JupyterLab without its token."""
    lines = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    for name in re.findall(r"^COPY --chown=me (.+) \./$", lines, re.MULTILINE)[0].split():
        assert (CHECKOUT / name).is_file(), name
    assert set(re.findall(r"e\['(\w+)'\]", lines)) <= set(PROJECT["optional-dependencies"])
    assert f"FROM python:{PROJECT['requires-python'].removeprefix('>=')}" in lines
    assert "token" not in lines.partition("CMD")[2] and "USER me" in lines
    assert 'CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--notebook-dir=notebooks"]' in lines


def test_what_binder_starts_has_jupyterlab() -> None:
    (pip,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    assert any(line.startswith("jupyterlab") for line in pip) and "--editable ." in pip
