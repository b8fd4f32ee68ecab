"""Studies: every setting checked, and whatever does not fit named with its file and key."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.sampling import cross, hybrid, mono
from hybridkit.study.run import Run
from hybridkit.study.settings import RowSettings, Study, open_study, schema, strategy_at
from hybridkit.utils.files import digest
from tests.tiny_study import tiny_study

GOOD: dict[str, Any] = {
    "name": "mine",
    "title": "A test",
    "encoder": {"name": "static"},
    "rows": {"files": ["rows.jsonl"], "held_out": 0.1},
    "strategies": ["mono", "hybrid(alpha=0.5)"],
    "seeds": [0, 1],
    "training": {"steps": 10, "batch_size": 4, "learning_rate": 0.01},
    "evaluation": {"benchmarks": ["atlas"]},
    "curve": {
        "alphas": [0, 0.5, 1],
        "seeds": [0],
        "encoder": {"name": "static"},
        "training": {"steps": 5, "batch_size": 4},
        "benchmarks": ["atlas"],
    },
}


def write(folder: Path, value: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(value if isinstance(value, str) else yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    return path


def changed(key: str, value: Any) -> dict[str, Any]:
    """The good study with one key (a.b.c) set, or removed where the value is ..."""
    whole = yaml.safe_load(yaml.safe_dump(GOOD))
    *parents, last = key.split(".")
    inner = whole
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    if value is ...:
        del inner[last]
    return whole


def test_a_good_study(tmp_path: Path) -> None:
    study = open_study(write(tmp_path, GOOD))
    assert (study.name, study.seeds, study.rows.files, study.rows.held_out) == ("mine", (0, 1), ("rows.jsonl",), 0.1)
    assert study.training.learning_rate == 0.01
    assert study.training.temperature == 0.05
    assert study.every_strategy() == [mono(), hybrid(alpha=0.5), cross()]
    assert study.curve is not None
    assert study.curve.alphas == (0.0, 0.5, 1.0)
    assert [str(strategy_at(alpha)) for alpha in study.curve.alphas] == ["cross", "hybrid(alpha=0.5)", "mono"]


def test_the_notebook_of_remedies_has_models_of_its_own(tmp_path: Path) -> None:
    """So that they are checked and made before it starts, in a study that runs no other."""
    assert open_study(write(tmp_path, GOOD | {"notebooks": ["08"]})).sections == ("main",)
    assert open_study(write(tmp_path, GOOD | {"notebooks": ["01"]})).sections == ()


@pytest.mark.parametrize("written", ["3e-5", "3.0e-5", "0.00003", "'3e-5'"])
def test_numbers_as_people_write_them(tmp_path: Path, written: str) -> None:
    text = yaml.safe_dump(GOOD).replace("learning_rate: 0.01", f"learning_rate: {written}")
    assert open_study(write(tmp_path, text)).training.learning_rate == 3e-5


def test_a_strategy_has_one_spelling(tmp_path: Path) -> None:
    study = changed("strategies", ["mono()", "hybrid", 'mono( by = "size" , power=.5 )'])
    study["compare"] = ["hybrid(alpha=.5)", "untrained"]
    opened = open_study(write(tmp_path, study))
    assert opened.strategies == ("mono", "hybrid(alpha=0.5)", "mono(by='size', power=0.5)")
    assert opened.compare == ("hybrid(alpha=0.5)", "untrained")


def test_the_key_hangs_on_every_setting(tmp_path: Path) -> None:
    def key(value: dict[str, Any]) -> str:
        return open_study(write(tmp_path, value)).key

    changes = [
        ("seeds", [0]),
        ("training.steps", 11),
        ("training.temperature", 0.1),
        ("rows.held_out", 0.2),
        ("evaluation.precision", "bf16"),
        ("encoder.dim", 8),
        ("curve.training.steps", 6),
    ]
    found = {key(changed(*change)) for change in changes} | {key(GOOD)}
    assert len(found) == len(changes) + 1
    assert key(GOOD) == key(dict(reversed(GOOD.items())))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("nmae", "x", "unknown key nmae .did you mean name... there are name, title"),
        ("training.lr", 0.1, "unknown key training.lr; there are steps, batch_size"),
        ("curve.encoder.size", 1, "unknown key curve.encoder.size"),
        ("title", ..., "the key title is missing"),
        ("training.steps", ..., "the key training.steps is missing"),
        ("curve.training.batch_size", ..., "the key curve.training.batch_size is missing"),
        ("training", 5, "training must be a mapping of settings .got 5."),
        ("training", None, "training must be a mapping of settings .got None."),
        ("training.steps", "ten", "training.steps must be a whole number from 1 on .got 'ten'."),
        ("training.steps", 1.5, "training.steps must be a whole number from 1 on .got 1.5."),
        ("training.steps", True, "training.steps must be a whole number from 1 on .got True."),
        ("training.learning_rate", "fast", "training.learning_rate must be a number above 0 .got 'fast'."),
        ("training.learning_rate", True, "training.learning_rate must be a number above 0 .got True."),
        ("training.learning_rate", float("nan"), "training.learning_rate must be a number above 0 .got nan."),
        ("training.learning_rate", "inf", "training.learning_rate must be a number above 0 .got inf."),
        ("training.learning_rate", -1, "training.learning_rate must be a number above 0 .got -1.0."),
        ("training.precision", "fp8", "training.precision must be 'float32' or 'bf16' .got 'fp8'."),
        ("training.freeze", "word_embeddings", "training.freeze must be a list .got 'word_embeddings'."),
        ("untrained", "yes please", "untrained must be true or false .got 'yes please'."),
        ("title", 5, "title must be a text .got 5."),
        ("name", "a/b", "name must be letters, digits, - and _ .got 'a/b'."),
        ("name", "..", "name must be letters"),
        ("strategies", "mono", "strategies must be a list .got 'mono'."),
        ("strategies", [], "strategies must be one or more entries"),
        (
            "strategies",
            ["mono", "hybrd"],
            r"strategies\[1\]: strategy 'hybrd': no such strategy \(did you mean hybrid\?\); there are english",
        ),
        ("strategies", ["mono", 5], r"strategies\[1\] must be a text .got 5."),
        ("strategies", ["hybrid", "mono", "hybrid(alpha=0.5)"], "strategies must be .* each once"),
        ("compare", ["mono", "cross"], "compare must be two of hybrid.alpha=0.5., mono, untrained "),
        ("compare", ["mono"], "compare must be two of"),
        ("strategies", ["mono", "cross"], "compare must be two of cross, mono, untrained .got .'hybrid"),  # its default
        ("compare", ["mono", "mono()"], "compare must be two of"),
        ("compare", ["mono", "what"], r"compare\[1\]: strategy 'what': no such strategy"),
        ("seeds", [], "seeds must be one seed or more, all different"),
        ("seeds", [1, 1], r"seeds must be .* all different \(got \[1, 1\]\)"),
        ("seeds", [-1], r"seeds\[0\] must be a whole number from 0 to 4294967295 \(got -1\)"),
        ("seeds", [2**32], r"seeds\[0\] must be a whole number from 0 to 4294967295"),
        ("seeds", [0.5], r"seeds\[0\] must be a whole number from 0 to 4294967295 .got 0.5."),
        ("curve.seeds", [], "curve.seeds must be one seed or more"),
        ("curve.alphas", [0, 1.5], r"curve.alphas\[1\] must be a number from 0 to 1 \(got 1.5\)"),
        ("rows.files", [], "rows.files must be one or more entries"),
        ("rows.use", "some", "rows.use must be 'equal', 'common' or 'each'"),
        ("rows.held_out", 1, "rows.held_out must be a number from 0 to below 1 .got 1.0."),
        ("evaluation.benchmarks", [], "evaluation.benchmarks must be one or more entries"),
        ("evaluation.precision", "int8", "evaluation.precision must be 'float32' or 'bf16'"),
        ("encoder.dim", 0, "encoder.dim must be a whole number from 1 on"),
        ("encoder.seed", 2**32, "encoder.seed must be a whole number from 0 to 4294967295"),
        ("encoder.prompts", ["query: "], r"encoder.prompts must be a mapping .got \['query: '\]"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, key: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"mine\.yaml: {message}"):
        open_study(write(tmp_path, changed(key, value)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: mine\ntitle: [open\nseeds: 0\n", r"mine\.yaml, line 3: not YAML"),
        ("name: mine\n\ttitle: x\n", r"mine\.yaml, line 2: not YAML"),
        ("!!python/object/apply:os.system [ls]\n", r"mine\.yaml, line 1: not YAML"),
        ("", r"mine\.yaml: the file must be a mapping of settings"),
        ("- a\n- b\n", r"mine\.yaml: the file must be a mapping of settings .got \['a', 'b'\]"),
    ],
)
def test_what_is_no_yaml_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_study(write(tmp_path, text))
    (tmp_path / "bytes.yaml").write_bytes(b"name: K\xf6ln\n")
    with pytest.raises(InputError, match=r"bytes\.yaml.*: not YAML"):
        open_study(tmp_path / "bytes.yaml")


def test_no_such_study(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="study 'nothing': there is no such study; there are .*quick.*, or give a path"
    ):
        open_study("nothing")
    with pytest.raises(InputError, match=r"nothing\.yaml: cannot be read \(No such file"):
        open_study(tmp_path / "nothing.yaml")


def test_a_study_says_what_differs_from_another(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "other.yaml").write_text(
        "extends: mine.yaml\nname: other\ntraining: {steps: 20}\nstrategies: [cross]\ncompare: [cross, untrained]\n"
    )
    base, other = open_study(tmp_path / "mine.yaml"), open_study(tmp_path / "other.yaml")
    assert other.training == replace(base.training, steps=20)
    assert (other.name, other.strategies, other.rows, other.curve) == ("other", ("cross",), base.rows, base.curve)
    (tmp_path / "third.yaml").write_text("extends: other.yaml\ncurve: null\n")
    assert open_study(tmp_path / "third.yaml") == replace(other, curve=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "extends: mine.yaml\ntraining: {step: 20}\n",
            r"other\.yaml: unknown key training\.step .did you mean steps... there are steps",
        ),
        ("extends: other.yaml\n", r"other\.yaml: extends: other\.yaml extends this file in turn"),
        ("extends: gone.yaml\n", r"gone\.yaml: cannot be read"),
        ("extends: ../mine.yaml\n", r"other\.yaml: extends: '\.\./mine\.yaml' is not the name of a YAML file beside"),
        ("extends: [mine.yaml]\n", r"other\.yaml: extends: \['mine\.yaml'\] is not the name"),
        ("extends: list.yaml\n", r"other\.yaml: the file must be a mapping of settings .got \[1\]"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "list.yaml").write_text("[1]")
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        open_study(tmp_path / "other.yaml")


def test_the_papers_studies_have_its_settings() -> None:
    xlmr, labse = open_study("paper"), open_study("paper-labse")
    assert (xlmr.encoder.name, labse.encoder.name) == ("xlm-r", "labse")
    assert replace(labse, name="paper", title=xlmr.title, encoder=xlmr.encoder) == xlmr
    assert labse.encoder.prompts == {"query": "Query: ", "passage": "Passage: "}
    training = xlmr.training
    assert (training.batch_size, training.learning_rate, training.weight_decay) == (100, 3e-5, 0.01)
    assert training.negatives
    assert training.watch == "AP en>en"
    assert "hybrid(alpha=0.5)" in xlmr.strategies


def test_the_kits_own_studies_are_good() -> None:
    import hybridkit

    files = sorted((Path(hybridkit.__file__).parents[1] / "studies").glob("*.yaml"))
    assert {"quick", "starter", "paper", "paper-labse"} <= {file.stem for file in files}
    for file in files:
        study = open_study(file.stem)
        assert isinstance(study, Study)
        assert study.name == file.stem


KEYS = {  # of runs that people have: a changed default or a renamed field would make all of them anew
    "quick": "e2de706ae94aa8f726a34db68d393501d37ff3274a0584cf2dd45433c72dafa4",
    "starter": "998cfc2b11e13dcdfa75910cf436744d20c87bedf347472dd4c97377b2337c58",
}
TRAINING_KEYS = {
    "quick": "7791400c6ac983101e984d53f6928fcfdf460a51e4425ff170a5cdfa919263e4",
    "starter": "c3980516681c8ba354677a383430b2abb1f4b0bc1967c270ecde4e337f9c3a62",
}


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_of_runs_that_people_have_stay(name: str) -> None:
    study = open_study(name)
    assert (study.key, digest(study.training.key)) == (KEYS[name], TRAINING_KEYS[name])


def test_a_set_has_no_order_that_a_key_could_hold() -> None:
    with pytest.raises(InputError, match="^rows.files must be a list, which has an order .got {'a'}"):
        RowSettings(files={"a"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="^seeds must be a list, which has an order .got {1}"):
        replace(open_study("quick"), seeds={1})  # type: ignore[arg-type]


def test_the_schema_is_up_to_date_and_named_by_every_study() -> None:
    folder = Path(__file__).parents[2] / "studies"
    assert (folder / "schema.json").read_text(encoding="utf-8") == schema(), "write it again: make schema"
    known = json.loads(schema())["properties"]
    for path in folder.glob("*.yaml"):
        first, text = path.read_text(encoding="utf-8").split("\n", 1)
        assert first == "# yaml-language-server: $schema=schema.json"
        assert set(yaml.safe_load(text)) <= set(known)
    assert known["seeds"]["items"] == {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}


def test_all_settings_that_do_not_fit_the_encoder_are_named_together_before_anything_is_made(tmp_path: Path) -> None:
    training = {"steps": 5, "batch_size": 4, "max_length": 96, "freeze": ["word_embeddings"]}
    evaluation = {"benchmarks": [str(tmp_path / "asked.jsonl")], "max_length": 256}
    run = Run(tiny_study(tmp_path, training=training, evaluation=evaluation), tmp_path / "run")
    with pytest.raises(InputError, match="study tiny: 3 settings do not fit the encoder") as raised:
        run.check()
    for key in ("training.max_length: 96", "evaluation.max_length: 256", "training.freeze: ['word_embeddings']"):
        assert key in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_settings_are_held_against_the_weights_of_an_encoder_in_a_folder(tmp_path: Path) -> None:
    encoder.save(encoder.make(["a text and another"], vocab_size=60, dim=4), tmp_path / "start")
    training = {"steps": 5, "batch_size": 4, "max_length": 96, "freeze": ["embeding"]}
    study = tiny_study(tmp_path, training=training, encoder={"name": "./start", "dim": 32})
    with pytest.raises(InputError, match="3 settings do not fit") as raised:
        Run(study, tmp_path / "run").check()
    for said in (
        "training.max_length: 96 (",
        "encoder.dim: 32 (",
        "'embeding' is in the name of no parameter (did you m",
    ):
        assert said in str(raised.value)
    fine = tiny_study(tmp_path, encoder={"name": "./start"})
    Run(fine, tmp_path / "run").trained.check_settings()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "training.stepz=5",
            r"quick.yaml with --set training.stepz=5: unknown key training.stepz \(did you mean steps",
        ),
        ("training.steps=0", "training.steps must be a whole number from 1 on"),
        ("training.steps", "--set training.steps: not KEY=VALUE; write it as training.steps=50"),
        ("seeds=[0", "--set .*: .*not YAML"),
        ("title.de=x", "title has no keys; replace it whole"),
        ("extends=starter.yaml", "not KEY=VALUE"),
    ],
)
def test_a_change_that_does_not_fit_is_told_with_its_words(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_study("quick", [change])


def test_changes_of_every_kind_of_key() -> None:
    changes = [
        "seeds=[0]",
        "training.learning_rate=3e-3",
        "recipes.hybrid(alpha=0.5)={learning_rate: 1, temperature: 1, steps: 2}",
    ]
    changed = open_study("quick", [*changes, "recipes.hybrid(alpha=0.5).steps=7", "untrained=false", "name=quick-7"])
    assert (changed.seeds, changed.training.learning_rate, changed.untrained) == ((0,), 3e-3, False)
    assert changed.recipes["hybrid(alpha=0.5)"].steps == 7 and changed.name == "quick-7"
    assert changed.training.steps == open_study("quick").training.steps


def test_an_unknown_study_is_told_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"there is no such study \(did you mean starter\?\)"):
        open_study("startr")
