"""Judged collections as files: MIRACL's layout and BEIR's, what is wrong with them, and the real TyDi set."""

import gzip
import json
import logging
from pathlib import Path

import pytest

from hybridkit.data.sources import collection_files
from hybridkit.data.sources.collection_files import read_topics
from hybridkit.data.sources.fetch import find
from hybridkit.data.sources.open_benchmarks import open_collection
from hybridkit.data.sources.registry import data_set
from hybridkit.errors import InputError, MissingDataError


@pytest.fixture(autouse=True)
def nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "data"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else path.open("w", encoding="utf-8") as file:
        file.write(text)
    return path


def docs(*names: str, key: str = "docid") -> str:
    return "".join(json.dumps({key: name, "title": f"T{name}", "text": f"text {name}"}) + "\n" for name in names)


TOPICS, QRELS = "1\tMoja?\n2\tMbili?\n", "2\tQ0\tb#0\t1\n1\tQ0\ta#0\t1\n1\tQ0\tc#0\t0\n"


def lay(
    folder: Path,
    tag: str = "sw",
    topics: str = TOPICS,
    qrels: str = QRELS,
    shards: tuple[str, ...] = ("a#0", "b#0 c#0"),
) -> Path:
    """One language of a set in MIRACL's layout; gives the folder of its corpus."""
    name = f"{folder.name}-v2-{tag}"
    write(folder / name / "topics" / f"topics.{name}-dev.tsv", topics)
    write(folder / name / "qrels" / f"qrels.{name}-dev.tsv", qrels)
    for number, ids in enumerate(shards):
        write(folder / name / "corpus" / f"docs-{number}.jsonl.gz", docs(*ids.split()))
    return folder / name / "corpus"


