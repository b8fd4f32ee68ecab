"""mteb's result format: its measures by hand, its own texts by its own counts, and mteb itself on the kit's tasks."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit import encode, encoder, mteb_tasks, open_benchmark
from hybridkit.cli import commands as main
from hybridkit.data.sources import fetch
from hybridkit.data.sources.lareqa import LANGUAGES
from hybridkit.errors import InputError
from hybridkit.evaluation import mteb_tasks as module

needs_mteb = pytest.mark.skipif(
    find_spec("mteb") is None, reason='mteb is not installed: pip install "hybridkit[mteb]"'
)
SOME = {"de": "Antwort auf", "en": "answer to", "es": "respuesta a", "zh": "回答"}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files in LAReQA's layout: 6 paragraphs of 3 sentences, of which MLQA-R's are not in every language."""
    for name, tags in LANGUAGES.items():
        (tmp_path / name).mkdir()
        for number, tag in enumerate(tags):
            paragraphs = []
            for one in range(6):
                if name == "mlqa-r" and (one + number) % 3 == 0:
                    continue
                words = [f"{SOME.get(tag, tag)} thing{7 * one + nth} {nth * one}." for nth in range(3)]
                starts = [0, len(words[0]) + 1, len(words[0]) + len(words[1]) + 2]
                asked = [
                    {
                        "id": f"q{one}{nth}",
                        "question": f" {tag} thing{7 * one + nth}?",
                        "answers": [{"answer_start": at}],
                    }
                    for nth, at in enumerate(starts)
                ]
                if one == 5:  # the same question once more, as XQuAD has some
                    asked.append({"id": "q5x", "question": f"{tag} thing35?", "answers": [{"answer_start": 0}]})
                breaks = [[at, at + len(text)] for at, text in zip(starts, words, strict=True)]
                paragraphs.append(
                    {"context": " ".join(words), "sentences": words, "sentence_breaks": breaks, "qas": asked}
                )
            content = {"data": [{"title": "T", "paragraphs": paragraphs}]}
            (tmp_path / name / f"{tag}.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setattr(fetch, "pins", dict)  # these are not the published files
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path))
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MTEB_CACHE", str(tmp_path / "mteb"))
    return tmp_path


@pytest.fixture
def model(data: Path) -> Path:
    """A static encoder, untrained, with prompts; the tokens are too few to tell all things apart."""
    texts = open_benchmark("xquad-r").passages["text"].tolist()
    made = encoder.make(texts, vocab_size=150, dim=8)
    encoder.set_prompts(made, {"query": "ask: ", "passage": "tell: "})
    made.save(str(data / "small"))
    return data / "small"


def test_measures_by_hand() -> None:
    # a has one relevant passage, at rank 4; b has three, at ranks 1, 12 and not found
    ranks = pd.DataFrame({"query_id": ["b", "a", "b", "b"], "rank": [12, 4, 1, np.inf]})
    found = module.cutoff_scores(ranks)
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert found["ndcg_at_10"] == pytest.approx((1 / np.log2(5) + 1 / ideal) / 2) == found["main_score"]
    assert found["ndcg_at_3"] == pytest.approx((0 + 1 / ideal) / 2)
    assert found["map_at_20"] == pytest.approx((1 / 4 + (1 + 2 / 12) / 3) / 2)
    assert found["map_at_10"] == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert found["recall_at_20"] == pytest.approx((1 + 2 / 3) / 2) and found["accuracy"] == pytest.approx(
        (0 + 1 / 3) / 2
    )
    assert found["precision_at_5"] == pytest.approx((1 / 5 + 1 / 5) / 2)
    assert found["mrr_at_3"] == 0.5 and found["mrr_at_5"] == pytest.approx((1 / 4 + 1) / 2)
    assert found["hit_rate_at_3"] == 0.5 and found["hit_rate_at_1000"] == 1


