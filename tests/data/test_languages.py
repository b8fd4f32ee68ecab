"""Languages: names, scripts and directions against values known by hand and against Babel's own text direction."""

from pathlib import Path

import pytest

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.languages import language, language_distance, tag_at_end
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.report.pages.pair_page import page_name, texts_name
from hybridkit.retrieval.bm25 import tokens
from hybridkit.sampling import BatchPlan, parse
from hybridkit.sampling.language_pairs import split_pair
from hybridkit.sampling.word_switching import is_spaced

XQUAD = {  # tag: name, script, family, branch, direction, endonym
    "ar": ("Arabic", "Arab", "Afro-Asiatic", "Semitic", "rtl", "العربية"),
    "de": ("German", "Latn", "Indo-European", "Germanic", "ltr", "Deutsch"),
    "el": ("Greek", "Grek", "Indo-European", "Greek", "ltr", "Ελληνικά"),
    "en": ("English", "Latn", "Indo-European", "Germanic", "ltr", "English"),
    "es": ("Spanish", "Latn", "Indo-European", "Romance", "ltr", "español"),
    "hi": ("Hindi", "Deva", "Indo-European", "Indo-Aryan", "ltr", "हिन्दी"),
    "ru": ("Russian", "Cyrl", "Indo-European", "Slavic", "ltr", "русский"),
    "th": ("Thai", "Thai", "Tai-Kadai", "Tai", "ltr", "ไทย"),
    "tr": ("Turkish", "Latn", "Turkic", "Oghuz", "ltr", "Türkçe"),
    "vi": ("Vietnamese", "Latn", "Austroasiatic", "Vietic", "ltr", "Tiếng Việt"),
    "zh": ("Chinese", "Hans", "Sino-Tibetan", "Sinitic", "ltr", "中文"),
}
_BENCHMARKS = "ar bn de el en es fa fi fr hi id it ja ko nl pl pt ru sv sw te th tr ur vi yo zh"


@pytest.mark.parametrize("tag", XQUAD)
def test_languages_of_xquad_r(tag: str) -> None:
    found = language(tag)
    assert (found.name, found.script, found.family, found.branch, found.direction, found.endonym) == XQUAD[tag]


@pytest.mark.parametrize("tag", _BENCHMARKS.split())
def test_every_benchmark_language_is_complete_and_agrees_with_cldr(tag: str) -> None:
    from babel import Locale

    found = language(tag)
    assert all((found.name, found.script, found.family, found.branch, found.endonym)) and len(found.script) == 4
    assert found.direction == Locale(tag).text_direction


def test_tags_with_script_or_region() -> None:
    assert language("zh-Hant").script == "Hant" and language("zh-TW").script == "Hant"
    assert language("pt-BR").name == "Portuguese (Brazil)"
    assert language("sr-Latn").script == "Latn" and language("sr").script == "Cyrl"


def test_a_language_outside_the_table_has_no_family() -> None:
    found = language("ace")
    assert (found.name, found.script, found.family, found.branch) == ("Acehnese", "Latn", "", "")


@pytest.mark.parametrize(
    ("tag", "cure"),
    [("DE", "'de'"), ("deu", "'de'"), ("de_DE", "'de-DE'"), ("iw", "'he'"), (" de", "'de'"), ("xx", "BCP 47")]
    + [(tag, "BCP 47") for tag in ("", "english", "und", "mul", "qaa", "de-", "d", "../de")]
    + [("de-Xxxx", "Xxxx"), ("de-XQ", "XQ")],
)
def test_a_tag_that_is_none_gets_an_error_with_the_cure(tag: str, cure: str) -> None:
    with pytest.raises(InputError) as caught:
        language(tag)
    assert repr(tag) in str(caught.value) and cure in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "name", "script", "direction"),
    [
        ("azb", "azb", "Arab", "rtl"),
        ("quy", "quy", "Latn", "ltr"),
        ("prs", "Dari", "Arab", "rtl"),
        ("be-tarask", "Belarusian (tarask)", "Cyrl", "ltr"),
        ("zh-Hant-TW", "Chinese (Traditional, Taiwan)", "Hant", "ltr"),
        ("en-x-foo", "English (x-foo)", "Latn", "ltr"),
        ("arb", "Arabic (arb)", "Arab", "rtl"),
        ("de-1996", "German (1996)", "Latn", "ltr"),
        ("sl-rozaj-biske", "Slovenian (rozaj-biske)", "Latn", "ltr"),
        ("en-u-ca-gregory", "English (u-ca-gregory)", "Latn", "ltr"),
        ("zsm", "Malay (zsm)", "Latn", "ltr"),
        ("tlh", "Klingon", "Zzzz", "ltr"),
    ],
)
def test_tags_of_bcp_47_that_cldr_does_not_list(tag: str, name: str, script: str, direction: str) -> None:
    found = language(tag)
    assert (found.name, found.script, found.direction) == (name, script, direction)
    assert tokens("Ein Wort", tag) and is_spaced(tag) == (script != "Hant")
    assert page_name((tag, "en")) == f"{tag}_en.html" and texts_name(tag) == f"texts-{tag}.js"
    assert split_pair(f"{tag}>de") == split_pair(f"{tag}-de") == (tag, "de")
    assert split_pair(f"fr-{tag}") == ("fr", tag) and tag_at_end(f"set-v1.0-{tag}") == tag


