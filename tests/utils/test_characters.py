"""Characters that are not seen: a word is a word with them, a model reads them, and no page hides by them."""

import json
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.cli import main
from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection, pooled
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.leakage import find_leaks, targets_of
from hybridkit.data.rows import Row, normalise
from hybridkit.data.sources.lexicons import Lexicons
from hybridkit.data.text_overlap import Letters
from hybridkit.evaluation.measures import macro, per_query, scores
from hybridkit.evaluation.rank_table import rank_table_from_scores
from hybridkit.retrieval.bm25 import bm25, tokens
from hybridkit.retrieval.mining import Mining, mine_negatives
from hybridkit.retrieval.runs import fuse, fusion
from hybridkit.retrieval.search import bm25_search, search_vectors
from hybridkit.sampling import mono
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.sampling.word_switching import Entries, Switcher, split_words
from hybridkit.utils.characters import IGNORABLE, escaped, safe, shown, visible
from tests.made_tables import ids_of

# soft hyphen, combining grapheme joiner, word joiner, ZWSP, byte order mark, marks and controls of direction, variation
# selectors, a tag, ZWNJ and ZWJ between Latin letters
HIDDEN = [
    "\u00ad",
    "\u034f",
    "\u2060",
    "\u200b",
    "\ufeff",
    "\u200e",
    "\u200f",
    "\u061c",
    "\u202b",
    "\u202e",
    "\u2066",
    "\u2069",
    "\ufe0f",
    "\U000e0101",
    "\U000e0041",
    "\u200c",
    "\u200d",
    "\u180e",
]
# Persian plural and prefix (ZWNJ), Hindi half form (ZWJ) and its opposite (ZWNJ), Bengali ya-phalaa, Sinhala, a final
# consonant of Malayalam, emoji sequences
MEANT = [
    "کتاب\u200cها",
    "می\u200cخواهم",
    "क्\u200dष",
    "क्\u200cष",
    "র\u200d্য",
    "ශ්\u200dරී",
    "അവന്\u200d",
    "👩\u200d💻",
    "❤\u200d🔥",
]


def spread(word: str, hidden: str) -> str:
    return hidden.join(word)


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: f"{ord(one):04X}")
def test_a_word_is_a_word(hidden: str) -> None:
    assert visible(spread("Reise", hidden)) == "Reise"
    assert tokens(f"eine {spread('Reise', hidden)}!", "de") == tokens("eine Reise!", "de") == ["ein", "reis"]
    assert tokens(spread("銀行で", hidden), "ja") == tokens("銀行で", "ja")
    assert normalise(f"Eine {spread('REISE', hidden)}") == normalise("eine  reise")
    assert len(set(Letters.of([normalise(f"«{spread('Reise', hidden)}»"), "reise"]).whole())) == 1
    pieces = split_words(f"eine {spread('Reise', hidden)}, bitte")
    assert [visible(word) for word in pieces[1::2]] == ["eine", "Reise", "bitte"]
    assert "".join(pieces) == f"eine {spread('Reise', hidden)}, bitte"


@pytest.mark.parametrize("word", MEANT, ids=ascii)
def test_joiners_that_say_something_stay(word: str) -> None:
    assert visible(word) == visible(visible(word)) == word
    plain = word.replace("\u200c", "").replace("\u200d", "")
    assert normalise(word) != normalise(plain)
    if unicodedata.category(word[0]) != "So":
        assert split_words(f"{word} x") == ["", word, " ", "x", ""] and tokens(word) != tokens(plain)


def test_joiners_that_say_nothing_go() -> None:
    assert visible("Auf\u200clage می\u200c . x\u200d") == "Auflage می . x"
    assert visible("می\u200c\u200cخواهم") == "می\u200cخواهم"  # typed twice


def test_zwsp_parts_words_where_that_is_what_it_is_for() -> None:
    thai, parted = "ฉันกินข้าว", "ฉัน\u200bกิน\u200bข้าว"
    assert tokens(parted, "th") == tokens(thai, "th") and normalise(parted) == normalise(thai)  # most write none
    entries = Entries(["นกิ", "กิน", "ข้าว"])
    assert split_words(parted, entries)[1::2] == ["ฉัน", "กิน", "ข้าว"]  # no entry goes across it
    assert split_words("mo\u200bney", None)[1::2] == ["mo\u200bney"]
    assert "".join(split_words(parted, entries)) == parted


