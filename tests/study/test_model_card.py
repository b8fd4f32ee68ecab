import json
from pathlib import Path

import faiss
import numpy as np
import pytest
import safetensors.numpy

from hybridkit import remedies
from hybridkit.cli import commands as main
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.embedding import encode
from hybridkit.study.export import benchmark_scores, export_model, find_model
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
    assert "## Benchmarks" not in before and after.startswith(before.rstrip())
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