@pytest.mark.parametrize(
    ("tag", "cure"),
    [
        ("i-klingon", "'tlh'"),
        ("zh-yue", "'yue'"),
        ("zh-min-nan", "'nan'"),
        ("BE-TARASK", "'be-tarask'"),
        ("zh-hant-tw", "'zh-Hant-TW'"),
        ("sh", "'sr-Latn'"),
        ("EN-x-FOO", "'en-x-foo'"),
        ("x-foo", "BCP 47"),
    ],
)
def test_another_spelling_or_a_tag_of_old_is_told_the_one_that_is_used(tag: str, cure: str) -> None:
    with pytest.raises(InputError, match=cure):
        language(tag)


def test_rows_in_languages_that_cldr_does_not_list_are_planned_and_kept(tmp_path: Path) -> None:
    tags = ["azb", "be-tarask", "en-x-foo", "quy", "zh-Hant-TW"]
    corpus = ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", {tag: f"{n}? {tag}" for tag in tags}, {tag: f"{n}. {tag}" for tag in tags}, {})
        for n in range(8)
    )
    corpus.save(tmp_path / "corpus")
    opened = ParallelCorpus.open(tmp_path / "corpus")
    assert opened.languages == tuple(tags)
    strategy = parse(
        "hybrid(pairs=['azb>en-x-foo', 'be-tarask-quy'], weights={'azb': 0.25, 'en-x-foo': 0.25, "
        "'be-tarask': 0.25, 'quy': 0.25})"
    )
    assert parse(str(strategy)) == strategy and "azb-en-x-foo" in str(strategy)  # one spelling
    plan = strategy.plan(opened, 30, 4, 0)
    plan.write(tmp_path / "plan.parquet", opened)
    assert BatchPlan.read(tmp_path / "plan.parquet").languages == tuple(tags)
    drawn = plan.matrix()
    assert drawn.loc["azb", "en-x-foo"] > 0 and drawn.loc["be-tarask", "quy"] > 0 and drawn.loc["quy", "azb"] == 0
    assert any("be-tarask" in name for name in Benchmark.from_corpus(corpus, "mine").passages["passage_id"])


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("en", "en", 0), ("en", "en-GB", 0), ("zh", "zh-Hant", 1), ("sr", "sr-Latn", 1)]  # the language itself
    + [("en", "de", 1), ("ru", "uk", 1), ("hi", "ur", 2), ("zh", "yue", 2)]  # branch; hi-ur and zh-yue: scripts differ
    + [("en", "es", 2), ("en", "ru", 3), ("el", "hi", 3)]  # family
    + [("en", "vi", 3), ("tr", "fi", 3), ("th", "ar", 4), ("ja", "ko", 4)],  # none in common
)
def test_distance_of_two_languages(one: str, other: str, distance: int) -> None:
    assert language_distance(one, other) == language_distance(other, one) == distance


def test_distance_from_a_language_without_a_family_is_an_error_that_names_it() -> None:
    assert language_distance("ace", "ace") == 0
    with pytest.raises(InputError, match=r"ace \(Acehnese\)"):
        language_distance("de", "ace")