def test_a_folder_in_miracls_layout(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lay(tmp_path / "mine")
    lay(tmp_path / "mine", "zh-Hant", shards=tuple(f"{letter}#0" for letter in "cba"))
    write(tmp_path / "mine" / "mine-v2-sw" / "topics" / "topics.mine-v2-sw-test-a.tsv", TOPICS)  # no judgements: no set
    swahili, chinese = open_collection(tmp_path / "mine")
    assert (swahili.name, swahili.language, swahili.size) == ("mine", "sw", 3)
    assert (chinese.language, chinese.size) == ("zh-Hant", 3)
    assert swahili.queries.values.tolist() == [["1", "Moja?"], ["2", "Mbili?"]]
    assert swahili.judgements.values.tolist() == [["1", "a#0", 1], ["1", "c#0", 0], ["2", "b#0", 1]]
    texts = ["Ta#0 text a#0", "Tb#0 text b#0", "Tc#0 text c#0"]
    assert list(swahili.passages()) == [(["a#0", "b#0", "c#0"], texts)]
    assert next(chinese.passages())[0] == ["c#0", "b#0", "a#0"]  # the order of the shards
    assert caplog.messages == []
    (alone,) = open_collection(f"{tmp_path / 'mine'}[sw]")
    assert alone.fingerprint == swahili.fingerprint
    assert open_collection(tmp_path / "mine", ["sw"])[0].corpus == swahili.corpus != chinese.corpus
    assert [one.size for one in open_collection(f"{tmp_path / 'mine'}[sw, zh-Hant,pool]")] == [6, 6]
    with pytest.raises(InputError, match="no topics in 'de'"):
        open_collection(tmp_path / "mine", ["de"])
    with pytest.raises(InputError, match="neither MIRACL's layout .* nor BEIR's"):
        open_collection(tmp_path)


def test_the_hubs_layout_has_the_corpus_apart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert not lay(data / "miracl", "sw", shards=()).exists()
    for old in ("topics", "qrels"):
        (path,) = (data / "miracl" / "miracl-v2-sw" / old).iterdir()
        write(data / "miracl" / "miracl-v1.0-sw" / old / path.name.replace("v2", "v1.0"), path.read_text())
        path.unlink()
    with pytest.raises(MissingDataError, match=r"hybridkit data fetch miracl-corpus\[sw\]"):
        open_collection("miracl[sw]")
    write(data / "miracl-corpus" / "miracl-corpus-v1.0-sw" / "docs-0.jsonl.gz", docs("a#0", "b#0", "c#0"))
    with pytest.raises(InputError, match=r"topics\.miracl-v1\.0-sw-dev\.tsv: .* bytes, not the"):
        open_collection("miracl[sw]")  # the dev topics are pinned, and these are others
    (swahili,) = open_collection(data / "miracl")
    assert (swahili.language, swahili.size) == ("sw", 3)


def test_files_side_by_side(tmp_path: Path) -> None:
    write(tmp_path / "flat" / "topics.flat-de-dev.tsv", TOPICS)
    write(tmp_path / "flat" / "qrels.flat-de-dev.tsv", QRELS)
    for number in range(12):  # docs-10 follows docs-9
        write(tmp_path / "flat" / f"docs-{number}.jsonl", docs(f"{'abcdefghijkl'[number]}#0"))
    (german,) = open_collection(tmp_path / "flat")
    assert [name[0] for ids, _ in german.passages() for name in ids] == list("abcdefghijkl")


def test_miracl_has_18_languages_and_many_shards() -> None:
    assert len(data_set("miracl").by_language) == len(data_set("miracl-corpus").by_language) == 18
    assert set(data_set("miracl").by_language) == set(data_set("miracl-corpus").by_language)
    assert len(data_set("miracl[yo]").files) == 2
    files = data_set("miracl-corpus[de,yo]").files
    assert len(files) == 32 + 1
    assert data_set("miracl-corpus").address_of(files[31]) == (
        "hf://datasets/miracl/miracl-corpus/miracl-corpus-v1.0-de/docs-31.jsonl.gz"
    )


def test_chunks_are_bounded_and_start_anew(tmp_path: Path) -> None:
    names = [f"{n}#0" for n in range(10)]
    paths = [write(tmp_path / f"docs-{n}.jsonl.gz", docs(*part)) for n, part in enumerate((names[:7], names[7:]))]
    parts = list(collection_files.chunks(paths, size=4))
    assert [len(ids) for ids, _ in parts] == [4, 4, 2]  # a chunk goes on over the end of a shard
    assert [name for ids, _ in parts for name in ids] == names


@pytest.mark.parametrize("sizes", [(5, 0, 2, 4), (5,), ()])  # an older survey did not count them
@pytest.mark.parametrize("start", range(12))
def test_a_stream_begins_at_any_passage(
    tmp_path: Path, start: int, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n}#0" for n in range(11)]
    parts = names[:5], [], names[5:7], names[7:]
    paths = [write(tmp_path / f"docs-{n}.jsonl", "\n" + docs(*part)) for n, part in enumerate(parts)]
    opened: list[Path] = []
    lines = collection_files.read_lines
    monkeypatch.setattr(collection_files, "read_lines", lambda path: opened.append(path) or lines(path))
    stream = collection_files.Stream(tuple(paths), "docid", sizes)
    assert [name for ids, _ in stream(start) for name in ids] == names[start:]
    if len(sizes) == 4:
        assert len(opened) == (4 if start < 5 else 2 if start < 7 else 1 if start < 11 else 0)


def test_what_does_not_fit_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = lay(
        tmp_path / "mine",
        topics=TOPICS + "3\tTatu?\n4\tNne?\n",
        qrels="1\tQ0\ta#0\t1\n1\tQ0\tx#0\t1\n1\tQ0\ty#0\t0\n2\tQ0\ta#0\t0\n",
    )
    write(corpus / "docs-2.jsonl.gz", '{"docid": "d#0", "title": "", "text": ""}\n')
    (swahili,) = open_collection(tmp_path / "mine")
    assert swahili.queries["query_id"].tolist() == ["1", "2"]
    assert [text for _, texts in swahili.passages() for text in texts][-1] == " "
    assert caplog.messages == [
        "mine, sw: 2 of 4 topics have no judgement and are left out",
        "mine, sw: 1 queries have no relevant passage and count 0",
        "mine, sw: 2 of 4 judgements name a passage that is not in the corpus",
        "mine, sw: 1 of these are relevant, and count as never found",
        "mine, sw: 1 of 4 passages have neither title nor text",
    ]


@pytest.mark.parametrize(
    ("topics", "qrels", "message"),
    [
        (TOPICS, QRELS + "7\tQ0\ta#0\t1\n", r"qrels\..*tsv: 1 judgements of queries that are not among .* of '7'"),
        (TOPICS, QRELS + "1\tQ0\ta#0\t0\n", r"qrels\..*tsv: query '1', passage 'a#0' is duplicated"),
        (TOPICS, QRELS + "1\tQ0\ta#0\n", r"qrels\..*tsv, line 4: not a line of the form"),
        (TOPICS, QRELS + "1\tQ0\tb#0\tyes\n", r"qrels\..*tsv, line 4: not a line of the form"),
        (TOPICS, "", r"qrels\..*tsv: the file holds no judgement"),
        ("1\tMoja?\n1\tTena?\n", QRELS, r"topics\..*tsv, line 2: the query '1' is duplicated"),
        ("1 Moja?\n", QRELS, r"topics\..*tsv, line 1: not an id, a tab and a question"),
        ("\n", QRELS, r"topics\..*tsv: the file holds no topic"),
        ("1\tMoja?\t\n2\tMbili?\tjibu\n", QRELS, r"topics\..*tsv, line 1: every line has 3 columns"),
        ("1\tMoja?\n\tMbili?\n", QRELS, r"topics\..*tsv, line 2: .* has an empty id or question"),
    ],
)
def test_topics_and_judgements_that_are_none(tmp_path: Path, topics: str, qrels: str, message: str) -> None:
    lay(tmp_path / "mine", topics=topics, qrels=qrels)
    with pytest.raises(InputError, match=message):
        open_collection(tmp_path / "mine")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"docid": "d#0", "te', r"docs-2\.jsonl\.gz, line 2: not a JSON object with docid and text"),
        ('["d#0"]', "line 2: not a JSON object"),
        ('{"docid": "d#0", "title": "D"}', "line 2: not a JSON object .*'text'"),
        ('{"docid": "", "title": "D", "text": "d"}', "line 2: .* the id is empty"),
        ('{"docid": "d#0", "title": "D", "text": 3}', r"line 2: .*\(one of them is not a text"),
        ('{"docid": "d#0", "title": "D", "text": "\\ud800"}', "line 2 holds half a character"),
        (
            docs("b#0"),
            r"1 passages have the id of an earlier one, .* 'b#0' in docs-2.*, line 2, as in docs-1.*, line 1",
        ),
    ],
)
def test_lines_of_a_corpus_that_are_none(tmp_path: Path, line: str, message: str) -> None:
    corpus = lay(tmp_path / "mine")
    write(corpus / "docs-2.jsonl.gz", docs("e#0") + line + "\n")
    with pytest.raises(InputError, match=message):
        open_collection(tmp_path / "mine")