@pytest.mark.parametrize(
    ("name", "subset", "counts"),
    [  # queries, their characters, passages, their characters: descriptive_stats/Retrieval of mteb 2.26.24
        ("xquad-r-paragraphs", "ar", (1186, 63247, 240, 164032)),
        ("xquad-r-paragraphs", "th", (1180, 65022, 240, 176822)),
        ("xquad-r-paragraphs", "zh", (1181, 21802, 240, 60576)),
        ("mlqa-r-paragraphs", "zho-ara", (188, 8337, 161, 38439)),
        ("mlqa-r-paragraphs", "zho-eng", (504, 25276, 443, 109267)),
        ("mlqa-r-paragraphs", "zho-zho", (504, 7759, 443, 109267)),
    ],
)
def test_the_texts_are_mtebs(
    name: str, subset: str, counts: tuple[int, ...], real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    (task,) = module._TASKS[name]
    (part,) = [one for one in module.subsets(task, open_benchmark(name)) if one.name == subset]
    frames = (part.benchmark.queries, part.benchmark.passages)
    texts = [frame["text"].str.strip() if name.startswith("xquad") else frame["text"] for frame in frames]
    assert tuple(number for one in texts for number in (one.nunique(), one.str.len().sum())) == counts
    assert [len(frame) for frame in frames] == [counts[0], counts[2]]


@needs_mteb
def test_the_known_sizes_and_tasks_are_mtebs() -> None:
    import mteb

    for name in ("XQuADRetrieval", "MLQARetrieval", "MIRACLRetrieval"):
        own = [*sum(module._TASKS.values(), []), module.MIRACL_TASK]
        (task,) = [one for one in own if one.name == name]
        theirs = mteb.get_task(name).metadata
        assert task.revision == theirs.dataset["revision"] and task.split in theirs.eval_splits
    folder = Path(mteb.__file__).parent / "descriptive_stats" / "Retrieval" / "MIRACLRetrieval.json"
    counted = json.loads(folder.read_text())["dev"]["hf_subset_descriptive_stats"]
    asked = {tag: one["queries_text_statistics"]["unique_texts"] for tag, one in counted.items()}
    assert {tag: (asked[tag], one["num_samples"] - asked[tag]) for tag, one in counted.items()} == module._MIRACL


@needs_mteb
@pytest.mark.parametrize("name", ["xquad-r", "mlqa-r", "xquad-r-paragraphs", "mlqa-r-paragraphs"])
def test_mteb_runs_the_tasks_and_finds_the_same(name: str, data: Path, model: Path) -> None:
    import mteb
    from mteb.cache import ResultCache
    from sentence_transformers import SentenceTransformer

    assert main.main(["evaluate", "--model", str(model), "--benchmark", name, "--mteb", str(data / "ours")]) == 0
    (home,) = (data / "ours" / "results" / "small").iterdir()
    tasks = mteb_tasks(name)
    exact: dict[tuple[str, str], float] = {}

    def keep(scores: dict[str, dict[str, float]], qrels: Any, results: Any, hf_split: str, hf_subset: str) -> dict:
        exact[task.metadata.name, hf_subset] = float(np.mean([one["ndcg_cut_10"] for one in scores.values()]))
        return {}

    benchmark, opened = open_benchmark(name), encoder.open(str(model))
    queries = encode(opened, benchmark.queries["text"].tolist(), "query")
    passages = encode(opened, benchmark.passages["text"].tolist(), "passage")
    sentence_transformer = SentenceTransformer(str(model), device="cpu")
    for task in tasks:
        task.task_specific_scores = keep  # type: ignore[method-assign]  # mteb rounds to five digits after it
        (theirs,) = mteb.evaluate(sentence_transformer, task, cache=None, show_progress_bar=False).task_results
        ours = mteb.TaskResult.from_disk(home / f"{task.metadata.name}.json")
        assert ours.scores.keys() == theirs.scores.keys()
        (split,) = ours.scores
        found, wanted = ({one["hf_subset"]: one for one in side.scores[split]} for side in (ours, theirs))
        assert found.keys() == wanted.keys() == task.metadata.eval_langs.keys()
        for subset, values in found.items():
            assert values["languages"] == wanted[subset]["languages"]
            for measure in values.keys() - {"languages", "hf_subset", "mteb_version"}:
                assert values[measure] == pytest.approx(wanted[subset][measure], abs=1.1e-5), (subset, measure)
        # to the last digit: unrounded, by our ranks and by mteb's run
        (kit,) = [one for one in module._TASKS[name] if one.name == task.metadata.name]
        for subset_ in module.subsets(kit, benchmark):
            ranks = module.rank_table(subset_.benchmark, queries[subset_.queries], passages[subset_.passages])
            value = module.cutoff_scores(ranks.assign(rank=ranks["pool_rank"]))["ndcg_at_10"]
            assert value == pytest.approx(exact[kit.name, subset_.name], abs=1e-6)
        assert len({round(one["ndcg_at_10"], 3) for one in found.values()}) > 1  # not all perfect
    loaded = ResultCache(data / "ours").load_results(tasks=tasks)
    assert [one.model_name for one in loaded.model_results] == ["small"]
    assert {one.task_name for one in loaded.model_results[0].task_results} == {task.metadata.name for task in tasks}


def test_files_are_where_mteb_looks_and_subsets_are_kept(data: Path, model: Path) -> None:
    arguments = ["evaluate", "--model", str(model), "--system", "dense,bm25", "--mteb", str(data / "ours")]
    assert main.main([*arguments, "--benchmark", "xquad-r,mlqa-r-paragraphs"]) == 0
    (home,) = (data / "ours" / "results" / "small").iterdir()
    names = ["MLQARetrieval", "XQuADRCrossRetrieval", "XQuADRMonoRetrieval", "XQuADRPoolRetrieval", "model_meta"]
    assert sorted(path.stem for path in home.iterdir()) == names
    meta = json.loads((home / "model_meta.json").read_text())
    assert (meta["name"], meta["revision"], meta["embed_dim"]) == ("small", home.name, 8)
    pool = json.loads((home / "XQuADRPoolRetrieval.json").read_text())
    assert [one["hf_subset"] for one in pool["scores"]["test"]] == [*LANGUAGES["xquad-r"]]
    assert len(pool["scores"]["test"][0]["languages"]) == 11
    more = [{**pool, "scores": {"test": [{"hf_subset": "ar", "main_score": 1.0, "languages": ["ara-Arab"]}]}}]
    module.write_results(data / "ours", more, "small", home.name, 8)
    again = json.loads((home / "XQuADRPoolRetrieval.json").read_text())["scores"]["test"]
    assert again[0] == more[0]["scores"]["test"][0] and again[1:] == pool["scores"]["test"][1:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--benchmark", "atlas"], "mteb has no task like atlas"),
        (["--benchmark", "xquad-r[ar,de]"], "mteb's tasks are of the whole xquad-r"),
        (["--benchmark", "xquad-r", "--system", "bm25"], "of the encoder alone"),
        (["--benchmark", "xquad-r", "--remedy", "calibrate(top=5)"], "--remedy none among others"),
    ],
)
def test_what_mteb_cannot_hold_is_refused_at_once(
    arguments: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["evaluate", "--model", "no-such-model", "--mteb", str(data / "ours"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_miracl_is_written_where_its_corpus_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridkit.data.collection import Collection

    queries = pd.DataFrame({"query_id": ["1", "2"], "text": ["a", "b"]})
    judgements = pd.DataFrame({"query_id": ["1", "1", "2"], "passage_id": ["x", "y", "z"], "relevance": [1, 0, 1]})
    yoruba = Collection("miracl", "yo", queries, judgements, lambda: iter([]), 3, "f")
    run = pd.DataFrame({"query_id": ["1", "1", "2"], "passage_id": ["y", "x", "w"], "score": [0.9, 0.5, 0.4]})
    assert module.miracl_results([(yoruba, run)]) == []
    monkeypatch.setitem(module._MIRACL, "yo", (2, 3))
    (found,) = module.miracl_results([(yoruba, run)])
    (entry,) = found["scores"]["dev"]
    assert (found["task_name"], entry["hf_subset"], entry["languages"]) == ("MIRACLRetrieval", "yo", ["yor-Latn"])
    assert entry["mrr_at_10"] == 0.25 and entry["recall_at_1000"] == 0.5


def test_mteb_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mteb", None)
    with pytest.raises(InputError, match=r"hybridkit\[mteb\]"):
        mteb_tasks("xquad-r")
