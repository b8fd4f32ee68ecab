"""Code-switching: which words become what, that a text depends on its position alone, and what is refused."""

import pickle
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.data.sources.lexicons import Lexicons
from hybridkit.errors import InputError
from hybridkit.sampling import Strategy, common_rows, cross, english, hybrid, mixed, mono, parse
from hybridkit.sampling.codeswitch import codeswitch, switch_rates
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.sampling.word_switching import Entries, Switcher, is_spaced, split_words

ATLAS = Path(__file__).parents[2] / "data" / "atlas"
FILES = {
    "de": "money geld\nbank bank\nbank ufer\nshore ufer\nwhich welches\nnew neu",
    "es": "money dinero\nbank banco\nshore orilla",
    "th": "money เงิน\nbank ธนาคาร\nnew ใหม่",
    "zh": "money 钱\nbank 银行\nnew 新",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("lexicon")
    for tag, content in FILES.items():
        (path / f"en-{tag}.txt").write_text(content, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def atlas() -> ParallelCorpus:
    return ParallelCorpus.from_jsonl(ATLAS / "heldout.jsonl.xz")


def switched(text: str, tag: str, lexicons: Lexicons, position: int = 0, p: float = 1.0, *, pivot: bool = False) -> str:
    switcher = Switcher(lexicons, p, pivot=pivot)
    return switcher.switch([text], [tag], np.array([position]), "query")[0]


def seen(text: str, tag: str, lexicons: Lexicons, *, pivot: bool = False, bilingual: bool = False) -> set[str]:
    """All that a text becomes at p=1 at some of 200 positions."""
    switcher = Switcher(lexicons, 1.0, bilingual, pivot)
    return set(switcher.switch([text] * 200, [tag] * 200, np.arange(200), "query"))


# what a text becomes


def test_case_and_punctuation_stay_and_unknown_words_too(folder: str) -> None:
    german = Lexicons.open(folder, ["de"])
    assert (
        switched('Which "MONEY", which new-money (Xanadu)?', "en", german)
        == 'Welches "GELD", welches neu-geld (Xanadu)?'
    )
    assert switched(" money\tmoney's\nMoney! ", "en", german) == " geld\tmoney's\nGeld! "
    assert switched("A B", "en", german) == "A B"


def test_a_word_that_only_translates_to_itself_is_not_known(folder: str) -> None:
    german = Lexicons.open(folder, ["de"])
    assert seen("Bank", "en", german) == {"Ufer"}
    assert Switcher(german, 1.0).count(["bank money xanadu", ""], ["en", "en"], np.arange(2), "query").tolist() == [
        [3, 2, 2, 3, 2],
        [0, 0, 0, 0, 0],
    ]


def test_multilingual_draws_for_every_word_among_the_languages_that_know_it(folder: str) -> None:
    both = Lexicons.open(folder, ["de", "es"])
    assert seen("money new", "en", both) == {"geld neu", "dinero neu"}  # Spanish does not know "new"
    assert seen("money money", "en", both) == {
        f"{one} {other}" for one in ("geld", "dinero") for other in ("geld", "dinero")
    }


def test_bilingual_draws_one_language_for_all_texts_of_a_position(folder: str) -> None:
    both = Lexicons.open(folder, ["de", "es"])
    assert seen("money new shore", "en", both, bilingual=True) == {"geld neu ufer", "dinero new orilla"}
    switcher = Switcher(both, 1.0, bilingual=True)
    queries, passages = (
        switcher.switch(["money"] * 50, ["en"] * 50, np.arange(50), side) for side in ("query", "passage")
    )
    assert queries == passages
    assert len(set(queries)) == 2


def test_languages_and_translations_are_drawn_uniformly(folder: str) -> None:
    switcher = Switcher(Lexicons.open(folder), 0.5)
    found = switcher.switch(["bank"] * 12_000, ["en"] * 12_000, np.arange(12_000), "query")
    counts = {text: found.count(text) for text in set(found)}
    # half stay; the others are a quarter each: German (ufer, since "bank" would be the same), Spanish, Thai, Chinese
    assert set(counts) == {"bank", "ufer", "banco", "ธนาคาร", "银行"}
    assert abs(counts.pop("bank") - 6000) < 4 * 55  # four standard deviations
    assert all(abs(count - 1500) < 4 * 37 for count in counts.values())


def test_other_languages_are_switched_with_pivot_only(folder: str) -> None:
    both = Lexicons.open(folder, ["de", "es"])
    assert switched("Welches Geld?", "de", both) == "Welches Geld?"
    # geld is money, dinero by way of it; welches is which, which Spanish does not know
    assert seen("Welches Geld?", "de", both, pivot=True) == {"Which Money?", "Which Dinero?"}
    # ufer is bank or shore in English, and both are Spanish: banco, orilla
    assert seen("Ufer", "de", both, pivot=True) == {"Bank", "Shore", "Banco", "Orilla"}
    assert switched("argent", "fr", both, pivot=True) == "argent"


def test_languages_without_spaces_are_cut_at_entries_and_joined(folder: str) -> None:
    lexicons = Lexicons.open(folder, ["zh", "es"])
    assert seen("我的新银行有钱。", "zh", lexicons, pivot=True) >= {
        "我的 new bank 有 money。",
        "我的 new banco 有 dinero。",
    }
    chinese = Lexicons.open(folder, ["zh"])
    assert switched("New money, money", "en", chinese) == "新钱, 钱"
    assert switched("the money is new", "en", chinese) == "the 钱 is 新"
    thai = Lexicons.open(folder, ["th"])
    assert switched("ธนาคารใหม่", "th", thai, pivot=True) == "bank new"
    assert switched("มีเงินใหม่ที่ ธนาคาร", "th", thai, pivot=True) == "มี money new ที่ bank"
    assert switched("new bank", "en", thai) == "ใหม่ธนาคาร"
    two = Lexicons.open(folder, ["th", "zh"])
    assert seen("钱钱", "zh", two, pivot=True) == {"money money", "money เงิน", "เงิน money", "เงินเงิน"}
    assert {"新 ธนาคาร", "新银行"} < seen("new bank", "en", two)


def test_letters_keep_their_marks_and_words_of_another_script_stay_whole() -> None:
    assert split_words("हिन्दी में") == ["", "हिन्दी", " ", "में", ""]
    # เง is the start of เงิน: the tone marks and vowels of a letter are not torn from it
    assert Entries(["ง", "น"]).cut("เงินน") == ["เงิ", "น", "น"]
    assert Entries(["银行", "银", "e"]).cut("银行Sgt银e") == ["银行", "Sgt", "银", "e"]
    assert [is_spaced(tag) for tag in ("ko", "ja", "lo", "km", "my", "zh-Hant", "hi")] == [True] + [False] * 5 + [True]


@given(text=st.text(st.sampled_from("money bank,.'’ -é\u0301钱银行เงิน新ะ็hi")))
def test_splitting_loses_nothing_and_p_0_changes_nothing(folder: str, text: str) -> None:
    assert "".join(split_words(text)) == text
    lexicons = Lexicons.open(folder)
    for tag in ("en", "de", "zh", "th"):
        assert switched(text, tag, lexicons, p=0.0, pivot=True) == text
        words = split_words(text, Entries(["钱", "银行", "เงิน"]) if tag in ("zh", "th") else None)
        assert "".join(words) == text
        assert len(words) % 2 == 1


@given(words=st.lists(st.sampled_from(["money", "Bank", "SHORE", "which", "new", "xanadu", "one"]), max_size=8))
def test_p_1_switches_every_known_word_into_one_of_its_translations(folder: str, words: list[str]) -> None:
    lexicons = Lexicons.open(folder, ["de", "es"])
    out = switched(", ".join(words), "en", lexicons).split(", ") if words else []
    assert len(out) == len(words)
    for word, found in zip(words, out, strict=True):
        options = {*chain(*lexicons.translations(word, "en", ["de", "es"]).values())} - {word.lower()}
        assert found == word if not options else found.lower() in options
        assert (found.isupper(), found.istitle(), found.islower()) == (word.isupper(), word.istitle(), word.islower())


def test_a_larger_p_switches_what_a_smaller_one_did_and_more(folder: str) -> None:
    lexicons = Lexicons.open(folder, ["de"])
    kept = [[switched("money new", "en", lexicons, n, p) for n in range(100)] for p in (0.2, 0.5, 0.9)]
    for fewer, more in pairwise(kept):
        for one, other in zip(fewer, more, strict=True):
            assert all(a == b or b in ("geld", "neu") for a, b in zip(one.split(), other.split(), strict=True))


# plans


def corpus_of(count: int, tags: Sequence[str] = ("de", "en"), negatives: bool = False) -> ParallelCorpus:
    texts = {"en": "money on the bank", "de": "Geld auf der Bank", "zh": "银行的钱"}

    def side(name: str, number: int) -> dict[str, str]:
        return {tag: f"{texts[tag]} {name}{number}" for tag in tags}

    return ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", side("q", n), side("p", n), side("n", n) if negatives and n % 2 else {})
        for n in range(count)
    )


def test_the_plan_has_the_draws_of_the_base_and_knows_the_lexicon(folder: str, tmp_path: Path) -> None:
    corpus = corpus_of(12)
    for base in (mono(), cross(), mixed(), hybrid(alpha=0.5), english()):
        wrapped = codeswitch(base, p=0.5, lexicon=folder)
        plan, plain = wrapped.plan(corpus, 8, 4, 3), base.plan(corpus, 8, 4, 3)
        assert np.array_equal(plan.draws, plain.draws)
        assert plan.kinds.tolist() == plain.kinds.tolist()
        assert plan.strategy == str(wrapped)
        assert plan.lexicon == Lexicons.open(folder, ["de"]).fingerprint
        assert plan.fingerprint != plain.fingerprint
        assert wrapped.shares == base.shares
        assert common_rows(corpus, [wrapped, base]).all()
        plan.write(tmp_path / "plan.parquet")
        again = BatchPlan.read(tmp_path / "plan.parquet")
        assert again.fingerprint == plan.fingerprint
        assert PlanTexts(again, corpus)(np.arange(32)) == PlanTexts(plan, corpus)(np.arange(32))


@pytest.mark.parametrize(
    ("side", "changed"),
    [("query", {"query"}), ("passage", {"passage", "negative"}), ("both", {"query", "passage", "negative"})],
)  # # noqa: E501
def test_only_the_side_asked_for_is_switched(folder: str, side: str, changed: set[str]) -> None:
    corpus = corpus_of(12, negatives=True)
    strategy = codeswitch(hybrid(), p=1, side=side, lexicon=folder)
    plan = strategy.plan(corpus, 10, 4, 0)
    after = PlanTexts(plan, corpus, negatives=True)(np.arange(40))
    before = PlanTexts(hybrid().plan(corpus, 10, 4, 0), corpus, negatives=True)(np.arange(40))
    assert set(after) == {"query", "passage", "negative"}
    for name, texts in before.items():
        for old, new in zip(texts, after[name], strict=True):
            expected = old.replace("money", "geld").replace("the bank", "the ufer") if name in changed else old
            assert new == expected  # German texts stay: pivot is off; a draw without a negative has ""
    assert "" in after["negative"]
    twins = PlanTexts(plan, corpus, twins=True)(np.arange(40))["twin"]  # those of the base, never switched
    assert twins == PlanTexts(hybrid().plan(corpus, 10, 4, 0), corpus, twins=True)(np.arange(40))["twin"]
    assert any("money" in text for text in twins)
    teacher = PlanTexts(plan, corpus, teacher="en").teacher  # its texts are not switched either
    assert teacher is not None
    own = [text for _, texts in teacher.chunks(corpus, 100) for text in texts]
    assert set(own) <= {*corpus.query_table("en")[1], *corpus.passage_table("en")[1]} and "money" in " ".join(own)
    assert set(PlanTexts(plan, corpus)(np.arange(4))) == {"query", "passage"}
    assert set(PlanTexts(plan, corpus)(np.arange(0))) == {"query", "passage"}


@given(
    seed=st.integers(0, 5),
    mode=st.sampled_from(["multilingual", "bilingual"]),
    pivot=st.booleans(),
    order=st.permutations(range(24)),
    cut=st.integers(1, 23),
)
def test_a_text_depends_on_the_plan_and_its_position_only(
    folder: str, seed: int, mode: str, pivot: bool, order: list[int], cut: int
) -> None:
    corpus = corpus_of(10, ("de", "en", "zh"))
    plan = codeswitch(hybrid(), side="both", mode=mode, lexicon=folder, pivot=pivot).plan(corpus, 6, 4, seed)
    whole = PlanTexts(plan, corpus)(np.arange(24))
    worker = pickle.loads(pickle.dumps(PlanTexts(plan, corpus)))  # as a spawned worker of a loader gets it
    parts = [PlanTexts(plan, corpus)(np.array(order[:cut])), worker(np.array(order[cut:]))]
    for side, texts in whole.items():
        assert parts[0][side] + parts[1][side] == [texts[position] for position in order]
    base = hybrid(draw="independent")  # whose plans begin with the shorter ones
    short, longer = (
        codeswitch(base, side="both", mode=mode, lexicon=folder, pivot=pivot).plan(corpus, steps, 4, seed)
        for steps in (6, 9)
    )
    assert PlanTexts(longer, corpus)(np.arange(24)) == PlanTexts(short, corpus)(np.arange(24))


def test_seeds_sides_and_positions_are_switched_differently(folder: str) -> None:
    lexicons = Lexicons.open(folder)
    text = "money bank new " * 40
    found = {
        Switcher(lexicons, 0.5, seed=seed).switch([text], ["en"], np.array([position]), side)[0]
        for seed in (0, 1)
        for position in (0, 1, 2**33)
        for side in ("query", "passage")
    }
    assert len(found) == 12


def test_positions_outside_the_plan_are_refused(folder: str) -> None:
    corpus = corpus_of(12)
    texts = PlanTexts(hybrid().plan(corpus, 3, 4, 0), corpus)
    for wrong in (-1, 12):
        with pytest.raises(InputError, match="the plan has 0 to 11"):
            texts(np.array([wrong]))
    with pytest.raises(InputError, match="another corpus"):
        PlanTexts(hybrid().plan(corpus, 3, 4, 0), corpus_of(11))


def test_a_changed_lexicon_is_refused(tmp_path: Path) -> None:
    corpus = corpus_of(12)
    (tmp_path / "en-de.txt").write_text("money geld")
    plan = codeswitch(hybrid(), lexicon=str(tmp_path)).plan(corpus, 3, 4, 0)
    PlanTexts(plan, corpus)
    (tmp_path / "en-de.txt").write_text("money kohle")
    codeswitch(hybrid(), lexicon=str(tmp_path)).plan(corpus, 3, 4, 0)  # a new plan may be made
    with pytest.raises(InputError, match="is not the one the plan was made with"):
        PlanTexts(
            BatchPlan(plan.draws, plan.kinds, plan.languages, plan.strategy, 1, plan.corpus, plan.lexicon), corpus
        )


# rates


def test_rates_by_hand(folder: str) -> None:
    corpus = corpus_of(12)  # "money on the bank q3": 5 words, of which German knows 2
    plan = codeswitch(mixed(), p=1, side="both", lexicon=folder).plan(corpus, 20, 6, 0)
    rates = switch_rates(plan, corpus)
    assert [*rates] == ["side", "language", "texts", "tokens", "known", "switched", "content", "content_switched"]
    assert rates[["side", "language"]].to_numpy().tolist() == [
        [s, t] for s in ("query", "passage") for t in ("de", "en")
    ]
    for _, line in rates.iterrows():
        drawn = int((plan.draws[..., 1 if line["side"] == "query" else 2] == corpus.column(line["language"])).sum())
        assert (line["texts"], line["tokens"]) == (drawn, 5 * drawn)
        english = line["language"] == "en"
        assert line["known"] == line["switched"] == (0.4 if english else 0)
        # "on" and "the" are stop words: of three others two are known; other languages have no list
        assert line["content"] == (3 * drawn if english else 0)
        assert line["content_switched"] == pytest.approx(2 / 3 if english else np.nan, nan_ok=True)
    half = switch_rates(codeswitch(mixed(), p=0.5, lexicon=folder).plan(corpus, 100, 6, 0), corpus).set_index(
        "language"
    )
    assert half.loc["en", "switched"] == pytest.approx(0.2, abs=0.04)
    assert switch_rates(plan, corpus, draws=10).groupby("side")["texts"].sum().tolist() == [10, 10]
    with pytest.raises(InputError, match="mixed switches no texts"):
        switch_rates(mixed().plan(corpus, 2, 4, 0), corpus)


def test_atlas_has_a_useful_rate_with_its_own_lexicon(atlas: ParallelCorpus) -> None:
    plan = codeswitch(hybrid(), p=0.5, side="both", lexicon="atlas").plan(atlas, 40, 32, 0)
    rates = switch_rates(plan, atlas).set_index("language")
    assert (rates.loc["en", "switched"] > 0.3).all()
    assert (rates.drop("en")["switched"] == 0).all()
    pivoted = switch_rates(codeswitch(hybrid(), lexicon="atlas", pivot=True).plan(atlas, 40, 32, 0), atlas)
    assert (pivoted["switched"] > 0.05).all()
    assert len(pivoted) == 11


@pytest.mark.parametrize(
    ("options", "tags", "message"),
    [
        ({}, ("de", "zh"), "no query of the plan is in English, and other languages are switched with pivot=True only"),
        ({"side": "passage", "languages": ["th"], "p": 1e-12}, ("en",), "p is too small for the"),
    ],
)
def test_a_rate_of_0_is_an_error_that_says_why(
    folder: str, options: dict[str, object], tags: tuple[str, ...], message: str
) -> None:
    strategy = codeswitch(mixed(), lexicon=folder, **options)
    with pytest.raises(InputError, match="nothing would be switched") as error:
        strategy.plan(corpus_of(9, tags), 5, 4, 0)
    assert message in str(error.value)


def test_a_lexicon_that_knows_no_word_is_an_error_and_p_0_is_the_base(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text("xanadu xanadu\nwhale wal")
    corpus = corpus_of(12)
    with pytest.raises(InputError, match=r"has no word of the \d+ query texts"):
        codeswitch(mixed(), lexicon=str(tmp_path)).plan(corpus, 5, 4, 0)
    plan = codeswitch(mixed(), p=0, lexicon=str(tmp_path)).plan(corpus, 5, 4, 0)
    plain = PlanTexts(mixed().plan(corpus, 5, 4, 0), corpus)
    assert PlanTexts(plan, corpus)(np.arange(20)) == plain(np.arange(20))


# values


def test_languages_that_take_part(folder: str) -> None:
    with pytest.raises(InputError, match=r"no file en-fi\.txt"):
        codeswitch(mixed(), lexicon=folder).lexicons(["de", "en", "fi"])
    shared = codeswitch(mixed(), lexicon=folder, languages="shared")
    assert shared.lexicons(["de", "en", "fi", "zh"]).languages == ("de", "zh")
    with pytest.raises(InputError, match=r"no language that the lexicon has; name those .* among de, es, th, zh"):
        shared.lexicons(["en", "fi"])
    with pytest.raises(InputError, match=r"beside English the corpus \(en\) has no language; name"):
        codeswitch(mixed(), lexicon=folder).lexicons(["en"])
    assert codeswitch(mixed(), lexicon=folder, languages=["th", "en"]).lexicons(["en"]).languages == ("th",)


bases = st.sampled_from([mono(), cross(), hybrid(alpha=0.25), english(), mono(by="size", power=0.7)])


@given(
    base=bases,
    p=st.floats(0, 1),
    side=st.sampled_from(["query", "passage", "both"]),
    mode=st.sampled_from(["multilingual", "bilingual"]),
    lexicon=st.sampled_from(["muse", "atlas", "my folder/it's"]),
    pivot=st.booleans(),
    languages=st.sampled_from(["all", "shared", ["de"], ["zh", "es"]]),
)
def test_a_strategy_prints_and_parses_back(base: Strategy, **options: object) -> None:
    strategy = codeswitch(base, **options)
    assert parse(str(strategy)) == strategy
    assert hash(parse(str(strategy))) == hash(strategy)


def test_it_prints_what_differs_from_the_defaults() -> None:
    assert str(codeswitch(hybrid(alpha=0.5))) == "codeswitch(hybrid(alpha=0.5), p=0.5)"
    full = (
        "codeswitch(mono, p=0.25, side='both', mode='bilingual', lexicon='atlas', pivot=True, languages=['de', 'es'])"
    )
    assert str(parse(full)) == full


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "codeswitch(mono, p=1.5)",
            "p, the probability that a word is switched, must be a number from 0 to 1 (got 1.5)",
        ),
        ("codeswitch(mono, p=True)", "(got True)"),
        ("codeswitch(mono, p='0.5')", "(got '0.5')"),
        ("codeswitch(mono, side='queries')", "side must be 'query' or 'passage' or 'both' (got 'queries')"),
        ("codeswitch(mono, mode='mixed')", "'multilingual' or 'bilingual'"),
        ("codeswitch(mono, mode=['bilingual'])", "'multilingual' or 'bilingual'"),
        ("codeswitch(mono, pivot=1)", "pivot must be True or False (got 1)"),
        ("codeswitch(mono, lexicon=3)", "lexicon=3"),
        ("codeswitch(mono, languages='de')", "languages='de'"),
        ("codeswitch(mono, languages=['en'])", "languages=['en']"),
        ("codeswitch(mono, languages=[1])", "languages=[1]"),
        ("codeswitch(codeswitch(mono))", "give one other strategy first"),
        ("codeswitch(mono, q=1)", "q=1 is not for codeswitch"),
        ("codeswitch", "codeswitch"),
    ],
)
def test_what_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert message in str(error.value)


def test_muse_switches_real_queries(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    corpus = ParallelCorpus.from_jsonl(real_data / "train" / "xnli-entailment.jsonl")
    with pytest.raises(InputError, match=r"no file en-fr\.txt"):  # the corpus has French
        codeswitch(mixed()).plan(corpus, 20, 32, 0)
    plan = codeswitch(mixed(), side="both", languages="shared").plan(corpus, 100, 32, 0)
    rates = switch_rates(plan, corpus).set_index("language")["switched"]
    assert (rates["en"] > 0.3).all()
    assert (rates["fr"] == 0).all()