@given(st.text(st.characters(codec="utf-8") | st.sampled_from([*HIDDEN, *"ab ัก का"]), max_size=30))
def test_visible_takes_out_the_ignorable_alone_and_once(text: str) -> None:
    found = visible(text)
    assert visible(found) == found
    assert not re.search(f"[{IGNORABLE}]", found)
    joiners = str.maketrans("", "", "\u200c\u200d")
    assert found.translate(joiners) == re.sub(f"[{IGNORABLE}]", "", text).translate(joiners)
    assert "".join(split_words(text)) == text
    assert "".join(Entries(["ab", "กา"]).cut(text)) == text
    assert all(re.search(r"\w", word) for word in split_words(text)[1::2])
    assert "" not in tokens(text)


def test_bm25_finds_a_word_with_a_soft_hyphen_in_it() -> None:
    rows = [
        Row("a", "a", "a", {"en": "hyphen\u00adation"}, {"en": "hyphenation rules"}, {}),
        Row("b", "b", "b", {"en": "rivers"}, {"en": "riv\u00aders and lakes"}, {}),
    ]
    benchmark = Benchmark.from_corpus(ParallelCorpus.from_rows(rows), "toy")
    table = macro(scores(per_query(rank_table_from_scores(benchmark, bm25(benchmark)))))
    assert table.loc[(table["setting"] == "mono") & (table["measure"] == "AP"), "value"].tolist() == [1.0]


def test_equal_texts_meet_in_no_batch_and_are_read_byte_for_byte() -> None:
    answers = ["the an\u00adswer", "the answer", "another", "a fourth one"]
    corpus = ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", {"en": f"question {n}"}, {"en": text}, {}) for n, text in enumerate(answers)
    )
    assert corpus.group.tolist() == [0, 0, 1, 2]
    plan = mono().plan(corpus, 20, 3, 0)
    assert not any({0, 1} <= set(batch[:, 0].tolist()) for batch in plan.draws)
    assert set(PlanTexts(plan, corpus)(np.arange(60))["passage"]) == set(answers)


def test_leaks_are_found_behind_hidden_characters() -> None:
    asked = "Which river flows through the capital of Austria and then on to Hungary?"
    hidden = asked.replace("capital", "cap\u00adital").replace("Which", "\ufeffWhich")
    near = hidden.replace("then on", "on")
    rows = [
        Row(f"r{n}", f"r{n}", f"r{n}", {"en": text}, {"en": f"passage {n}"}, {})
        for n, text in enumerate([hidden, near])
    ]
    held = Row("h", "h", "h", {"en": asked}, {"en": "The Danube."}, {})
    targets = targets_of([Benchmark.from_corpus(ParallelCorpus.from_rows([held]), "held")])
    found = find_leaks(ParallelCorpus.from_rows(rows), targets)
    assert found[["row", "kind"]].to_numpy().tolist() == [[0, "exact"], [1, "near"]]