def test_a_shard_cut_short_is_told(tmp_path: Path) -> None:
    corpus = lay(tmp_path / "mine")
    path = write(corpus / "docs-2.jsonl.gz", docs(*(f"x{n}" for n in range(900))))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"docs-2\.jsonl\.gz, after line \d+: the file is cut short or damaged"):
        open_collection(tmp_path / "mine")


def test_missing_and_doubled_files_are_told(tmp_path: Path) -> None:
    corpus = lay(tmp_path / "mine", shards=("a#0", "b#0", "c#0"))
    (corpus / "docs-1.jsonl.gz").rename(corpus / "aside")
    with pytest.raises(InputError, match=r"its shards are docs-0.*, docs-2.*; give docs-0 to docs-2, each once"):
        open_collection(tmp_path / "mine")
    (corpus / "aside").rename(corpus / "docs-1.jsonl.gz")
    write(corpus / "docs-1.jsonl", docs("b#0"))
    with pytest.raises(InputError, match="each once"):
        open_collection(tmp_path / "mine")
    for path in corpus.iterdir():
        path.unlink()
    with pytest.raises(MissingDataError, match=r"there is no shard docs-N\.jsonl\.gz"):
        open_collection(tmp_path / "mine")
    (corpus.parent / "qrels" / "qrels.mine-v2-sw-dev.tsv").unlink()
    with pytest.raises(MissingDataError, match=r"qrels\.mine-v2-sw-dev\.tsv: the judgements of"):
        open_collection(tmp_path / "mine")


