"""Lexicons: read as the format says, refused with file and line, looked up in every direction; the bundled one."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.sources.atlas import FOLDER, WORDS, lexicons, read_words
from hybridkit.data.sources.atlas.facts import LANGUAGES
from hybridkit.data.sources.fetch import fetch
from hybridkit.data.sources.lexicons import Lexicons, fold, lexicon_languages, read_lexicon
from hybridkit.data.sources.registry import data_set
from hybridkit.errors import InputError, MissingDataError

ATLAS = Path(__file__).parents[2] / "data" / "atlas" / "lexicons"


def folder_of(tmp_path: Path, **files: str) -> str:
    for tag, content in files.items():
        (tmp_path / f"en-{tag}.txt").write_text(content, encoding="utf-8")
    return str(tmp_path)


def into(lexicons: Lexicons, word: str, source: str, target: str) -> tuple[str, ...]:
    return lexicons.translations(word, source, (target,)).get(target, ())


def test_tab_or_space_and_every_translation_in_the_order_of_the_file(tmp_path: Path) -> None:
    name = folder_of(tmp_path, de="bank\tBank\nshore Ufer\n\nbank  Ufer\r\nbank Bank\n")
    opened = Lexicons.open(name)
    assert opened.languages == lexicon_languages(name) == ("de",)
    assert into(opened, "bank", "en", "de") == ("Bank", "Ufer")
    assert into(opened, "BANK", "en", "de") == ("Bank", "Ufer")
    assert into(opened, "ufer", "de", "en") == ("shore", "bank")
    assert into(opened, "river", "en", "de") == ()
    assert into(opened, "bank", "en", "fr") == into(opened, "banque", "fr", "en") == ()


def test_two_other_languages_meet_in_english(tmp_path: Path) -> None:
    name = folder_of(tmp_path, de="bank Ufer\nshore Ufer\nmoney Geld", es="shore orilla\nbank banco\nbank orilla")
    opened = Lexicons.open(name)
    # Ufer is bank, then shore; bank is banco, orilla; shore is orilla, which stands there already
    assert into(opened, "Ufer", "de", "es") == ("banco", "orilla")
    assert into(opened, "Geld", "de", "es") == ()
    assert into(opened, "orilla", "es", "de") == ("Ufer",)


def test_words_are_found_whatever_their_case_and_composition(tmp_path: Path) -> None:
    opened = Lexicons.open(folder_of(tmp_path, tr="warm Isı\nlight ışık", es="café cafe\u0301"))
    assert into(opened, "ISI", "tr", "en") == ("warm",)
    assert into(opened, "Işık", "tr", "en") == ("light",)
    assert into(opened, "CAF\u00c9", "es", "en") == ("café",)
    assert fold("İ", "tr") == "i"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("bank Bank\nriver\n", r"en-de\.txt, line 2: 'river' has 1 words"),
        ("bank Bank\n\nriver der Fluss\n", r"en-de\.txt, line 3: .* has 3 words"),
        ("\n \n", r"en-de\.txt: the lexicon is empty"),
        ("", r"en-de\.txt: the lexicon is empty"),
    ],
)
def test_a_broken_lexicon_names_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Lexicons.open(folder_of(tmp_path, de=content))


def test_bytes_that_are_no_text_name_the_line(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_bytes(b"bank Bank\nriver Flu\xdf\n")
    with pytest.raises(InputError, match=r"en-de\.txt, line 2: not UTF-8"):
        Lexicons.open(str(tmp_path))


def test_a_language_without_a_file_and_a_folder_without_files_are_errors(tmp_path: Path) -> None:
    name = folder_of(tmp_path, de="bank Bank")
    assert Lexicons.open(name, ["en", "de"]).languages == ("de",)
    with pytest.raises(InputError, match=r"en-fi\.txt, and fi, fr are needed; it has de\."):
        Lexicons.open(name, ["de", "fr", "fi"])
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"has no file en-LANG\.txt"):
        Lexicons.open(str(tmp_path / "none"))
    with pytest.raises(InputError, match="no such folder, and no lexicon of the kit; it knows atlas, muse"):
        Lexicons.open("mouse")
    (tmp_path / "en-german.txt").write_text("bank Bank")
    with pytest.raises(InputError, match=r"en-german\.txt: 'german' is not a language tag"):
        Lexicons.open(name)


def test_only_needed_files_are_read(tmp_path: Path) -> None:
    name = folder_of(tmp_path, de="bank Bank", es="broken")
    assert into(Lexicons.open(name, ["de"]), "bank", "en", "de") == ("Bank",)


def test_the_fingerprint_is_that_of_the_content_and_a_change_is_seen(tmp_path: Path) -> None:
    name = folder_of(tmp_path, de="bank Bank")
    first = Lexicons.open(name)
    assert Lexicons.open(name).lexicons["de"] is first.lexicons["de"]  # read once per process
    (tmp_path / "copy").mkdir()
    assert Lexicons.open(folder_of(tmp_path / "copy", de="bank Bank")).fingerprint == first.fingerprint
    folder_of(tmp_path, de="bank Ufer")
    second = Lexicons.open(name)
    assert second.fingerprint != first.fingerprint
    assert into(second, "bank", "en", "de") == ("Ufer",)


words = st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=5).filter(lambda text: text.strip())


@given(pairs=st.lists(st.tuples(words, words), min_size=1, max_size=12))
def test_every_line_is_found_forwards_and_backwards(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    name = folder_of(tmp_path_factory.mktemp("lexicon"), de="".join(f"{one}\t{other}\n" for one, other in pairs))
    opened = Lexicons.open(name)
    assert read_lexicon(Path(name) / "en-de.txt") == pairs
    for word, translation in pairs:
        expected = dict.fromkeys(other for one, other in pairs if fold(one, "en") == fold(word, "en"))
        assert into(opened, word, "en", "de") == tuple(expected)
        assert word in into(opened, translation, "de", "en")


def test_the_bundled_lexicon_is_what_atlas_makes() -> None:
    assert {file.name for file in ATLAS.iterdir()} == {f"en-{tag}.txt" for tag in LANGUAGES if tag != "en"}
    for tag, lines in lexicons().items():
        assert (ATLAS / f"en-{tag}.txt").read_bytes().decode() == lines


def test_the_bundled_lexicon_opens_by_name() -> None:
    opened = Lexicons.open("atlas")
    assert opened.languages == tuple(tag for tag in LANGUAGES if tag != "en")
    assert opened.fingerprint == Lexicons.open("atlas-lexicon").fingerprint == Lexicons.open(str(ATLAS)).fingerprint
    assert into(opened, "Denmark", "en", "de") == ("Dänemark",)
    assert into(opened, "Монголия", "ru", "th") == ("มองโกเลีย",)
    assert into(opened, "Peru", "en", "de") == ()  # the same word


def test_the_word_list_speaks_of_the_templates() -> None:
    template_words = set(re.findall(r"\w+", (FOLDER / "en.yaml").read_text(encoding="utf-8").lower()))
    listed = read_words()
    assert len(listed) > 100
    assert set(listed) <= template_words
    assert list(listed) == sorted(listed)
    for tag in LANGUAGES:
        if tag != "en":
            assert sum(tag in found for found in listed.values()) > 80


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("en,ar,de", "en,de,ar", "line 1: the columns are"),
        (",大约", "", "line 2: 10 columns, not 11"),
        ("after,", "about,", "line 3: 'about' is duplicated"),
        ("etwa", "in etwa", "line 2: 'in etwa' is not one word"),
    ],
)
def test_a_broken_word_list_names_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    content = WORDS.read_text(encoding="utf-8")
    path = tmp_path / "words.csv"
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"words\.csv") as error:
        read_words(path)
    assert message in str(error.value)


def test_muse_opens_by_name_where_it_is(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    assert set(fetch(data_set("muse"))["known"]) == {"pinned"}  # the hashes too
    opened = Lexicons.open("muse", ["de", "zh"])
    assert len(opened.lexicons["de"].pairs) == 101_931
    assert into(opened, "the", "en", "de") == ("die", "der", "dem", "den", "das")
    assert into(opened, "bank", "en", "zh")
    assert "bank" in into(opened, "banken", "de", "en")


def test_muse_that_is_nowhere_says_how_to_fetch_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("HYBRIDKIT_DATA", raising=False)
    with pytest.raises(MissingDataError, match="hybridkit data fetch muse"):
        Lexicons.open("muse")


def test_what_is_not_seen_is_no_word_of_a_lexicon(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text("\ufeffbank \u200b Bank\n\u00ad\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: '\\xad' has 0 words"):
        Lexicons.open(str(tmp_path))
    (tmp_path / "en-de.txt").write_text("bank \u200b Bank\n", encoding="utf-8")
    assert into(Lexicons.open(str(tmp_path)), "ba\u00adnk", "en", "de") == ("Bank",)
