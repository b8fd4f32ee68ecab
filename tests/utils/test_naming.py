"""Names and ids with dots, commas, brackets, colons and #: none is taken apart, or taken for one of the kit's own."""

import json
from pathlib import Path

import numpy as np
import pytest

from hybridkit.analysis.data import coverage
from hybridkit.cli import main
from hybridkit.cli.options import names
from hybridkit.data.benchmark import Benchmark
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.leakage import find_leaks, targets_of
from hybridkit.data.rows import Row
from hybridkit.data.sources.open_benchmarks import base_name, is_collection, open_benchmark, open_collection, subset_of
from hybridkit.data.sources.open_rows import open_corpus, source_hashes, source_stems
from hybridkit.errors import InputError
from hybridkit.report.inspected_run import Inspected
from hybridkit.utils.naming import split_name, stem_of

ODD = ["my.data.v2.jsonl", "a,b.jsonl", "rows[1].jsonl", "x#2.jsonl", "doc:de.jsonl", "a (1), b.jsonl", "plain.jsonl"]


def rows(path: Path, front: str = "", count: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        {
            "id": f"{front}{n}",
            "query": {tag: f"{front} asked {n} {tag}" for tag in ("de", "en")},
            "passage": {tag: f"{front} told {n} {tag}" for tag in ("de", "en")},
        }
        for n in range(count)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_any_name_is_planned_on_checked_and_evaluated(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows(Path(name))
    rows(Path("held") / name, "held")
    plan = ["--strategy", "mono", "--steps", "2", "--batch-size", "2", "--out", "plan.parquet"]
    assert main(["plan", "--rows", f"{name},held/{name}", *plan]) == 0
    assert main(["data", "check", name, "--against", f"held/{name}"]) == 0
    told = tmp_path / "told.json"
    asked = f"held/{name},atlas,held/{name}[2:]"
    assert main(["evaluate", "--benchmark", asked, "--system", "bm25", "--json", str(told)]) == 0
    assert list(json.loads(told.read_text())) == [f"held/{name}", "atlas", f"held/{name}[2:]"]
    assert open_benchmark(f"held/{name}").name == name.removesuffix(".jsonl")
    capsys.readouterr()


def test_lists_of_files_with_commas_and_brackets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ODD:
        rows(Path(name))
    assert names(",".join(ODD)) == ODD and names(", ".join(ODD)) == ODD
    assert names("a,b.jsonl[2:],xquad-r[16:],mmarco[de,en]") == ["a,b.jsonl[2:]", "xquad-r[16:]", "mmarco[de,en]"]
    for empty in ("", ",", "a,b.jsonl,", ",atlas", "atlas,,mlqa-r"):
        with pytest.raises(Exception, match="has an empty name"):
            names(empty)


def test_files_of_one_stem_in_different_folders_are_told_apart(tmp_path: Path) -> None:
    files = [rows(tmp_path / folder / "rows.jsonl", folder) for folder in ("a", "b", "a/a")]
    files.append(rows(tmp_path / "a.jsonl", "alone"))
    assert source_stems(files) == ["a:rows", "b:rows", "a:a:rows", "a"]
    corpus = open_corpus(files)
    assert corpus.ids[[0, 6, 12, 18]].tolist() == ["a:rows/a0", "b:rows/b0", "a:a:rows/a/a0", "a/alone0"]
    assert len(set(corpus.ids)) == 24 and len(source_hashes(files)) == 4
    assert source_hashes(files[:1]) | source_hashes(files[1:2]) != source_hashes(files[:2])  # rows.jsonl is two files
    moved = [rows(tmp_path / "moved" / folder / "rows.jsonl", folder) for folder in ("a", "b")]
    assert open_corpus(moved).fingerprint == open_corpus(files[:2]).fingerprint
    with pytest.raises(InputError, match="give one or more files with different names"):
        open_corpus([files[0], files[0]])


def test_a_file_named_as_one_of_the_kit_s_is_told_apart_from_it(tmp_path: Path) -> None:
    assert source_stems(["atlas", rows(tmp_path / "train.jsonl")]) == ["atlas", "train"]
    assert source_stems(["atlas"]) == ["train"]  # as it was


def test_ids_with_the_kit_s_own_signs_never_meet_the_kit_s_ids() -> None:
    # two texts under x, and users' own x#2 and x#3: the second text of x is x#4
    asked = [("1", "x"), ("2", "x"), ("3", "x#2"), ("4", "x#3"), ("5", "x:de"), ("6", "a,b")]
    corpus = ParallelCorpus.from_rows(
        Row(name, article, name, {"en": f"question {name}"}, {tag: f"answer {name} {tag}" for tag in ("de", "en")}, {})
        for name, article in asked
    )
    benchmark = Benchmark.from_corpus(corpus, "m:y")
    english = benchmark.passages[benchmark.passages["language"] == "en"]
    ids = [f"m:y:en:{name}" for name in ("a,b", "x", "x#2", "x#3", "x#4", "x:de")]
    assert english["passage_id"].tolist() == ids
    found = dict(zip(english["passage_id"], english["text"], strict=True))
    assert found["m:y:en:x#2"] == "answer 3 en" and found["m:y:en:x#4"] == "answer 2 en"
    documents = Inspected("x", Path(), None, "m:y", benchmark).documents
    assert documents["m:y:en:x#4"] == ("en", "x") and documents["m:y:en:x#2"] == ("en", "x#2")
    assert documents["m:y:de:x:de"] == ("de", "x:de")


def test_ids_leak_as_wholes() -> None:
    page, other = "https://example.org/rivers#danube", "https://example.org/rivers#rhine"
    held = Row("h", page, "h", {"en": "held question"}, {"en": "held answer"}, {})
    more = Row("i", page, "i", {"en": "held question two"}, {"en": "held answer two"}, {})
    targets = targets_of([Benchmark.from_corpus(ParallelCorpus.from_rows([held, more]), "held")])
    train = ParallelCorpus.from_rows(
        Row(f"r{n}", name, f"r{n}", {"en": f"train {n}"}, {"en": f"told {n}"}, {})
        for n, name in enumerate([page, other])
    )
    found = find_leaks(train, targets)
    assert found[["row", "kind", "side"]].to_numpy().tolist() == [[0, "id", "passage_id"]]


def test_one_name_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, whole = open_benchmark("atlas[2:4]"), open_benchmark("atlas")
    assert part.fingerprint == subset_of(whole, "atlas[2:4]")[0].fingerprint
    assert len(part.queries) < len(whole.queries) and base_name("atlas[2:4]") == "atlas"
    with pytest.raises(InputError, match=r"benchmark 'atlas\[99999:\]': the subset holds no article"):
        open_benchmark("atlas[99999:]")
    with pytest.raises(InputError, match="name it in a study's benchmarks"):
        open_benchmark("held-out[2:]")
    with pytest.raises(InputError, match="there is no such benchmark or file"):
        open_benchmark("nowhere[de]")
    # a judged folder with brackets in its own name, and words behind it
    folder = tmp_path / "sets [old]"
    folder.mkdir()
    for tag in ("sw", "te"):
        (folder / f"topics.set-{tag}-dev.tsv").write_text("1\twho\n")
        (folder / f"qrels.set-{tag}-dev.tsv").write_text("1 Q0 a 1\n")
    (folder / "docs-0.jsonl").write_text('{"docid": "a", "title": "", "text": "she"}\n')
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert is_collection("sets [old]") and is_collection("sets [old][sw]") and not is_collection("atlas[2:4]")
    assert [one.language for one in open_collection("sets [old]")] == ["sw", "te"]
    assert [one.language for one in open_collection("sets [old][te]")] == ["te"]
    assert [one.setting for one in open_collection("sets [old][sw,te,pool]")] == ["pool", "pool"]


@pytest.mark.parametrize(
    ("name", "base", "words"),
    [
        ("mmarco[de]", "mmarco", ("de",)),
        ("a[b][c, d]", "a[b]", ("c", "d")),
        ("[x]", "[x]", ()),
        ("x]", "x]", ()),
        ("x[", "x[", ()),
        ("x[]", "x", ("",)),
        ("~nobody/x[1:]", "~nobody/x", ("1:",)),
        ("x" * 5000, "x" * 5000, ()),
    ],
)
def test_brackets(name: str, base: str, words: tuple[str, ...]) -> None:
    assert split_name(name) == (base, words)


@pytest.mark.parametrize(
    ("file", "stem"),
    [("a.jsonl", "a"), ("a.b.jsonl.gz", "a.b"), ("dir.d/a.json.xz", "a"), (".jsonl", ".jsonl"), ("v1.2", "v1.2")],
)
def test_stems(file: str, stem: str) -> None:
    assert stem_of(file) == stem


def test_coverage_tells_every_file_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace
    from typing import cast

    from hybridkit.study.run import Run

    files = [str(rows(tmp_path / folder / "my.rows.jsonl", folder)) for folder in ("a", "b")]
    study = SimpleNamespace(rows=SimpleNamespace(files=files), at=lambda name: name)
    table = coverage(cast(Run, SimpleNamespace(study=study, rows=SimpleNamespace(usable=open_corpus(files)))))
    assert table["source"].tolist() == ["a:my.rows"] * 2 + ["b:my.rows"] * 2 and np.all(table["queries"] == 6)
