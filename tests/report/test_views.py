"""The inspector's pure functions on a run made by hand, whose ranks can be counted."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hybridkit.cli import commands as main
from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.report import views
from hybridkit.report import views as values
from hybridkit.report.inspected_run import Inspected, open_inspected
from hybridkit.report.inspector.live import Search
from hybridkit.study.scores import INDEX, read_index
from tests.inspected_run import HYBRID, ROWS, made_run


@pytest.fixture
def run(tmp_path: Path) -> Inspected:
    return open_inspected(made_run(tmp_path / "mine"))


def cell(frame: object, query: str, passage: str, column: str = "value") -> object:
    rows = frame.set_index(["query_language", "passage_language"])  # type: ignore[attr-defined]
    return rows.loc[(query, passage), column]


def test_a_run_is_opened_whole(run: Inspected) -> None:
    assert (run.strategies, run.compare, run.missing) == (["mono", HYBRID], (HYBRID, "mono"), [])
    assert len(run.ranks("mono")) == 12 * 3 * 3


def test_distance_of_a_pair_is_how_far_its_passages_stand_behind_their_twins(run: Inspected) -> None:
    found = views.pair_matrix(run, "mono", "rank_distance")
    # own language 1, the eleven others of it 2 to 12, the twins 13 and 14 (of equal scores the later id goes first)
    assert [cell(found, "en", tag) for tag in ("en", "de", "ar", "*")] == [0, 12, 13, 13]
    # Arabic answers to German questions come last of all 36
    assert [cell(found, "de", tag) for tag in ("de", "en", "ar", "*")] == [0, 12, 35, 35]
    assert views.most_biased(run, "mono") == ("de", "ar")


def test_measures_of_the_matrix_are_those_of_the_rank_table(run: Inspected) -> None:
    found = views.pair_matrix(run, "mono", "RR")
    assert cell(found, "en", "ar") == 1
    assert cell(found, "de", "ar") == pytest.approx(1 / 12)  # behind the eleven other Arabic passages
    assert cell(found, "en", "*") == 1
    hybrid = views.pair_matrix(run, HYBRID, "RR")
    assert cell(hybrid, "de", "ar") == pytest.approx((11 + 1 / 12) / 12)


def test_a_difference_has_its_significance(run: Inspected) -> None:
    found = views.pair_matrix(run, HYBRID, "rank_distance", "mono")
    assert cell(found, "de", "ar") == pytest.approx((11 * 2 + 35) / 12 - 35)
    assert cell(found, "de", "ar", "significant")  # 4 of 4096 exchanges of articles, times 9 pairs
    assert cell(found, "en", "en") == 0
    assert not cell(found, "en", "en", "significant")
    assert cell(found, "de", "ar", "mark") == "°"  # of one training each: nothing is known of others
    shown = views.grid(found, "rank_distance", difference=True).cells
    assert not shown["de", "ar"].text.endswith("*") and shown["en", "en"].grey
    starred = views.grid(found.assign(mark="*"), "rank_distance", difference=True).cells
    assert starred["de", "ar"].text == shown["de", "ar"].text + "*"


def test_a_difference_is_tested_once(run: Inspected, monkeypatch: pytest.MonkeyPatch) -> None:
    first = views.pair_matrix(run, HYBRID, "AP", "mono")
    monkeypatch.setattr("hybridkit.evaluation.significance.contrast", lambda *_: pytest.fail("it was tested again"))
    assert views.pair_matrix(open_inspected(run.folder), HYBRID, "AP", "mono").equals(first)
    assert values.is_kept(run, HYBRID, "mono", "AP")
    assert not values.is_kept(run, HYBRID, "mono", "RR")


def test_queries_have_their_ranks_now_and_before(run: Inspected) -> None:
    found = views.pair_queries(run, ("de", "ar"), HYBRID, "mono", "change").set_index("query_id")
    assert list(found.index) == [*(row for row in ROWS if row != "r03"), "r03"]
    assert found.loc["r01", ["text", "rank", "before", "change", "rank_distance"]].tolist() == [
        "wer ist r01",
        1,
        12,
        -11,
        2,
    ]
    assert found.loc["r03", ["rank", "before", "change", "rank_distance"]].tolist() == [12, 12, 0, 35]


def test_queries_are_sorted_and_filtered(run: Inspected) -> None:
    for order in ("worst", "distance"):
        assert views.pair_queries(run, ("de", "ar"), HYBRID, order=order)["query_id"].iloc[0] == "r03"
    found = views.pair_queries(run, ("de", "ar"), HYBRID, contains="IST R1")
    assert list(found["query_id"]) == ["r10", "r11", "r12"]
    assert found["before"].isna().all()
    assert views.pair_queries(run, ("de", "ar"), HYBRID, contains="[").empty  # a text, no pattern


def test_the_pool_counts_the_first_of_the_answers(run: Inspected) -> None:
    found = views.pair_queries(run, ("de", "*"), "mono")
    assert found["rank"].tolist() == [1] * 12
    assert found["rank_distance"].tolist() == [35] * 12


@pytest.mark.parametrize("wrong", [{"order": "best"}, {"order": "change"}, {"pair": ("de", "fr")}, {"strategy": "x"}])
def test_what_is_not_there_is_told(run: Inspected, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        views.pair_queries(run, **{"pair": ("de", "ar"), "strategy": HYBRID} | wrong)  # type: ignore[arg-type]


def test_a_ranking_marks_the_answer_and_its_twins_wherever_they_stand(run: Inspected) -> None:
    found = views.ranking(run, "de", "r01", "*", "mono", top=3)
    assert found["rank"].tolist() == [1, 2, 3, 13, 36]
    assert found["passage_id"].tolist() == ["toy:de:r01", "toy:de:r12", "toy:de:r11", "toy:en:r01", "toy:ar:r01"]
    assert found["relevant"].tolist() == [True, False, False, True, True]
    assert found["twin"].tolist() == [False, False, False, True, True]
    assert found["score"].round(2).tolist() == [0.9, 0.6, 0.6, 0.5, 0.05]
    assert found["text"].iloc[3] == "she is r01"


def test_a_ranking_of_a_pair_has_its_language_only(run: Inspected) -> None:
    found = views.ranking(run, "de", "r01", "ar", "mono", top=2)
    assert found["passage_id"].tolist() == ["toy:ar:r12", "toy:ar:r11", "toy:ar:r01"]
    assert found["rank"].tolist() == [1, 2, 12]


def test_a_ladder_has_all_parallel_passages(run: Inspected) -> None:
    found = views.ladder(run, "de", "r01", ["mono", HYBRID])
    assert found.to_numpy().tolist() == [
        ["mono", "de", 1, 1],
        ["mono", "en", 13, 1],
        ["mono", "ar", 36, 12],
        [HYBRID, "de", 1, 1],
        [HYBRID, "en", 2, 1],
        [HYBRID, "ar", 3, 1],
    ]


def test_a_gloss_is_the_english_twin(run: Inspected) -> None:
    assert views.gloss(run, "toy:ar:r05") == "she is r05"
    assert views.gloss(run, "toy:en:r05") == ""
    assert views.gloss(run, "no such passage") == ""


def sentences(german: int, english: int) -> Benchmark:
    """A document of two languages with so many sentences each, the first of which answers a question."""
    import pandas as pd

    ids = [f"t:{tag}:07:{n}" for tag, count in (("de", german), ("en", english)) for n in range(count)]
    texts = {
        "language": [name[2:4] for name in ids],
        "passage_id": ids,
        "article": "a",
        "text": [f"<{i}>" for i in ids],
    }
    queries = pd.DataFrame({"language": ["en"], "query_id": "q", "article": "a", "text": "Who?"})
    judged = {"query_id": "q", "passage_language": ["de", "en"], "passage_id": ["t:de:07:0", "t:en:07:1"]}
    return Benchmark("t", queries, pd.DataFrame(texts), pd.DataFrame(judged))


def test_a_gloss_of_a_sentence_is_known_by_its_question_or_by_its_place() -> None:
    same = Inspected("x", Path(), None, "t", sentences(3, 3))
    # its question's answer in English is the second sentence; without a question, the same place
    assert [views.gloss(same, f"t:de:07:{n}") for n in range(3)] == ["<t:en:07:1>", "<t:en:07:1>", "<t:en:07:2>"]
    other = Inspected("x", Path(), None, "t", sentences(3, 2))
    assert [views.gloss(other, f"t:de:07:{n}") for n in range(3)] == ["<t:en:07:1>", "", ""]


def test_no_run_is_told(tmp_path: Path) -> None:
    found = open_inspected(tmp_path / "none")
    assert found.strategies == []
    assert "`hybridkit run quick`" in found.missing[0]


def test_a_run_without_rank_tables_is_told(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    shutil.rmtree(folder / "ranks")
    found = open_inspected(folder)
    assert (found.strategies, len(found.benchmark.queries)) == ([], 36)
    assert "no rank tables" in found.missing[0]
    assert "`hybridkit run mine`" in found.missing[0]
    (folder / INDEX).unlink()
    assert "`hybridkit run mine`" in open_inspected(folder).missing[0]


def test_one_strategy_is_told(tmp_path: Path) -> None:
    found = open_inspected(made_run(tmp_path / "mine", ("mono",)))
    assert (found.strategies, found.compare) == (["mono"], ("mono",))
    assert "one strategy only, mono" in found.missing[0]


def test_deleted_models_and_embeddings_are_told_with_a_command_that_there_is(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    (folder / "models" / "m").rmdir()
    (folder / "embeddings" / "h-passage.npy").unlink()
    found = open_inspected(folder)
    told = "\n".join(found.missing)
    assert "The model of mono (seed 0)" in told
    assert f"No embeddings of {HYBRID} (seed 0)" in told
    (command,) = set(re.findall("`(.*?)`", told))
    assert main.parser().parse_args(command.split()[1:]).complete
    with pytest.raises(InputError, match="deleted"):
        Search(found).load("mono")
    ranking = views.ranking(found, "de", "r01", "*", HYBRID)  # what the rank table knows
    assert ranking["passage_id"].tolist() == ["toy:de:r01", "toy:en:r01", "toy:ar:r01"]
    assert ranking["rank"].tolist() == [1, 2, 3]


def test_a_benchmark_whose_texts_are_nowhere_still_has_its_ranks(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    (folder / "toy.jsonl").unlink()
    found = open_inspected(folder)
    assert "texts" in found.missing[0]
    assert cell(views.pair_matrix(found, "mono", "rank_distance"), "de", "ar") == 35
    assert views.pair_queries(found, ("de", "ar"), "mono")["text"].tolist() == [""] * 12
    assert views.ranking(found, "de", "r01", "*", "mono")["language"].tolist() == ["de", "en", "ar"]


def test_a_benchmark_that_the_study_has_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="other"):
        open_inspected(made_run(tmp_path / "mine"), "other")


@pytest.mark.parametrize("place", ["/etc", "../other", "a/../../b"])
def test_an_index_leads_nowhere_else(tmp_path: Path, place: str) -> None:
    folder = made_run(tmp_path / "mine")
    index = json.loads((folder / INDEX).read_text())
    index["results"][0]["ranks"] = place
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError, match="leads out"):
        read_index(folder)


def test_a_search_finds_what_the_model_ranks_first(tmp_path: Path) -> None:
    import numpy as np

    folder = made_run(tmp_path / "mine", ("mono",))
    run = open_inspected(folder)
    model = encoder.make([*run.benchmark.passages["text"], *run.benchmark.queries["text"]], 200, 64)
    encoder.save(model, folder / "models" / "m")
    texts = run.benchmark.passages["text"].tolist()
    np.save(folder / "embeddings" / "m-passage.npy", model.encode(texts))
    found, seconds = Search(run).find("  sie ist r07 ", "mono", top=2)
    assert found["passage_id"].iloc[0] == "toy:de:r07"
    assert found["score"].iloc[0] == pytest.approx(1, abs=1e-5)
    assert 0 < seconds < 5
    only, _ = Search(run).find("sie ist r07", "mono", "ar", top=40)
    assert set(only["language"]) == {"ar"}
    assert len(only) == 12
    with pytest.raises(InputError, match="empty"):
        Search(run).find(" \n", "mono")


def test_rank_tables_of_other_texts_are_left_out_and_told(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    toy = folder / "toy.jsonl"
    toy.write_text(toy.read_text().replace("r03", "r99"))
    found = open_inspected(folder)
    assert found.strategies == [] and "has other texts than when its rank tables were made" in found.missing[0]