def test_a_corpus_is_surveyed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = lay(tmp_path / "mine")
    (first,) = open_collection(tmp_path / "mine")
    with monkeypatch.context() as patch:
        patch.setattr(collection_files, "read_passages", None)
        (again,) = open_collection(tmp_path / "mine")
    assert again.fingerprint == first.fingerprint
    assert isinstance(again.passages, collection_files.Stream)
    assert again.passages == first.passages and sum(again.passages.sizes) == first.size
    write(corpus / "docs-0.jsonl.gz", docs("a#0", "n#0"))
    (changed,) = open_collection(tmp_path / "mine")
    assert changed.size == 4
    assert changed.corpus != first.corpus


# BEIR


def beir(folder: Path, qrels: str, corpus: str = docs("a", "b", "c", key="_id")) -> Path:
    queries = [{"_id": name, "text": f"{name}?", "metadata": {}} for name in ("q1", "q2", "a")]
    write(folder / "queries.jsonl", "".join(json.dumps(query) + "\n" for query in queries))
    write(folder / "corpus.jsonl", corpus)
    write(folder / "qrels" / "test.tsv", qrels)
    return folder


HEAD = "query-id\tcorpus-id\tscore\n"


def test_a_folder_in_beirs_layout(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = beir(tmp_path / "scifact", HEAD + "q2\tb\t2\nq1\ta\t1\n")
    (one,) = open_collection(folder)
    assert (one.name, one.language, one.size, one.skip_own) == ("scifact", "en", 3, True)
    assert one.queries.values.tolist() == [["q1", "q1?"], ["q2", "q2?"]]
    assert one.judgements.values.tolist() == [["q1", "a", 1], ["q2", "b", 2]]
    assert list(one.passages()) == [(["a", "b", "c"], ["Ta text a", "Tb text b", "Tc text c"])]
    assert caplog.messages == ["scifact, en: 1 of 3 topics have no judgement and are left out"]
    assert open_collection(f"{folder}[de]")[0].language == "de"
    with pytest.raises(InputError, match="a BEIR folder is in one language"):
        open_collection(f"{folder}[de,en]")
    with pytest.raises(InputError, match="'klingon' is not a language tag"):
        open_collection(f"{folder}[klingon]")


def test_packed_files_and_a_qrels_without_a_head(tmp_path: Path) -> None:
    folder = beir(tmp_path / "mine", "q1\ta\t1\n")
    for name in ("corpus.jsonl", "queries.jsonl"):
        write(folder / f"{name}.gz", (folder / name).read_text())
        (folder / name).unlink()
    (one,) = open_collection(folder)
    assert (one.size, len(one.judgements)) == (3, 1)  # BEIR's own reader would drop the first line unread


def test_ids_that_were_numbered_apart_are_not_taken_for_the_same(tmp_path: Path) -> None:
    (one,) = open_collection(beir(tmp_path / "mine", HEAD + "a\ta\t1\nq1\tb\t1\n"))
    assert not one.skip_own
    (other,) = open_collection(beir(tmp_path / "other", HEAD + "a\ta\t0\na\tb\t1\n"))
    assert other.skip_own


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("qrels/test.tsv", HEAD + "q1\ta\n", r"test\.tsv, line 2: not query-id, corpus-id and a whole score"),
        ("qrels/test.tsv", HEAD + "q1\ta\t0.5\n", "line 2: not query-id"),
        ("qrels/test.tsv", HEAD + "q1\t\t1\n", "line 2: not query-id"),
        ("qrels/test.tsv", HEAD, r"test\.tsv: the file holds no judgement"),
        ("qrels/test.tsv", HEAD + "x\ta\t1\n", r"test\.tsv: 1 judgements of queries that are not among the topics"),
        ("queries.jsonl", '{"_id": "q1", "text": "?"}\n{"_id": "q1", "text": "!"}\n', "line 2: the query 'q1' is dup"),
        ("queries.jsonl", '{"_id": "q1"}\n', r"queries\.jsonl, line 1: not a JSON object with _id and text"),
        ("queries.jsonl", '{"_id": "q1", "text": " "}\n', "line 1: the text is empty"),
        ("corpus.jsonl", docs("a"), r"corpus\.jsonl, line 1: not a JSON object with _id and text"),
        ("corpus.jsonl", "\n", "corpus.jsonl hold no passage"),
        ("corpus.jsonl", docs("a", "b", "a", key="_id"), r"'a' in corpus\.jsonl, line 3, as in corpus\.jsonl, line 1"),
    ],
)
def test_beir_files_that_are_none(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = beir(tmp_path / "mine", HEAD + "q1\ta\t1\n")
    write(folder / name, text)
    with pytest.raises(InputError, match=message):
        open_collection(folder)
    if name != "queries.jsonl":
        (folder / name).unlink()
        with pytest.raises(InputError, match=name):
            open_collection(folder)


# Real data


@pytest.fixture
def real(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    if not (real_data / "tydi-goldp").is_dir():
        pytest.skip("tydi-goldp is not among the real data sets")
    return real_data


def test_counts_of_tydi_goldp(real: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hybridkit")
    sets = open_collection("tydi-goldp")
    found = {one.language: (len(one.queries), len(one.judgements), one.size) for one in sets}
    assert found == {
        "en": (440, 440, 3858),
        "fi": (782, 782, 634),
        "id": (565, 565, 514),
        "ko": (276, 276, 1488),
        "sw": (499, 499, 1981),
    }
    assert caplog.messages == []  # every topic is judged, every judged passage is there
    for one in sets:
        ids = [name for names, _ in one.passages() for name in names]
        assert len(ids) == one.size
        assert set(one.judgements["passage_id"]) <= set(ids)
    swahili = sets[-1]
    assert swahili.queries["text"].iloc[0] == "Je,Thiago Silva alianza kucheza soka mwaka upi?"
    assert next(swahili.passages())[1][0].startswith("Kama kijana, Silva aliingizwa")
    (folder_way,) = open_collection(find(data_set("tydi-goldp")), ["sw"])
    assert folder_way.fingerprint == swahili.fingerprint
    assert sum(one.size for one in sets) == open_collection("tydi-goldp[pool]")[0].size == 8475


def test_topics_and_judgements_of_miracl(real: Path) -> None:
    from hybridkit.data.collection import read_qrels

    counts = {}
    for tag, (topics, qrels) in data_set("miracl").by_language.items():
        asked, judged = read_topics(real / topics), read_qrels(real / qrels)
        assert set(asked) == set(judged["query_id"])
        counts[tag] = (len(asked), len(judged))
    assert counts["ar"] == (2896, 29197)
    assert counts["yo"] == (119, 1188)
    assert sum(queries for queries, _ in counts.values()) == 13_495


def test_a_tab_inside_a_question_is_a_part_of_it(tmp_path: Path) -> None:
    # topic 350 of the published topics of BEIR's robust04 has one
    write(tmp_path / "topics.tsv", "349\tliving cells\n350\thazardous to\twork\r with terminals\n")
    assert read_topics(tmp_path / "topics.tsv") == {"349": "living cells", "350": "hazardous to\twork\r with terminals"}