def test_a_hidden_character_hides_no_word_from_a_lexicon(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text("money\tGeld\nbank\tBa\u00adnk\nhouse\tHaus\n", encoding="utf-8")
    (tmp_path / "en-zh.txt").write_text("bank\t银行\n", encoding="utf-8")
    lexicons = Lexicons.open(str(tmp_path))
    switcher = Switcher(Lexicons.open(str(tmp_path), ["de"]), p=1.0)
    texts = ["Mo\u00adney, HO\u200bUSE and\u2060bank of mon\u00adey"]
    assert switcher.switch(texts, ["en"], np.array([0]), "query") == ["Geld, HAUS and\u2060bank of Geld"]
    assert lexicons.translations("Ge\u00adld", "de", ["en"]) == {"en": ("money",)}
    back = Switcher(Lexicons.open(str(tmp_path), ["zh"]), p=1.0, pivot=True)
    assert back.switch(["我在银\u2060行。"], ["zh"], np.array([0]), "query") == ["我在 bank。"]


# punctuation, emoji, white space and what is not seen: not one of them has a token
WORDLESS = ["?!", "…", "👩\u200d💻 ❤\ufe0f", "\u200b\u2060", "— „“", "\u3000.", "\ufeff-"]


@pytest.mark.parametrize("passages", [["..."] * 2, ["word here", "?"]], ids=["no passage has a token", "one has"])
@pytest.mark.filterwarnings("error")
def test_texts_without_a_token_score_0_in_every_lexical_system(
    passages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    assert all(tokens(text, tag) == [] for text in WORDLESS for tag in ("", "en", "th", "ko"))
    texts = [*passages, *WORDLESS]
    rows = [
        Row(f"r{n}", f"r{n}", f"r{n}", {"en": WORDLESS[n % 7]}, {"en": f"{text}{'.' * n}"}, {})
        for n, text in enumerate(texts)
    ]
    corpus = ParallelCorpus.from_rows(rows)
    benchmark = Benchmark.from_corpus(corpus, "toy")
    count = slice(0, len(benchmark.queries))
    assert not bm25(benchmark)(count).any()
    assert np.isfinite(fusion(bm25(benchmark), bm25(benchmark))(count)).all()
    assert scores(per_query(rank_table_from_scores(benchmark, bm25(benchmark))))["value"].notna().all()
    for language in ("passage", "any"):
        mined = mine_negatives(corpus, "bm25", Mining(language=language))  # type: ignore[arg-type]
        assert (mined.positions["negative"] < 0).all()

    asked = pd.DataFrame({"query_id": ["q", "r"], "text": ["?!", "word"]})
    right = pd.DataFrame({"query_id": ["q", "r"], "passage_id": ["0", "0"], "relevance": [1, 1]})

    def judged(tag: str) -> Collection:
        ids = [str(n) for n in range(len(texts))]
        return Collection("toy", tag, asked, right, lambda: iter([(ids, texts)]), len(ids), f"{passages} {tag}")

    for one in (judged("en"), pooled([judged("en"), judged("th")])[0]):
        vectors = np.eye(2, 4, dtype=np.float32), np.ones((one.size, 4), np.float32)
        dense, words = search_vectors(one, *vectors, ids_of(one)), bm25_search(one)
        assert words["query_id"].isin(["r", "en:r"]).all()
        assert len(words) == (0 if passages[0] == "..." else len(one.parts) or 1)
        for run in (words, fuse(dense, words), fuse(dense, words, "rrf")):
            assert np.isfinite(run["score"]).all()

    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "topics.set-en-dev.tsv").write_text("1\t?!\n2\tword\n")
    (folder / "qrels.set-en-dev.tsv").write_text("1 Q0 a 1\n2 Q0 a 1\n")
    lines = [{"docid": name, "title": "", "text": text} for name, text in zip("ab", passages, strict=True)]
    (folder / "docs-0.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["evaluate", "--benchmark", str(folder), "--system", "bm25"]) == 0
    assert "nan" not in capsys.readouterr().out


def test_texts_without_a_letter_are_near_nothing() -> None:
    columns = ["benchmark", "side", "language", "id", "text"]
    there = pd.DataFrame([("toy", "query", "en", text, text) for text in ("...", "abc")], columns=columns)
    rows = [Row(str(n), str(n), str(n), {"en": text}, {"en": "x"}, {}) for n, text in enumerate(("!!", "a b c!"))]
    found = find_leaks(ParallelCorpus.from_rows(rows), there)
    assert found[["row", "kind", "benchmark_id"]].to_numpy().tolist() == [[1, "near", "abc"]]


@pytest.mark.parametrize("control", [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))])
def test_controls_of_direction_are_signs_on_every_page(control: str) -> None:
    for told in (safe(f"a{control}b"), shown(f"a{control}b"), escaped(f"a{control}b")):
        assert told == f"a[U+{ord(control):04X}]b"
    assert escaped(f"<i>{control}") == f"&lt;i&gt;[U+{ord(control):04X}]"


def test_marks_of_direction_and_joiners_are_shown_as_they_are() -> None:
    for text in ("\u200fعام\u200e 2020", "می\u200cخواهم", "so\u00adft"):
        assert shown(text) == text
