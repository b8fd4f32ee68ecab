import json
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import safetensors.numpy
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

from hybridkit import remedies
from hybridkit.cli import commands as main
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.embedding import encode
from hybridkit.study import model_card
from hybridkit.study.export import benchmark_scores, check_push, export_model, find_model
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run, open_run

STUDY = """name: tiny
title: A tiny study
rows: {{files: ["{rows}"], held_out: 0.1}}
encoder: {{name: static, vocab_size: 200, dim: 16}}
strategies: [mono, cross]
seeds: [4, 5]
training: {{steps: 3, batch_size: 4, learning_rate: 1.0e-2}}
evaluation: {{benchmarks: ["{asked}"]}}
compare: [cross, mono]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A study with one of its four models trained: mono, seed 4."""
    folder = tmp_path_factory.mktemp("study")
    rows, asked = folder / "mine.jsonl", folder / "asked.jsonl"
    for path, word in ((rows, "on"), (asked, "about")):
        lines = [
            {
                "id": str(i),
                **{
                    side: {tag: f"{tag} {side} {word} thing{i}" for tag in ("de", "en")}
                    for side in ("query", "passage")
                },
            }
            for i in range(20)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    study = folder / "tiny.yaml"
    study.write_text(STUDY.format(rows=rows, asked=asked), encoding="utf-8")
    made = Run(study, folder / "runs" / "tiny")
    made.trained.train(find_trained(made))
    return made


def find_trained(run: Run) -> ModelSpec:
    return next(spec for spec in run.models() if (spec.strategy, spec.seed) == ("mono", 4))


def test_a_model_is_copied_with_its_scores_in_the_card(run: Run, tmp_path: Path) -> None:
    spec = find_model(run, "mono()", 4)
    source = run.trained.path(spec)
    out = export_model(run, spec, tmp_path / "model")
    assert (out / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    before, after = ((folder / "README.md").read_text() for folder in (source, out))
    assert "## Benchmarks" not in before and "model-index" not in before
    held_out = before[before.index("## Held-out rows") :].rstrip()
    assert held_out in after and before[before.index("## Training") : before.index("## What")].strip() in after
    table = benchmark_scores(run, spec).set_index(["setting", "measure"])["value"]
    (cross,) = [line for line in after.splitlines() if "| cross |" in line]
    assert cross.split(" | ")[2] == f"{table['cross', 'AP']:.4f}"
    (pool,) = [line for line in after.splitlines() if "| pool |" in line]
    assert pool.rstrip(" |").split(" | ")[-1] == f"{table['pool', 'rank_distance']:.1f}"
    assert encoder.open(out).encode(["thing1"]).shape == (1, 16)


@pytest.mark.parametrize("text", ["centre(by='rows')", "shift(source='en')", "lir(k=1)"])
def test_language_vectors_beside_a_model(run: Run, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "model"
    chain = remedies.parse(text)
    export_model(run, find_model(run, "mono"), out, chain)
    noted = json.loads((out / "language_vectors.json").read_text())
    assert noted["remedy"] == text and noted["prompts"] == {"query": "", "passage": ""} and noted["rows"]
    # the three lines of the card do what the remedy does
    code = (out / "README.md").read_text().split("```python\n")[-1].split("```")[0]
    assert len(code.splitlines()) == 3
    monkeypatch.chdir(out)
    model = encoder.open(out)
    benchmark = run.rows.held_out
    frames = {"query": benchmark.queries, "passage": benchmark.passages}
    sides = [encode(model, frame["text"].tolist(), side) for side, frame in frames.items()]
    _, expected = chain.embeddings(benchmark, *sides, remedies.Estimate.open(out / "language_vectors.safetensors"))
    german = benchmark.passage_slices["de"]
    names = {"np": np, "safetensors": safetensors, "passages": sides[1][german], "index": faiss.IndexFlatIP(16)}
    exec(code, names)
    np.testing.assert_allclose(names["index"].reconstruct_n(0, german.stop), expected[german], atol=1e-6)


@pytest.mark.parametrize(
    "text", ["none", "calibrate(top=5)", "centre(by='passages')", "centre + lir", "interpolate(0.5)"]
)
def test_only_vectors_by_rows_are_exported(run: Run, text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the vectors of one remedy on embeddings that is estimated from rows"):
        export_model(run, find_model(run, "mono"), tmp_path / "model", remedies.parse(text))
    assert not (tmp_path / "model").exists()


def test_nothing_is_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match="it exists already"):
        export_model(run, find_model(run, "mono"), tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


def test_only_models_that_are_there_are_found(run: Run) -> None:
    assert find_model(run, "mono") == find_model(run, "mono", 4)
    with pytest.raises(InputError, match=r"cross, seed 4 is not trained yet; make it with `hybridkit run tiny`"):
        find_model(run, "cross")
    with pytest.raises(InputError, match=r"no model of mono with seed 9; there are mono \(seed 4\), cross \(seed 4\)"):
        find_model(run, "mono", 9)
    with pytest.raises(InputError, match="no model of hybrid"):
        find_model(run, "hybrid(alpha=0.5)")
    with pytest.raises(InputError, match="only trained models"):
        find_model(run, "untrained")


def test_a_run_opens_by_its_folder(run: Run, tmp_path: Path) -> None:
    opened = open_run(str(run.folder))
    assert opened.study == run.study and opened.folder == run.folder
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no run is there"):
        open_run(str(tmp_path / "empty"))
    (tmp_path / "settings.json").write_text('{"name": "tiny", "strtegies": []}')
    with pytest.raises(InputError, match=r"settings\.json: unknown key strtegies.*run the study again"):
        open_run(str(tmp_path))


def test_export_from_the_command_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["export", str(run.folder), "mono"]) == 0
    folder = Path(capsys.readouterr().out.splitlines()[0])
    assert folder.parent == run.folder / "export" and (folder / "modules.json").is_file()
    assert main.main(["export", str(run.folder), "mono"]) == 2
    assert "it exists already" in capsys.readouterr().err


def test_the_card_says_what_the_hub_reads(run: Run, tmp_path: Path) -> None:
    spec = find_model(run, "mono", 4)
    out = export_model(run, spec, tmp_path / "my-model", repository="my-team/my-model")
    card = ModelCard.load(out / "README.md")
    data = card.data.to_dict()
    assert data["library_name"] == "sentence-transformers" and data["language"] == ["de", "en"]
    assert data["license"] == "other" and data["license_link"] == "README.md#what-it-was-made-from"
    assert "base_model" not in data and "datasets" not in data  # made from scratch, of a file of one's own
    table = benchmark_scores(run, spec)
    results = {(one.dataset_config, one.metric_type): one for one in card.data.eval_results}
    assert len(results) == len(table) and card.data.model_name == "my-model"
    values = table.set_index(["setting", "measure"])["value"]
    assert results["pool", "map"].metric_value == round(values["pool", "AP"], 4)
    assert results["pool", "rank_distance"].metric_value == round(values["pool", "rank_distance"], 1)
    assert {one.dataset_type for one in card.data.eval_results} == {"asked"}
    # the example runs, by the folder in place of the name
    assert card.text.count("## Use") == card.text.count("## What it was made from") == 1
    code = card.text.split("```python\n")[1].split("```")[0]
    assert 'SentenceTransformer("my-team/my-model")' in code
    exec(code.replace("my-team/my-model", str(out)), {})


def test_sources_and_what_the_hub_calls_them() -> None:
    found = model_card.sources("e5-small", ["mlqa-test", "xnli[de,en,test]", "mine.jsonl"])
    assert [(one.name, one.licence, one.hub) for one in found] == [
        ("intfloat/multilingual-e5-small", "MIT", "intfloat/multilingual-e5-small"),
        ("mlqa-test", "CC BY-SA 3.0", "facebook/mlqa"),
        ("xnli", "CC BY-NC 4.0", "facebook/xnli"),
        ("mine", "not known to the kit", ""),
    ]
    data = model_card._front_matter(found)
    assert data["base_model"] == "intfloat/multilingual-e5-small" and data["datasets"] == [
        "facebook/mlqa",
        "facebook/xnli",
    ]
    assert data["license"] == "other"
    one = model_card._front_matter(model_card.sources("labse", ["mr-tydi"]))
    assert one == {
        "license": "apache-2.0",
        "base_model": "sentence-transformers/LaBSE",
        "datasets": ["castorini/mr-tydi"],
    }
    section = model_card.sources_section(found)
    assert "| rows | [xnli](https://huggingface.co/datasets/facebook/xnli) | CC BY-NC 4.0 |" in section


class Hub:
    """What is asked of the hub, in place of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, files: list[str] | Exception) -> None:
        self.files, self.asked = files, []
        monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_token")
        for name in ("whoami", "list_repo_files", "create_repo", "upload_folder"):
            monkeypatch.setattr(HfApi, name, lambda _, *given, name=name, **named: self.answer(name, given, named))

    def answer(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self.asked.append((name, given, named))
        if name == "list_repo_files" and isinstance(self.files, Exception):
            raise self.files
        return self.files


def of_hub(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    import httpx2

    request = httpx2.Request("GET", "https://huggingface.co/x")
    return kind(f"{status} Client Error", response=httpx2.Response(status, request=request))


@pytest.mark.parametrize("there", [of_hub(RepositoryNotFoundError, 404), [".gitattributes"]])
def test_a_model_is_pushed(
    run: Run, there: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hub = Hub(monkeypatch, there)
    out = tmp_path / "mine"
    assert main.main(["export", str(run.folder), "mono", "--out", str(out), "--push", "my-team/mine"]) == 0
    assert "It is at https://huggingface.co/my-team/mine" in capsys.readouterr().out
    *_, (made, name, options), (sent, _, upload) = hub.asked
    assert (made, name, options["private"]) == ("create_repo", ("my-team/mine",), True)
    assert (sent, upload["repo_id"], upload["folder_path"]) == ("upload_folder", "my-team/mine", out)
    assert 'SentenceTransformer("my-team/mine")' in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("mine", [], "write ORG/NAME"),
        ("my team/mine", [], "write ORG/NAME"),
        ("my-team/mine", ["README.md", "model.safetensors"], "holds 2 files already, and nothing is replaced"),
        ("my-team/mine", of_hub(HfHubHTTPError, 401), "the hub does not know your token"),
        ("my-team/mine", of_hub(HfHubHTTPError, 403), "may not write there"),
        ("my-team/mine", OfflineModeIsEnabled("offline"), "the hub cannot be reached .*HF_HUB_OFFLINE"),
        ("my-team/mine", HfHubHTTPError.__bases__[0]("[Errno -2] Name or service not known"), "check the network"),
    ],
)
def test_what_cannot_be_pushed_is_said_before_anything_is_written(
    run: Run, name: str, files: Any, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = Hub(monkeypatch, files)
    with pytest.raises(InputError, match=message):
        check_push(name)
    assert main.main(["export", str(run.folder), "mono", "--out", str(tmp_path / "mine"), "--push", name]) == 2
    assert not (tmp_path / "mine").exists() and not {"create_repo", "upload_folder"} & {one[0] for one in hub.asked}


def test_a_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="no token of the hub is here.*hf auth login"):
        check_push("my-team/mine")
