import argparse
import errno
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from hybridkit import __version__
from hybridkit.cli import commands as main
from hybridkit.cli import train
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.training import TrainingSettings
from hybridkit.sampling import BatchPlan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LANGUAGES = ("de", "en", "fr")
PLAN = ["--strategy", "hybrid(alpha=0.5)", "--steps", "5", "--batch-size", "4"]


def rows_in(folder: Path, count: int = 12) -> Path:
    path = folder / "mine.jsonl"
    lines = [
        {
            "id": str(i),
            "query": {tag: f"{tag} what is thing{i}?" for tag in LANGUAGES},
            "passage": {tag: f"{tag} thing{i} is number{7 * i}" for tag in LANGUAGES},
        }
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rows_in(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def model(rows: Path) -> Path:
    """A static encoder trained for five steps."""
    out = rows.parent / "model"
    assert main.main(training(rows, out)) == 0
    return out


@pytest.fixture(autouse=True)
def nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("HYBRIDKIT_DATA", raising=False)


def training(rows: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--model", "static", "--rows", str(rows), *PLAN, "--lr", "0.01", "--out", str(out), *more]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """The one message on stderr of a command that fails."""
    assert main.main(arguments) == code
    told = capsys.readouterr()
    assert told.out == "" and "Traceback" not in told.err
    (line,) = [line for line in told.err.splitlines() if line.startswith("hybridkit: ")]
    return line


def failing_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr("hybridkit.data.sources.open_rows.check_rows", fail)


# What is there


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                found |= {name: one} | {f"{name} {inner}": each for inner, each in commands_of(one).items()}
    return found


def test_strategies_are_compared_before_anything_is_trained(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["plan", "--rows", str(rows), "--steps", "8", "--batch-size", "4", "--compare", "mono", "cross", "english"]
    assert main.main([*given, "--json", str(tmp_path / "found.json")]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[-3:] for line in shown.splitlines() if "strategy" not in line][0] == [
        "mono",
        "cross",
        "english",
    ]
    assert "trained on other data than" in shown
    lines = json.loads((tmp_path / "found.json").read_text())["exposure"]
    assert {line["strategy"] for line in lines} == {"mono", "cross", "english"}
    assert sum(line["draws"] for line in lines if line["by"] == "pair" and line["strategy"] == "cross") == 32
    assert "leave --strategy, --out and --export out" in refused([*given, "--out", str(tmp_path / "p")], capsys)
    assert "--strategy: it is missing" in refused(given[:7], capsys)
    assert "give two different strategies or more (got mono mono)" in refused([*given[:8], "mono", "mono"], capsys)


def test_every_command_is_there_with_an_example_that_parses() -> None:
    import shlex

    parser = main.parser()
    commands = commands_of(parser)
    assert set(commands) == {
        "init",
        "run",
        "figures",
        "report",
        "recipe",
        "export",
        "inspect",
        "plan",
        "train",
        "evaluate",
        "data",
        "data list",
        "data fetch",
        "data check",
        "data negatives",
        "data pin",
        "model",
        "model list",
        "model fetch",
    }
    for name, command in commands.items():
        assert command.epilog is not None and command.epilog.startswith("examples:\n")
        for line in command.epilog.split("\n\n")[0].splitlines()[1:]:
            words = shlex.split(line)
            assert " ".join(words[: 1 + len(name.split())]) == f"hybridkit {name}"
            parser.parse_args(words[1:])


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, part in (
        (["--help"], "exit codes"),
        (["--version"], __version__),
        (["plan", "--help"], "examples:"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main.main(arguments)
        assert stopped.value.code == 0
        assert part in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from hybridkit.cli import commands; commands.parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "torch", "pyarrow", "transformers", "matplotlib"} & set(loaded)


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["plan"], ["evaluate", "--benchmark", "atlas", "--system", "x"]]
)
def test_wrong_options_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.main(arguments)
    assert stopped.value.code == 2


# Plans


def test_a_plan_is_a_table_that_reads_back(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, told = tmp_path / "plan.parquet", tmp_path / "told.json"
    arguments = ["plan", "--rows", str(rows), *PLAN, "--seed", "3", "--out", str(out), "--json", str(told)]
    assert main.main(arguments) == 0
    table = pd.read_parquet(out)
    assert [name for name in table.columns if name != "row"] == [
        "step",
        "kind",
        "id",
        "passage_id",
        "query_language",
        "passage_language",
    ]
    assert len(table) == 5 * 4
    plan, value = BatchPlan.read(out), json.loads(told.read_text())
    assert (str(plan.strategy), plan.seed, len(plan)) == ("hybrid(alpha=0.5)", 3, 5)
    assert (value["fingerprint"], value["steps"], value["batch size"]) == (plan.fingerprint, 5, 4)
    same = (table["query_language"] == table["passage_language"]).groupby(table["step"]).all()
    assert value["share of mono batches"] == pytest.approx(same.mean())
    assert value["matrix"]["de"]["en"] == len(table.query("query_language == 'de' and passage_language == 'en'"))
    printed = capsys.readouterr().out
    assert "share of mono batches" in printed and "Draws by query language" in printed
    assert "Plan of hybrid(alpha=0.5), seed 3, 5 batches of 4: every check is as expected" in printed
    assert value["ok"] is True
    assert {"check": "draws of a text that does not exist", "value": 0, "expected": "0", "ok": True} in value["checks"]
    before = out.read_bytes()
    assert main.main(arguments) == 0
    assert out.read_bytes() == before


def test_a_plan_replaces_nothing_but_a_plan(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows.read_bytes()
    assert "mine.jsonl: it exists" in refused(["plan", "--rows", str(rows), *PLAN, "--out", str(rows)], capsys)
    other = rows.with_suffix(".parquet")
    other.write_bytes(before)
    assert "is not a batch plan" in refused(["plan", "--rows", str(rows), *PLAN, "--out", str(other)], capsys)
    assert rows.read_bytes() == other.read_bytes() == before


# Wrong input: one message that names the place, exit code 2


def test_wrong_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows_in(tmp_path)
    whole = path.read_text()
    path.write_text(whole[:-20])
    assert f"{path}, line 12" in refused(["data", "check", str(path)], capsys)
    assert "line 12" in refused(["plan", "--rows", str(path), *PLAN, "--out", str(tmp_path / "p")], capsys)
    path.write_text(whole + whole.splitlines()[0] + "\n")
    assert "line 13" in refused(training(path, tmp_path / "out"), capsys)
    assert "nowhere.jsonl" in refused(["data", "check", "nowhere.jsonl"], capsys)
    assert not (tmp_path / "out").exists() and not (tmp_path / "p").exists()


def test_wrong_names(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["plan", "--rows", str(rows), *PLAN[2:], "--out", str(tmp_path / "p"), "--strategy"]
    assert "'hybrd'" in refused([*plan, "hybrd"], capsys)
    assert "batch size is 400" in refused([*plan, "mono", "--batch-size", "400"], capsys)
    assert "learning_rate" in refused(training(rows, tmp_path / "out", "--lr", "-1"), capsys)
    evaluate = ["evaluate", "--benchmark", str(rows), "--model"]
    assert "neither modules.json nor config.json" in refused([*evaluate, str(tmp_path)], capsys)
    assert "no such folder" in refused([*evaluate, str(tmp_path / "nowhere")], capsys)
    assert "hybridkit train" in refused([*evaluate, "static"], capsys)
    assert "--model" in refused(["evaluate", "--benchmark", str(rows)], capsys)
    assert "there are atlas, xquad-r" in refused(["evaluate", "--benchmark", "miracl-x", "--system", "bm25"], capsys)


def test_missing_data_names_the_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(["data", "fetch", "mlqa-test"], capsys)
    assert "mlqa-test.jsonl" in told and str(tmp_path / "cache") in told and "HYBRIDKIT_DATA" in told
    assert "hybridkit data fetch mlqa-test" in refused(["data", "pin", "mlqa-test"], capsys)
    assert "no data set 'x'" in refused(["data", "fetch", "x"], capsys)
    told = refused(["evaluate", "--benchmark", "xquad-r", "--system", "bm25"], capsys)
    assert "hybridkit data fetch xquad-r" in told


@pytest.mark.parametrize("command", ["run", "figures", "report", "recipe"])
def test_an_unknown_study(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--learning-rate", "1", "--temperature", "1"] if command == "recipe" else []
    assert "study 'nonsense'" in refused([command, "nonsense", *more], capsys)


def test_a_study_without_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert "hybridkit run quick" in refused(["report", "quick"], capsys)
    assert "hybridkit run quick" in refused(["export", "quick", "mono"], capsys)


def test_run_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("hybridkit.study.pipeline.run_study", lambda *given: calls.append(given))
    monkeypatch.setattr("hybridkit.report.html_report.write_report", lambda run: run.folder)
    assert main.main(["run", "quick"]) == 0
    options = ["--notebook", "04", "--notebook", "05", "--fresh", "--dry-run", "-p", "top", "5", "-p", "x", "y"]
    options += ["--set", "seeds=[0]"]
    assert main.main(["run", "quick", *options, "--json", str(tmp_path / "run.json")]) == 0
    assert calls == [
        ("quick", None, False, False, {}, [], None),
        ("quick", ["04", "05"], True, True, {"top": "5", "x": "y"}, ["seeds=[0]"], None),
    ]
    assert json.loads((tmp_path / "run.json").read_text())["notebooks"] == ["04", "05"]


# Trainings


def test_a_training_is_whole_and_tells_its_origin(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    assert {"modules.json", "model.safetensors", "steps.jsonl", "README.md", "hybridkit-train.json"} <= names
    card = (model / "README.md").read_text()
    assert "`hybrid(alpha=0.5)`" in card and "12 of mine.jsonl in 3 languages" in card
    assert str(model.parent) not in card
    assert len((model / "steps.jsonl").read_text().splitlines()) == 5
    assert not train.work_folder(model).exists()


def test_margin_and_consistency_are_options_and_named_in_the_card(rows: Path, tmp_path: Path) -> None:
    assert main.main(training(rows, tmp_path / "out", "--margin", "0.2", "--consistency", "0.5")) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| margin | 0.2 |" in card and "| consistency | 0.5 |" in card
    line = json.loads((tmp_path / "out" / "steps.jsonl").read_text().splitlines()[0])
    assert line["loss"] == pytest.approx(line["infonce"] + 0.5 * line["consistency"], abs=2e-4)


def test_distillation_alone_is_a_training(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--distillation", "2", "--contrastive", "0", "--teacher-language", "de"]
    assert main.main(training(rows, tmp_path / "out", *options)) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| distillation | 2.0 |" in card and "| teacher language | de |" in card and "| contrastive | 0.0 |" in card
    line = json.loads((tmp_path / "out" / "steps.jsonl").read_text().splitlines()[0])
    assert line["loss"] == pytest.approx(2 * line["distillation"], abs=2e-4) and "infonce" not in line
    capsys.readouterr()
    told = refused(training(rows, tmp_path / "none", "--contrastive", "0"), capsys)
    assert "training.contrastive must be above 0 where distillation and margin_mse are 0 (got 0.0)" in told


def test_a_finished_training_is_never_lost(rows: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (model / "model.safetensors").read_bytes()
    assert "--overwrite" in refused(training(rows, model), capsys)
    told = refused(training(rows, model, "--resume", "--lr", "0.02"), capsys)
    assert "another training" in told and "learning_rate: 0.01 there, 0.02 in this command" in told
    assert main.main(training(rows, model, "--resume")) == 0
    assert "finished" in capsys.readouterr().out
    assert (model / "model.safetensors").read_bytes() == before


def test_a_training_of_a_tokenizer_that_was_mended_is_another_one() -> None:
    model = encoder.make(["Lima is old", "Oslo is cold"], vocab_size=40, dim=8)
    plan: Any = SimpleNamespace(strategy="mono", seed=0, fingerprint="f00")
    settings = TrainingSettings(steps=1, batch_size=2)
    before = train.record("model", model, plan, settings)
    model.tokenizer.enable_truncation(2)
    assert train.record("model", model, plan, settings)["encoder"] != before["encoder"]


def test_a_training_of_an_earlier_version_is_still_finished(
    rows: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(model, out)
    noted = json.loads((out / train.RECORD).read_text())
    for key in ("encoder", "margin", "consistency", "distillation", "teacher_language", "contrastive"):
        del noted[key]
    for key in ("margin_mse", "reranker"):
        del noted[key]
    (out / train.RECORD).write_text(json.dumps(noted))
    assert main.main(training(rows, out, "--resume")) == 0
    assert "finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("model.safetensors", "model.safetensors: missing or damaged; train the model again with --overwrite"),
        ("README.md", "README.md: missing or damaged"),
        ("hybridkit-train.json", "hybridkit-train.json is missing or"),
    ],
)
def test_a_damaged_training_is_not_taken_for_finished(
    rows: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(model, out)
    (out / name).write_bytes(bytes((out / name).stat().st_size))
    assert told in refused(training(rows, out, "--resume"), capsys)


def test_overwrite_spares_folders_that_are_no_training(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not a model that the kit trained" in refused(training(rows, rows.parent, "--overwrite"), capsys)
    assert rows.is_file()


def test_an_unfinished_training_goes_on_to_the_same_weights(
    rows: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    step = ["--checkpoint-every", "2"]
    with monkeypatch.context() as patch:  # stopped when the finished model is to be written
        patch.setattr("hybridkit.models.training.atomic_folder", stop)
        assert main.main(training(rows, out, *step)) == 130
    told = capsys.readouterr().err
    assert "everything finished is kept; add --resume to continue from the last checkpoint" in told
    assert list(train.work_folder(out).glob("checkpoint-*")) and not out.exists()
    assert "--resume" in refused(training(rows, out, *step), capsys)
    assert "temperature: 0.05 there, 0.5 in this command" in refused(
        training(rows, out, *step, "--resume", "--temperature", "0.5"), capsys
    )
    assert main.main(training(rows, out, *step, "--resume")) == 0
    assert (out / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    assert not train.work_folder(out).exists()


def stop(_: Path) -> None:
    raise KeyboardInterrupt


# Evaluation


def test_scores_have_the_shape_of_the_design(
    rows: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "scores.json"
    names = f"{rows}[2:],{rows}"
    arguments = ["evaluate", "--model", str(model), "--benchmark", names, "--system", "dense,bm25,fusion"]
    assert main.main([*arguments, "--strategy-label", "mine", "--json", str(told)]) == 0
    value = json.loads(told.read_text())
    assert list(value) == [f"{rows}[2:]", str(rows)]
    measures = {"AP", "RR", "RR@10", "R@1", "R@10", "nDCG@10"}
    for systems in value.values():
        assert list(systems) == ["dense", "bm25", "fusion"]
        for found in systems.values():
            assert set(found) - {"against"} == {"mono", "cross", "pool", "languages"}
            assert set(found["mono"]) == set(found["cross"]) == measures
            assert set(found["pool"]) == measures | {"rank_distance"}
            assert set(found["languages"]) == {f"{a}>{b}" for a in LANGUAGES for b in LANGUAGES}
            cross = [one["AP"] for pair, one in found["languages"].items() if pair[:2] != pair[3:]]
            assert found["cross"]["AP"] == pytest.approx(sum(cross) / 6)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:4] == ["strategy", "benchmark", "system", "setting"]
    assert printed[1 + 2 * 3 * 3] == ""  # differences from dense follow


def test_prompts_reach_the_encoder(
    rows: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hybridkit.models import embedding

    seen = set()
    whole = embedding.features_of

    def features_of(encoder: "SentenceTransformer", texts: list[str], side: str, prompt: str) -> dict[str, Any]:
        seen.add((side, prompt))
        return whole(encoder, texts, side, prompt)

    monkeypatch.setattr(embedding, "features_of", features_of)
    evaluate = ["evaluate", "--model", str(model), "--benchmark", str(rows)]
    assert main.main([*evaluate, "--query-prompt", "Query: ", "--passage-prompt", "Passage: "]) == 0
    assert seen == {("query", "Query: "), ("passage", "Passage: ")}
    capsys.readouterr()
    assert "max_length" in refused([*evaluate, "--max-length", "16"], capsys)  # a static encoder cuts nothing


# Data and models


def test_data_and_models_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "told.json"
    assert main.main(["data", "list", "--json", str(told)]) == 0
    found = {one["name"]: one for one in json.loads(told.read_text())}
    assert found["xquad-r"]["licence"] == "CC BY-SA 4.0" and "xquad-r" in capsys.readouterr().out
    assert main.main(["model", "list", "--json", str(told)]) == 0
    assert [one["name"] for one in json.loads(told.read_text())] == [
        "static",
        "xlm-r",
        "labse",
        "e5-small",
        "use-multilingual",
    ]


def test_check_tells_what_is_in_a_file(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "told.json"
    assert main.main(["data", "check", str(rows), "--json", str(told)]) == 0
    value = json.loads(told.read_text())
    assert (value["rows"], value["groups"]) == (12, 12)
    assert value["languages"][0] == {"language": "de", "queries": 12, "passages": 12, "both": 12, "negatives": 0}
    assert "12 rows" in capsys.readouterr().out


def test_pin_prints_what_pins_json_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path))
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mlqa-test.jsonl").write_bytes(b"abc")
    assert main.main(["data", "pin", "mlqa-test"]) == 0
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert json.loads(capsys.readouterr().out) == {"train/mlqa-test.jsonl": [3, sha256_of_abc]}


# Trouble


def test_a_full_disk_is_told_with_the_folder(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = ["data", "check", str(rows)]
    failing_with(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x.arrow")), monkeypatch)
    told = refused(check, capsys, code=1)
    assert f"{tmp_path}: the disk is full" in told and "everything finished is kept" in told
    failing_with(RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), monkeypatch)
    assert f"{tmp_path}: the disk is full" in refused([*check, "--json", str(tmp_path / "no" / "x")], capsys, code=1)
    wrapped = InputError("could not be fetched")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    failing_with(wrapped, monkeypatch)
    assert "the disk is full" in refused(check, capsys, code=1)


def test_a_path_that_cannot_be_written(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(["data", "check", str(rows), "--json", str(rows / "told.json")], capsys, code=1)
    assert str(rows) in told


def test_stopped_by_hand(rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing_with(KeyboardInterrupt(), monkeypatch)
    assert "everything finished is kept" in refused(["data", "check", str(rows)], capsys, code=130)


def test_a_bug_keeps_its_traceback(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_with(ZeroDivisionError(), monkeypatch)
    handlers = list(logging.getLogger("hybridkit").handlers)
    with pytest.raises(ZeroDivisionError):
        main.main(["data", "check", str(rows)])
    assert logging.getLogger("hybridkit").handlers == handlers


def test_a_reader_that_goes_away_is_no_error() -> None:
    # the pipe's reading end is closed before anything is printed
    code = "import sys; from hybridkit.cli import main; sys.stdin.read(); sys.exit(main(['data', 'list']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stdin and process.stderr
    process.stdout.close()
    process.stdin.close()
    told = process.stderr.read()
    assert process.wait() == 141
    assert told == b""


# The way in: what is mistyped, completed in the shell, written by its ending


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu", "quick"], "(did you mean run?)"),
        (["data", "chek", "x"], "(did you mean check?)"),
        (["run", "quick", "--dry-rum"], "unrecognized arguments: --dry-rum (did you mean --dry-run?)"),
    ],
)
def test_the_nearest_command_or_option_is_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.main(words)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "startr"], "(did you mean starter?)"),
        (
            ["plan", "--rows", "atls", "--strategy", "mono", "--steps", "1", "--batch-size", "2", "--out", "p"],
            "mean atlas?",
        ),
        (["data", "fetch", "xquad"], "(did you mean xquad-r?)"),
        (["run", "quick", "--notebook", "07", "-p", "claim", "x"], "(did you mean claims?)"),
        (["run", "quick", "--set", "seed=[0]"], "unknown key seed (did you mean seeds?)"),
    ],
)
def test_the_nearest_name_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(words, capsys)


@pytest.mark.parametrize(
    ("line", "known"),
    [("hybridkit ru", "run"), ("hybridkit run star", "starter"), ("hybridkit train --model lab", "labse"),
     ("hybridkit plan --ro", "--rows"), ("hybridkit evaluate --benchmark mlqa-r-", "mlqa-r-paragraphs")],
)  # fmt: skip
def test_the_shell_completes_commands_options_and_names(line: str, known: str, tmp_path: Path) -> None:
    pytest.importorskip("argcomplete", reason="argcomplete is not installed here")
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    asked |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "found")}
    words = [sys.executable, "-m", "hybridkit"]
    subprocess.run(words, env=os.environ | asked, check=True, timeout=100, capture_output=True)
    assert known in (tmp_path / "found").read_text().split()


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_plan_is_written_by_the_ending_of_its_file(
    ending: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["plan", "--rows", str(rows), *PLAN, "--seed", "3", "--out"]
    assert main.main([*given, str(tmp_path / "p.parquet")]) == 0
    assert main.main([*given, str(tmp_path / f"p{ending}")]) == 0
    read = {".csv": pd.read_csv, ".jsonl": lambda path, dtype: pd.read_json(path, lines=True, dtype=dtype)}[ending]
    texts = {"id": str, "passage_id": str}
    found = read(tmp_path / f"p{ending}", dtype=texts)
    expected = pd.read_parquet(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    capsys.readouterr()
    assert "it exists; give another --out" in refused([*given, str(tmp_path / f"p{ending}")], capsys)
    assert "the ending says what is written; it must be .parquet, .csv, .jsonl" in refused([*given, "p.xlsx"], capsys)
