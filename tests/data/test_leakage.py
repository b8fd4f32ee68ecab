"""Training rows that a benchmark holds: exact, nearly, by id; templates and short texts are none."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.cli import commands as main
from hybridkit.data.collection import Collection
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.leakage import find_leaks, targets_of
from hybridkit.data.rows import Row
from hybridkit.data.sources.open_rows import open_corpus
from hybridkit.errors import InputError
from hybridkit.study.run import Run
from hybridkit.study.settings import Study
from hybridkit.study.training_rows import check_file, refuse_leaks, refuse_own_files, summary, without_leaks
from hybridkit.utils import yaml_files

PARAGRAPH = (
    "The Normans were the people who in the tenth and eleventh centuries gave their name to Normandy, a region in "
    "France. They were descended from Norse raiders and pirates from Denmark, Iceland and Norway who, under their "
    "leader Rollo, agreed to swear fealty to King Charles the Third of West Francia."
)


def targets(*lines: tuple[str, str, str, str]) -> pd.DataFrame:
    columns = ["benchmark", "side", "language", "id", "text"]
    return pd.DataFrame([("toy", *line) for line in lines], columns=columns)


def corpus_of(*rows: tuple[dict[str, str], dict[str, str]], ids: tuple[str, ...] = ()) -> ParallelCorpus:
    names = ids or tuple(str(number) for number in range(len(rows)))
    return ParallelCorpus.from_rows([Row(name, name, name, *row, {}) for name, row in zip(names, rows, strict=True)])


def told(found: pd.DataFrame) -> list[list[object]]:
    return found[["row", "side", "training_language", "benchmark_language", "kind"]].to_numpy(object).tolist()


def test_exact_normalised_and_other_languages_are_found() -> None:
    corpus = corpus_of(
        ({"en": "Who  was ＴＥＳＬＡ?", "de": "Wer war er?"}, {"en": "An inventor."}),
        ({"de": "Apollo 11"}, {"de": "Eine Mondlandung."}),
        ({"en": "What is new?"}, {"en": "Nothing."}),
    )
    there = targets(
        ("query", "en", "q1", "Who was Tesla?"),
        ("query", "vi", "q2", "Apollo 11"),
        ("passage", "en", "p1", "What is new?"),
    )
    found = find_leaks(corpus, there)
    # the third row's query is a passage there, which is another thing
    assert told(found) == [[0, "query", "en", "en", "exact"], [1, "query", "de", "vi", "exact"]]
    assert found["benchmark_id"].tolist() == ["q1", "q2"] and found["similarity"].tolist() == [1.0, 1.0]
    assert found["match"].tolist() == ["Who was Tesla?", "Apollo 11"]


def test_a_row_that_hits_in_one_language_is_dropped_in_all() -> None:
    corpus = corpus_of(({"en": "Who was Tesla?", "de": "Wer?"}, {"de": "Er."}), ({"en": "How?"}, {"en": "So."}))
    found = find_leaks(corpus, targets(("query", "en", "q1", "who was tesla?")))
    kept = without_leaks(corpus, pd.Series([True, True]).to_numpy(), found)
    assert kept.tolist() == [False, True]
    refuse_leaks(corpus.select(kept), found, "study toy")
    with pytest.raises(InputError, match="study toy: row '0' is trained on, and toy has its query"):
        refuse_leaks(corpus, found, "study toy")


def test_near_paragraphs_are_found_with_the_share_of_their_letters_under_any_language() -> None:
    changed = PARAGRAPH.replace("swear fealty to", "swear allegiance to")
    found = find_leaks(corpus_of(({"en": "Who?"}, {"en": changed})), targets(("passage", "en", "p", PARAGRAPH)))
    assert told(found) == [[0, "passage", "en", "en", "near"]]
    # but for "fealty" and up to five letters on either side all letters of the shorter text, 207 of them, are in runs
    assert 1 - (6 + 10) / 207 <= found["similarity"].item() < 1
    found = find_leaks(corpus_of(({"en": "Who?"}, {"en": changed})), targets(("passage", "de", "p", PARAGRAPH)))
    assert told(found) == [[0, "passage", "en", "de", "near"]]  # a wrong tag hides nothing


def test_hard_negatives_are_held_against_passages() -> None:
    corpus = ParallelCorpus.from_rows([Row("1", "1", "1", {"en": "Who?"}, {"en": "He."}, {"en": "Its text."})])
    found = find_leaks(corpus, targets(("passage", "en", "p", "its  text.")))
    assert told(found) == [[0, "negative", "en", "en", "exact"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of the territory Chad?", "What is the capital of the territory Mali?"),
        ("Wie heißen die Scheine des Gebiets „Irland“?", "Wie heißen die Scheine des Gebiets „Island“?"),
        ("Im Jahr 2000 lebten im County 493 Menschen.", "Im Jahr 2000 lebten im County 7422 Menschen."),
        ("哪种语言在阿曼地区是官方的？", "哪种语言在安曼地区是官方的？"),
        ("Why?", "Who?"),
        ("1", "2"),
    ],
)
def test_short_texts_that_differ_in_a_word_are_no_hits(one: str, other: str) -> None:
    assert find_leaks(corpus_of(({"en": one}, {"en": "x"})), targets(("query", "en", "q", other))).empty


TEMPLATES = {
    "en": ("Which standard time applies in the territory of {}, by law?", ["Chad", "Mali", "Peru", "Oman", "Malawi"]),
    "th": ("ภาษา{}มีถิ่นกำเนิดในประเทศหรือดินแดนใดในโลก", ["ไอริช", "มอลตา", "เช็ก", "ฟินแลนด์", "ลาว"]),
    "zh": ("哪种语言在“{}”这个国家或地区具有官方地位？", ["阿曼", "安曼", "马里", "索马里", "秘鲁"]),
}


@pytest.mark.parametrize("tag", TEMPLATES)
def test_texts_of_a_template_that_the_benchmark_is_made_from_are_no_hits(tag: str) -> None:
    text, names = TEMPLATES[tag]
    there = targets(*(("query", tag, name, text.format(name)) for name in names[1:]))
    corpus = corpus_of(({tag: text.format(names[0])}, {tag: "x"}), ({tag: text.format(names[1]) + "!"}, {tag: "x"}))
    assert told(find_leaks(corpus, there)) == [[1, "query", tag, tag, "near"]]
    # of a single text nobody can say that it is made from a template
    assert told(find_leaks(corpus, there.iloc[:1]))[0] == [0, "query", tag, tag, "near"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who was “Tesla”?", "Who was Tesla"),
        ("What is a database?", "What is a data base ?"),
        ("阿比让这个地方属于哪个国家或地区？", "阿比让这个地方，属于哪个国家或地区"),
    ],
)
def test_marks_and_joining_make_no_other_question(one: str, other: str) -> None:
    found = find_leaks(corpus_of(({"en": one}, {"en": "x"})), targets(("query", "en", "q", other)))
    assert found[["kind", "similarity"]].to_numpy(object).tolist() == [["near", 1.0]]


def test_long_templates_with_other_numbers_are_no_hits() -> None:
    text = "Of the people {} percent were under 18, {} percent from 18 to 24, and {} percent were 65 or older. " * 3
    one, other = text.format(*range(101, 110)), text.format(*range(201, 210))
    there = targets(("passage", "en", "p", other))
    assert find_leaks(corpus_of(({"en": "x"}, {"en": one})), there).empty
    assert len(find_leaks(corpus_of(({"en": "x"}, {"en": other.replace("people", "persons")})), there)) == 1


# a question of 40 letters or more in four scripts: itself, a word added, removed, replaced, a typo
EDITS = {
    "en": [
        "How many points did the Panthers defense surrender in the season?",
        "How many points did the strong Panthers defense surrender in the season?",
        "How many points did the Panthers surrender in the season?",
        "How many points did the Panthers squad surrender in the season?",
        "How many points did the Panthers defnese surrender in the season?",
    ],
    "hi": [
        "पैंथर्स की रक्षा ने पूरे मौसम में कितने अंक दूसरी टीमों को दिए?",
        "पैंथर्स की मजबूत रक्षा ने पूरे मौसम में कितने अंक दूसरी टीमों को दिए?",
        "पैंथर्स की रक्षा ने मौसम में कितने अंक दूसरी टीमों को दिए?",
        "पैंथर्स की रक्षा ने पूरे मौसम में कितने गोल दूसरी टीमों को दिए?",
        "पैंथर्स की रकषा ने पूरे मौसम में कितने अंक दूसरी टीमों को दिए?",
    ],
    "th": [
        "ฝ่ายรับของแพนเทอร์สเสียแต้มไปทั้งหมดกี่แต้มในฤดูกาลนั้น",
        "ฝ่ายรับของทีมแพนเทอร์สเสียแต้มไปทั้งหมดกี่แต้มในฤดูกาลนั้น",
        "ฝ่ายรับของแพนเทอร์สเสียแต้มไปกี่แต้มในฤดูกาลนั้น",
        "ฝ่ายรับของแพนเทอร์สเสียแต้มไปทั้งหมดกี่คะแนนในฤดูกาลนั้น",
        "ฝ่ายรับของแพนเทอรส์เสียแต้มไปทั้งหมดกี่แต้มในฤดูกาลนั้น",
    ],
    "zh": [
        "黑豹队的防守在整个赛季里一共丢掉了多少分？",
        "黑豹队的强大防守在整个赛季里一共丢掉了多少分？",
        "黑豹队的防守在赛季里一共丢掉了多少分？",
        "黑豹队的防守在整个赛季里一共失去了多少分？",
        "黑豹队的防守在整个赛季里一共丢掉了多小分？",
    ],
}
OTHER = "Nothing of this passage is anywhere in the benchmark, whatever one looks for, and that is all it has to say. "


@pytest.mark.parametrize("tag", EDITS)
@pytest.mark.parametrize("side", ["query", "passage"])
def test_small_edits_of_forty_letters_or_more_are_found_in_every_script(side: str, tag: str) -> None:
    there = targets((side, tag, "x", EDITS[tag][0]))
    texts = [{tag: text} for text in EDITS[tag]]
    corpus = corpus_of(*((text, {"en": OTHER}) if side == "query" else ({"en": "x"}, text) for text in texts))
    found = find_leaks(corpus, there)
    assert found["row"].tolist() == [0, 1, 2, 3, 4] and found["kind"].tolist() == ["exact", *["near"] * 4]
    assert found["similarity"].between(0.8, 1).all()
    # the same texts under another language
    other = corpus_of(*((text, {"en": OTHER}) if side == "query" else ({"en": "x"}, text) for text in texts))
    assert len(find_leaks(other, there.assign(language="fi"))) == 5


@pytest.mark.parametrize("tag", EDITS)
@pytest.mark.parametrize("times", [1, 40])
def test_a_sentence_of_a_benchmark_is_found_in_a_passage_of_any_length(tag: str, times: int) -> None:
    sentence = EDITS[tag][0]
    corpus = corpus_of(({"en": "x"}, {tag: OTHER * times + EDITS[tag][1] + OTHER[::-1] * times}))
    found = find_leaks(corpus, targets(("passage", tag, "p", sentence)))
    assert told(found) == [[0, "passage", tag, tag, "part"]]
    # and a training passage that is a sentence of a benchmark's paragraph
    paragraph = targets(("passage", tag, "p", OTHER * times + sentence + OTHER[::-1] * times))
    assert told(find_leaks(corpus_of(({"en": "x"}, {tag: EDITS[tag][1]})), paragraph))[0][-1] == "part"


def test_a_question_with_a_word_added_is_found_on_the_benchmarks_own_paragraph() -> None:
    sentences = [text.strip() + "." for text in PARAGRAPH.split(".") if text]
    there = targets(
        ("query", "en", "q", "Who was their leader?"), *(("passage", "en", text, text) for text in sentences)
    )
    corpus = corpus_of(({"en": "Who was then their leader?"}, {"en": PARAGRAPH}), ({"en": "Who?"}, {"en": OTHER}))
    found = find_leaks(corpus, there)
    assert set(found["row"]) == {0} and found["side"].eq("passage").all() and found["kind"].eq("part").all()


def test_a_short_question_counts_with_a_passage_that_is_a_little_like_its_own() -> None:
    there = targets(("query", "en", "q", "Who led them?"), ("passage", "en", "p", PARAGRAPH)).assign(group="a")
    half = PARAGRAPH[: len(PARAGRAPH) // 2] + " " + OTHER * 2
    rows = [({"en": "Who led them then?"}, {"en": half}), ({"en": "Where did it lie?"}, {"en": half})]
    rows.append(({"en": "Who led them then?"}, {"en": OTHER}))
    found = find_leaks(corpus_of(*rows), there)
    assert told(found) == [[0, "query", "en", "en", "pair"]] and found["benchmark_id"].tolist() == ["q"]


def test_ids_tell_the_same_question_whatever_stands_before_them() -> None:
    squad = "56beb4343aeaaa14008c925b"
    corpus = corpus_of(
        ({"de": "Wer?"}, {"de": "Er."}),
        ({"de": "Wo?"}, {"de": "Da."}),
        ({"de": "Wie?"}, {"de": "So."}),
        ids=(f"squad/{squad}", f"dev:{squad}", "17"),
    )
    found = find_leaks(corpus, targets(("query", "en", squad, "Who?"), ("query", "en", "17", "What?")))
    # each row is known by its id and by its passage_id; "17" is anybody's id
    assert found["kind"].eq("id").all() and sorted(set(found["row"])) == [0, 1]
    assert found["benchmark_id"].eq(squad).all() and set(found["side"]) == {"id", "passage_id"}


def test_the_same_rows_give_the_same_hits_in_the_same_order() -> None:
    texts = [f"{PARAGRAPH} And so on, {word}." for word in ("said he", "said she", "said we")]
    corpus = corpus_of(*(({"en": f"Who {n}?"}, {"en": text}) for n, text in enumerate(texts)))
    there = targets(*(("passage", "en", f"p{n}", text.upper() + "!") for n, text in enumerate(reversed(texts))))
    first, again = find_leaks(corpus, there), find_leaks(corpus, there)
    pd.testing.assert_frame_equal(first, again)
    assert first["row"].tolist() == [0, 1, 2] and first["similarity"].eq(1.0).all()


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), min_size=1, max_size=6)
)
def test_an_exact_copy_is_always_found(texts: list[str]) -> None:
    corpus = corpus_of(*(({"en": text}, {"en": "x"}) for text in texts))
    there = targets(*(("query", "th", str(n), f" {text} ") for n, text in enumerate(texts)))
    found = find_leaks(corpus, there)
    assert sorted(set(found["row"])) == list(range(len(texts))) and found["kind"].eq("exact").all()


@given(st.text("abcdefghij  ", min_size=120, max_size=400), st.integers(0, 110), st.sampled_from(["x", "xyz ", ""]))
def test_one_change_in_a_long_text_hides_no_copy(text: str, place: int, new: str) -> None:
    there = targets(("passage", "en", "p", text + " and so on"))
    corpus = corpus_of(({"en": "x"}, {"en": text[:place] + new + text[place + 1 :] + " and so on"}))
    assert find_leaks(corpus, there)["row"].tolist() == [0]


def test_empty_targets_and_texts_without_letters() -> None:
    corpus = corpus_of(({"en": "?"}, {"en": "…"}))
    assert find_leaks(corpus, targets_of([])).empty
    assert find_leaks(corpus, targets(("query", "en", "q", "!"))).empty
    assert told(find_leaks(corpus, targets(("query", "en", "q", " ? ")))) == [[0, "query", "en", "en", "exact"]]


def test_of_judged_sets_queries_and_relevant_passages_count() -> None:
    queries = pd.DataFrame({"query_id": ["1"], "text": ["Wer war Tesla?"]})
    judgements = pd.DataFrame({"query_id": "1", "passage_id": ["a", "b"], "relevance": [1, 0]})
    chunks = [(["a", "b"], ["Ein Erfinder.", "Ein Auto."]), (["c"], ["Ein Boot."])]
    judged = Collection("toy", "de", queries, judgements, lambda: iter(chunks), 3, "f00")
    found = targets_of([], [judged])
    assert found[["side", "id", "text"]].to_numpy().tolist() == [
        ["query", "1", "Wer war Tesla?"],
        ["passage", "a", "Ein Erfinder."],
    ]
    corpus = corpus_of(({"de": "Wo?"}, {"de": "ein  erfinder."}), ({"de": "Was?"}, {"de": "Ein Auto."}))
    assert told(find_leaks(corpus, found)) == [[0, "passage", "de", "de", "exact"]]


@pytest.fixture
def leaking(tmp_path: Path) -> Study:
    def row(name: str, text: str) -> str:
        english, german = f"Who is {text}?", f"Wer ist {text}?"
        passage = {"en": f"That is {text}.", "de": f"Das ist {text}."}
        return json.dumps({"id": name, "query": {"en": english, "de": german}, "passage": passage})

    asked = [f"asked {number}" for number in range(6)]
    (tmp_path / "asked.jsonl").write_text("\n".join(row(f"a{n}", text) for n, text in enumerate(asked)))
    (tmp_path / "rows.jsonl").write_text(
        "\n".join(row(f"r{n}", text) for n, text in enumerate([*(f"row {n}" for n in range(40)), "asked 3"]))
    )
    settings = {
        "name": "leaking",
        "title": "Leaking",
        "rows": {"files": [str(tmp_path / "rows.jsonl")]},
        "encoder": {"name": "static"},
        "strategies": ["mono", "cross"],
        "seeds": [0],
        "compare": ["cross", "mono"],
        "training": {"steps": 2, "batch_size": 4, "learning_rate": 0.1},
        "evaluation": {"benchmarks": [str(tmp_path / "asked.jsonl")]},
    }
    found: Study = yaml_files.build(Study, settings, "leaking.yaml")
    return found


def test_a_study_drops_what_hits_keeps_the_list_and_passes_its_check(leaking: Study, tmp_path: Path) -> None:
    run = Run(leaking, tmp_path / "run")
    run.check()
    assert len(run.rows.whole) == 41 and len(run.rows.usable) == 40 and "r40" not in set(run.rows.usable.ids)
    assert set(run.rows.leaks["id"]) == {"r40"} and set(run.rows.leaks["training_language"]) == {"de", "en"}
    assert run.rows.leaks["source"].eq("rows").all()
    assert summary(run.rows.leaks)["rows"].tolist() == [1, 1]  # by its queries and by its passages
    (kept,) = (tmp_path / "run" / "leaks").glob("*.parquet")  # beside it lies its checksum
    when = kept.stat().st_mtime_ns
    pd.testing.assert_frame_equal(Run(leaking, tmp_path / "run").rows.leaks, run.rows.leaks)
    assert kept.stat().st_mtime_ns == when
    each = replace(leaking, rows=replace(leaking.rows, use="each"))
    assert len(Run(each, tmp_path / "each").rows.usable) == 40


def test_rows_without_hits_are_the_rows_that_they_were(leaking: Study, tmp_path: Path) -> None:
    rows = Path(leaking.rows.files[0])
    rows.write_text("\n".join(rows.read_text().splitlines()[:40]))
    run = Run(replace(leaking, rows=replace(leaking.rows, use="each")), tmp_path / "run")
    assert run.rows.leaks.empty and run.rows.usable is run.rows.whole


def test_hits_tell_the_file_that_they_came_from(leaking: Study, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"id": "m", "query": {"en": "Who is new?"}, "passage": {"en": "She."}}))
    two = replace(leaking, rows=replace(leaking.rows, files=(*leaking.rows.files, str(more))))
    assert Run(two, tmp_path / "run").rows.leaks["source"].unique().tolist() == ["rows"]
    rows = Path(leaking.rows.files[0])
    rows.write_text("\n".join(rows.read_text().splitlines()[:40]))
    none = Run(two, tmp_path / "none").rows.leaks
    assert none.empty and "source" in none


def test_a_benchmarks_own_file_is_refused_under_any_name(leaking: Study, tmp_path: Path) -> None:
    copy = tmp_path / "copied.jsonl"
    copy.write_bytes((tmp_path / "asked.jsonl").read_bytes())
    own = replace(leaking, rows=replace(leaking.rows, files=(str(copy),)))
    with pytest.raises(InputError, match="study leaking: rows.files: .*copied.jsonl holds the questions of"):
        Run(own, tmp_path / "run").check()
    refuse_own_files(["atlas"], ["atlas"], "rows.files")  # its rows are one file, the benchmark another


def test_a_file_is_checked_by_command(leaking: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["data", "check", leaking.rows.files[0], "--against", str(tmp_path / "asked.jsonl")]) == 0
    told = capsys.readouterr().out
    assert "1 of 41 rows hit" in told and "Who is asked 3?" in told and "Who is asked 2?" not in told


def test_a_file_is_checked_without_a_study(leaking: Study, tmp_path: Path) -> None:
    found = check_file(leaking.rows.files[0], [str(tmp_path / "asked.jsonl")])
    assert set(found["id"]) == {"r40"} and set(found["kind"]) == {"exact"}


def test_atlas_has_no_hits_though_it_is_made_from_templates() -> None:
    assert check_file("atlas", ["atlas"]).empty


def test_two_queries_of_mlqa_test_stand_in_mlqa_r(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    found = check_file("mlqa-test", ["mlqa-r"])
    exact = found[found["kind"] == "exact"].sort_values("training_language")
    assert exact["side"].eq("query").all() and exact["training_language"].tolist() == ["ar", "hi"]
    # a sentence of one article that both parts of MLQA took questions from
    near = found[(found["kind"] == "near") & (found["side"] == "passage") & (found["similarity"] == 1)]
    assert near["match"].str[:54].tolist() == ["Die Platzierungen sind nach der Anzahl der gewonnenen "]
    assert found["row"].nunique() < 0.002 * 9677


def test_squad2_fi_en_has_texts_of_benchmarks_and_few_false_alarms(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    found = check_file("squad2-fi-en", ["xquad-r", "mlqa-r"])
    exact = found[(found["kind"] == "exact") & (found["side"] == "query")]
    assert exact["text"].nunique() == 3 and len(open_corpus(["squad2-fi-en"])) == 37854
    # XQuAD-R is made of SQuAD's other articles: what is not equal is a false alarm, less than 1 in 10,000 rows
    assert found.loc[(found["benchmark"] == "xquad-r") & (found["kind"] != "exact"), "row"].nunique() <= 3
    # the articles "Group theory" and "George VI" are in MLQA's development part too
    parts = found[(found["benchmark"] == "mlqa-r") & (found["kind"] == "part")]
    assert parts["text"].str.contains("group theory|Matrix groups|Festival of Britain").sum() >= 3
