"""atlas is what its card says: rebuilt to the byte, whole in every language, and held out without leaks."""

import json
import lzma
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import babel
import pytest

from hybridkit.data.sources.atlas import FOLDER, build, jsonl, read_templates, write
from hybridkit.data.sources.atlas.__main__ import main
from hybridkit.data.sources.atlas.facts import LANGUAGES, current_currency, spoken_languages, usable, week_start
from hybridkit.errors import InputError
from hybridkit.utils.files import read_lines

DATA = Path(__file__).parents[2] / "data" / "atlas"
Rows = list[dict[str, Any]]
pinned = pytest.mark.skipif(babel.__version__ != "2.18.0", reason="the committed files are made with Babel 2.18.0")


def committed(name: str) -> Rows:
    return [json.loads(text) for _, text in read_lines(DATA / f"{name}.jsonl.xz")]


@pytest.fixture(scope="module")
def train() -> Rows:
    return committed("train")


@pytest.fixture(scope="module")
def held_out() -> Rows:
    return committed("heldout")


def normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def texts(rows: Rows, side: str) -> set[str]:
    return {normal(text) for row in rows for text in row[side].values()}


@pinned
def test_rebuild_equals_the_committed_files() -> None:
    for name, rows in zip(("train", "heldout"), build(seed=0), strict=True):
        assert jsonl(rows) == lzma.decompress((DATA / f"{name}.jsonl.xz").read_bytes()).decode()


def test_another_seed_holds_out_other_facts() -> None:
    assert {row["id"] for row in build(1)[1]} != {row["id"] for row in build(0)[1]}


def test_sizes_are_those_of_the_card(train: Rows, held_out: Rows) -> None:
    card = (DATA / "README.md").read_text(encoding="utf-8")
    for name, rows in (("train", train), ("heldout", held_out)):
        passages = len({row["passage_id"] for row in rows})
        assert f"| `{name}.jsonl.xz` | {len(rows):,} | {passages:,} |" in card


def test_every_row_is_known_in_every_language(train: Rows, held_out: Rows) -> None:
    for row in train + held_out:
        assert tuple(row["query"]) == tuple(row["passage"]) == LANGUAGES
        for text in (*row["query"].values(), *row["passage"].values()):
            assert text == text.strip()
            assert "{" not in text


def test_passages_have_several_questions_and_ids_are_unique(train: Rows, held_out: Rows) -> None:
    rows = train + held_out
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["passage_id"] for row in rows}) * 2 == len(rows)


def test_texts_belong_to_one_row_or_one_passage(train: Rows, held_out: Rows) -> None:
    """Otherwise rows would be tied into larger groups that may not meet in a batch."""
    rows = train + held_out
    passages = {row["passage_id"]: row["passage"] for row in rows}
    for language in LANGUAGES:
        assert len({normal(row["query"][language]) for row in rows}) == len(rows)
        assert len({normal(passage[language]) for passage in passages.values()}) == len(passages)
    for side, units in (("query", [row["query"] for row in rows]), ("passage", list(passages.values()))):
        owners: dict[str, int] = {}
        for number, unit in enumerate(units):
            for text in unit.values():
                assert owners.setdefault(normal(text), number) == number, (side, text)


def test_held_out_combinations_are_new_and_their_parts_are_not(train: Rows, held_out: Rows) -> None:
    def parts(rows: Rows) -> set[tuple[str, str]]:
        found = set()
        for row in rows:
            entity, group, relation = row["id"].rsplit("/", 2)
            found.add((entity, f"{group}/{relation}"))
        return found

    assert not parts(train) & parts(held_out)
    assert {entity for entity, _ in parts(held_out)} <= {entity for entity, _ in parts(train)}
    assert {relation for _, relation in parts(held_out)} == {relation for _, relation in parts(train)}
    assert not {row["passage_id"] for row in train} & {row["passage_id"] for row in held_out}
    for side in ("query", "passage"):
        assert not texts(train, side) & texts(held_out, side)


def test_wordings_are_not_aligned_across_languages() -> None:
    templates = read_templates()
    train, _ = build(0)
    starts = {tag: [wording.split("{x}")[0] for wording in templates[tag]["money"]["currency"]] for tag in ("de", "es")}
    rows = [row for row in train if row["id"].endswith("/money/currency")]
    drawn = {
        tuple(next(i for i in (0, 2, 1) if row["query"][tag].startswith(starts[tag][i])) for tag in ("de", "es"))
        for row in rows
    }
    assert len(drawn) == 9  # all combinations of three wordings in one language with three in the other


def test_facts_known_by_hand() -> None:
    # Denmark: krone, Danish; Japan: yen; the euro began on 1 January 1999. Weeks: Monday in Germany, Sunday in Brazil.
    assert [current_currency(code)[0] for code in ("DK", "JP")] == ["DKK", "JPY"]  # type: ignore[index]
    assert str(current_currency("FR")[1]) == "1999-01-01"  # type: ignore[index]
    assert spoken_languages("DK")[0] == "da"
    assert (week_start("DE"), week_start("BR")) == (0, 6)


def test_a_name_in_brackets_or_shared_takes_its_entity_out() -> None:
    def everywhere(name: str) -> dict[str, str]:
        return dict.fromkeys(LANGUAGES, name)

    names = {"A": everywhere("Peru"), "B": everywhere("Burma (Myanmar)")}
    names |= {"C": everywhere("Kongo"), "D": everywhere("kongo")}
    assert list(usable(names)) == ["A"]


def test_templates_have_three_wordings_in_every_language() -> None:
    for groups in read_templates().values():
        assert all(len(set(wordings)) >= 3 for group in groups.values() for wordings in group.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("home:\n", "hoem:\n", "home missing"),
        ("  share:\n", "  shaer:\n", "key home: share missing"),
        ("    - 'Wo spricht man hauptsächlich {x}?'\n", "", "key home.land: 2 wordings"),
        ("    - 'Was ist die Heimat von {x}?'", "    - 'Was ist die Heimat?'", "key home.land: 'Was ist die Heimat?'"),
        ("Was ist die Heimat von {x}?", "Was ist die Heimat von {x?", "broken slot"),
        ("Was ist die Heimat von {x}?", "Wo spricht man  hauptsächlich {x}?", "give at least 3 different ones"),
        ("    - 'Was ist die Heimat von {x}?'", "    - 7", "not a list of texts"),
        ("home:\n", "home: [\n", "not YAML"),
    ],
)
def test_a_broken_template_names_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "templates")
    path = tmp_path / "templates" / "de.yaml"
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=r"de\.yaml") as error:
        read_templates(tmp_path / "templates")
    assert message in str(error.value)


def test_a_missing_language_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ar\.yaml: there is no such file"):
        read_templates(tmp_path)


def test_the_command_writes_what_build_gives(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--seed", "3"]) == 0
    write(tmp_path / "again", seed=3)
    for name in ("train.jsonl.xz", "heldout.jsonl.xz"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_command_fails_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file")]) == 1
    assert "error:" in capsys.readouterr().err
