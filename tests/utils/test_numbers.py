"""Numbers that people give: one range for seeds everywhere, and settings that say what is allowed."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.cli import main
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.retrieval.mining import Mining
from hybridkit.sampling import mono, parse
from hybridkit.study.settings import CurveSettings, DiversitySettings, EncoderSettings, open_study
from hybridkit.utils.numbers import SEED, Range, check_seed
from hybridkit.utils.seeds import generator

SEEDS = "seed must be a whole number from 0 to 4294967295"
NO_SEEDS: list[Any] = [-1, 2**32, 20260828153000, 10**40, 10**5000, 0.0, 1.5, math.nan, math.inf, True, "0", None]
NO_SEEDS += [np.float64(1), np.True_]
CORPUS = ParallelCorpus.from_rows(
    Row(f"r{n}", f"r{n}", f"r{n}", {"en": f"another and {n}"}, {"en": f"answer {n}"}, {}) for n in range(8)
)
DOORS: dict[str, Callable[[Any], object]] = {
    "generator": lambda seed: generator(seed, "x"),
    "plan": lambda seed: mono().plan(CORPUS, 1, 2, seed),
    "codeswitch": lambda seed: parse("codeswitch(mono, lexicon='atlas', languages=['de'])").plan(CORPUS, 1, 2, seed),
    "encoder": lambda seed: encoder.make(["a text"], vocab_size=60, dim=4, seed=seed),
    "settings": lambda seed: EncoderSettings("static", seed=seed),
    "mining": lambda seed: Mining(seed=seed),
}


@pytest.mark.parametrize("seed", NO_SEEDS, ids=range(len(NO_SEEDS)))
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_seed_gets_one_error_at_every_door(door: str, seed: Any) -> None:
    with pytest.raises(InputError, match=SEEDS):
        DOORS[door](seed)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(7), np.uint8(7)])
@pytest.mark.parametrize("door", DOORS)
def test_every_seed_of_the_range_is_taken_at_every_door(door: str, seed: Any) -> None:
    DOORS[door](seed)


def test_a_plan_by_a_seed_of_numpy_is_the_plan_by_that_number() -> None:
    assert mono().plan(CORPUS, 3, 2, np.int64(7)).fingerprint == mono().plan(CORPUS, 3, 2, 7).fingerprint


@pytest.mark.parametrize("seed", ["-1", "20260828153000", "1.5", "nan", "seven"])
def test_commands_refuse_a_seed_before_anything_runs(
    seed: str, tmp_path: Path, parallel_rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = ["--rows", str(parallel_rows)], ["--out", str(tmp_path / "out")]
    plan = [*rows, "--strategy", "mono", "--steps", "1", "--batch-size", "2", *out]
    for command in (
        ["plan", *plan],
        ["train", "--model", "static", *plan],
        ["data", "negatives", *rows, "--with", "bm25", *out],
        ["export", "quick", "mono"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*command, f"--seed={seed}"])
        assert stopped.value.code == 2 and SEEDS in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["seeds", "curve.seeds", "diversity.seeds"])
def test_a_study_says_which_seed_is_none(tmp_path: Path, key: str) -> None:
    value = yaml.safe_load((Path(__file__).parents[2] / "studies" / "quick.yaml").read_text(encoding="utf-8"))
    section = value
    for part in key.split(".")[:-1]:
        section = section.setdefault(part, {"strategies": {"mono": [2]}} if part == "diversity" else {"alphas": [0.5]})
    section["seeds"] = [0, 2**32]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(value))
    with pytest.raises(InputError, match=rf"mine\.yaml: {key}\[1\] must be a whole number from 0 to 4294967295"):
        open_study(tmp_path / "mine.yaml")


@pytest.mark.parametrize("option", ["--lr", "--temperature", "--warmup", "--weight-decay"])
@pytest.mark.parametrize("value", ["inf", "nan", "-1"])
def test_train_refuses_numbers_that_train_nothing(
    option: str, value: str, tmp_path: Path, parallel_rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--model", "static", "--rows", str(parallel_rows), "--strategy", "mono", "--steps", "1"]
    assert main([*command, "--batch-size", "2", "--out", str(tmp_path / "out"), f"{option}={value}"]) == 2
    told = capsys.readouterr().err
    assert "training." in told and "must be a number" in told and f"(got {float(value)!r})" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -0.1, True, "0.5", None, 11])
@pytest.mark.parametrize(
    "make",
    [
        lambda value: parse(f"hybrid(alpha={value!r})") if isinstance(value, int | float) else parse("hybrid(alpha=x)"),
        lambda value: type(parse("hybrid"))(alpha=value),
        lambda value: type(parse("mono(by='size')"))(by="size", power=value),
        lambda value: type(parse("mono"))(weights={"en": value}),
        lambda value: type(parse("codeswitch(mono)"))(mono(), p=value),
        lambda value: CORPUS.split(value),
        lambda value: CurveSettings(seeds=(0,), alphas=(value,)),
    ],
)
def test_shares_out_of_range_are_refused(make: Callable[[Any], object], wrong: Any) -> None:
    with pytest.raises(InputError):
        make(wrong)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, math.nan, "2"])
def test_counts_out_of_range_are_refused(wrong: Any) -> None:
    told = "must be a whole number from"
    for make in (
        lambda: mono().plan(CORPUS, wrong, 2, 0),
        lambda: mono().plan(CORPUS, 1, wrong, 0),
        lambda: Mining(top=wrong),
        lambda: encoder.make(["a text"], dim=wrong),
        lambda: DiversitySettings(seeds=(0,), strategies={"mono": (2,)}, draws=wrong),
    ):
        with pytest.raises(InputError, match=told):
            make()


@given(value=st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=3), st.none()))
def test_a_seed_is_an_int_of_the_range_and_nothing_else(value: Any) -> None:
    good = type(value) is int and 0 <= value <= 2**32 - 1
    try:
        assert check_seed(value) == value and good
    except InputError as error:
        told = repr(value) if not isinstance(value, int) or value.bit_length() <= 256 else "too many digits"
        assert not good and told in str(error)


@pytest.mark.parametrize(
    ("allowed", "told"),
    [
        (SEED, "a whole number from 0 to 4294967295"),
        (Range(0, above=True), "a number above 0"),
        (Range(0, 1, below=True), "a number from 0 to below 1"),
        (Range(2, whole=True), "a whole number from 2 on"),
        (Range(), "a number"),
    ],
)
def test_a_range_says_what_is_allowed(allowed: Range, told: str) -> None:
    assert str(allowed) == told
