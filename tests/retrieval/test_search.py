"""Search: exact top k with ties against a full sort, streams that are cut or killed, BM25 on disk, faiss, fusion."""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.collection import Collection, pooled
from hybridkit.errors import InputError
from hybridkit.models import embedding
from hybridkit.models import encoder as encoders
from hybridkit.remedies import parse
from hybridkit.remedies.chains import Chain
from hybridkit.remedies.collections import collection_estimate, remedied_searches
from hybridkit.retrieval import passage_embeddings as streaming
from hybridkit.retrieval.bm25 import bm25_index, stemmer, tokens
from hybridkit.retrieval.passage_embeddings import EmbeddedPassages, embed_passages
from hybridkit.retrieval.runs import fuse, merge_runs, run_frame, save_run
from hybridkit.retrieval.search import bm25_search, dense_search, search_vectors
from hybridkit.retrieval.topk import exact_topk
from hybridkit.utils.products import sums_path
from hybridkit.utils.seeds import generator
from tests.made_tables import column, ids_of

pytestmark = pytest.mark.usefixtures("cache")

WORDS = [
    "lima",
    "oslo",
    "rome",
    "capital",
    "city",
    "river",
    "bridge",
    "winter",
    "summer",
    "king",
    "queen",
    "north",
    "museum",
]


def judged(texts: Sequence[str], queries: Sequence[str], cut: int = 3, language: str = "en") -> Collection:
    """A set whose stream comes in chunks of `cut`; passage n is "dN", so that byte order is not the stream's."""
    ids = [f"d{n}" for n in range(len(texts))]

    def stream() -> Iterator[tuple[list[str], list[str]]]:
        for first in range(0, len(texts), cut):
            yield ids[first : first + cut], list(texts[first : first + cut])

    names = [f"q{n}" for n in range(len(queries))]
    asked = pd.DataFrame({"query_id": names, "text": list(queries)})
    right = pd.DataFrame({"query_id": ["q0"], "passage_id": ["d0"], "relevance": [1]})
    hashed = json.dumps([list(texts), language])
    return Collection("toy", language, asked, right, stream, len(texts), hashed)


def sentences(count: int, seed: int = 0) -> list[str]:
    draw = generator(seed, "sentences")
    return [" ".join(draw.choice(WORDS, 6)) for _ in range(count)]


@pytest.fixture(scope="module")
def static() -> Any:
    return encoders.make(sentences(200), vocab_size=120, dim=16)


def sorted_fully(queries: np.ndarray, passages: np.ndarray, ids: Sequence[str], k: int) -> list[list[str]]:
    """Every pair by itself in Python, then one sort."""
    found = []
    for query in queries:
        scores = [np.float32(np.vecdot(query, passage)) for passage in passages]
        order = sorted(range(len(ids)), key=lambda place: (scores[place], ids[place].encode()), reverse=True)
        found.append([ids[place] for place in order[:k]])
    return found


def listed(run: pd.DataFrame) -> list[list[str]]:
    return [part["passage_id"].tolist() for _, part in run.groupby("query_id", sort=False)]


@pytest.mark.parametrize("block_bytes", [16, 200, 3000, 1 << 20])
@pytest.mark.parametrize("k", [1, 7, 40, 90])
def test_top_k_is_that_of_a_full_sort_with_ties(block_bytes: int, k: int) -> None:
    draw = generator(0, "ties")
    passages = draw.standard_normal((60, 5), dtype=np.float32)[draw.integers(0, 12, 60)]  # every vector about 5 times
    queries = np.concatenate([draw.standard_normal((6, 5), dtype=np.float32), np.zeros((1, 5), np.float32)])
    ids = [f"{name}" for name in draw.permutation([*(f"é{n}" for n in range(30)), *(f"z{n}" for n in range(30))])]
    scores, places = exact_topk(queries, passages, column(ids), k, block_bytes)
    want = sorted_fully(queries, passages, ids, k)
    for score, place, right in zip(scores, places, want, strict=True):
        assert {ids[n] for n in place if n >= 0} == set(right)
        assert (place >= 0).sum() == min(k, 60)
        assert np.isneginf(score[place < 0]).all()


def test_a_mapped_file_and_parts_of_it_are_read_right(tmp_path: Path) -> None:
    draw = generator(0, "mapped")
    vectors, asked = draw.standard_normal((40, 4), dtype=np.float32), draw.standard_normal((3, 4), dtype=np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    ids = [f"{n:02}" for n in range(40)]
    for stored, own in (
        (mapped, vectors),
        (mapped[7:], vectors[7:]),
        (mapped[::2], vectors[::2]),
        (vectors.T.copy().T, vectors),
    ):
        _, places = exact_topk(asked, stored, column(ids[: len(own)]), 3, 100)
        want = sorted_fully(asked, own, ids[: len(own)], 3)
        assert [{ids[n] for n in row} for row in places] == [set(row) for row in want]


def test_equal_passages_tie_wherever_they_stand() -> None:
    # the matrix product gives many of these copies another last bit
    draw = generator(0, "copies")
    passages = np.tile(draw.standard_normal((7, 384), dtype=np.float32), (43, 1))
    queries = draw.standard_normal((9, 384), dtype=np.float32)
    ids = [f"{n:04}" for n in range(len(passages))]
    scores, _ = exact_topk(queries, passages, column(ids), 43, 384 * 4 * 50)
    assert [len(set(row.tolist())) for row in scores] == [1] * 9


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 40), st.sampled_from([0.0, 0.5, 0.25, -1.0])),
        max_size=40,
        unique_by=lambda hit: hit[:2],
    ),
    st.integers(1, 5),
    st.integers(1, 6),
)
def test_merging_parts_is_searching_the_whole(hits: list[tuple[int, int, float]], parts: int, k: int) -> None:
    whole = [(f"q{query}", f"p{passage}", score) for query, passage, score in hits]
    shared = [whole[start::parts] for start in range(parts)]
    runs = [run_frame(*(np.array([hit[n] for hit in part]) for n in range(3)), k=k) for part in shared]
    merged = merge_runs(runs, k)
    want = []
    for name in ("q0", "q1", "q2"):
        own = sorted([(score, passage) for query, passage, score in whole if query == name], reverse=True)[:k]
        want += [[name, passage, score] for score, passage in own]
    assert merged.values.tolist() == want


def test_an_id_in_two_parts_is_an_error() -> None:
    with pytest.raises(InputError, match="query 'q' has passage 'a' twice"):
        merge_runs([run_frame(["q"], ["a"], [1.0]), run_frame(["q"], ["a"], [0.5])])
    with pytest.raises(InputError, match="passage 'a' has the score nan"):
        run_frame(["q"], ["a"], [math.nan])


def test_a_run_goes_through_trec_and_back(tmp_path: Path) -> None:
    run = run_frame(["q2", "q1", "q1", "q1"], ["x", "é", "z", "b"], [1 / 3, 0.1, 0.1, np.float32(0.1) + 1e-9])
    assert run["passage_id"].tolist() == ["é", "z", "b", "x"]  # é is after z in UTF-8
    save_run(run, tmp_path / "run.txt")
    assert (tmp_path / "run.txt").read_text().splitlines()[0] == "q1 Q0 é 1 0.100000001 hybridkit"
    back = pd.read_csv(tmp_path / "run.txt", sep=" ", names=["query_id", "0", "passage_id", "rank", "score", "tag"])
    pd.testing.assert_frame_equal(back[list(run)].astype(run.dtypes), run)
    with pytest.raises(InputError, match="white space"):
        save_run(run_frame(["q"], ["a b"], [1.0]), tmp_path / "other.txt")
    assert not (tmp_path / "other.txt").exists()


@pytest.mark.parametrize("cut", [1, 4, 7, 1000])
def test_odd_chunks_give_the_same_run(static: Any, cache: Path, cut: int) -> None:
    texts = sentences(50) + sentences(5)  # five stand twice
    one, other = (judged(texts, sentences(4, seed=1), size) for size in (11, cut))
    want = dense_search(one, static, k=20)
    shutil.rmtree(cache / "passages")
    embed_passages(other, static, chunk=cut)
    pd.testing.assert_frame_equal(dense_search(other, static, k=20), want)
    vectors = static.encode(texts, normalize_embeddings=True)
    asked = static.encode(other.queries["text"].tolist(), normalize_embeddings=True)
    assert listed(want) == sorted_fully(asked, vectors, [f"d{n}" for n in range(55)], 20)
    pd.testing.assert_frame_equal(search_vectors(other, asked, vectors, ids_of(other), k=20), want)


def test_encoding_goes_on_where_it_was_killed(static: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy, calls = judged(sentences(40), ["lima"]), []
    encode = embedding.encode

    def until_the_third(encoder: Any, texts: list[str], *rest: Any, **more: Any) -> np.ndarray:
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(encoder, texts, *rest, **more)

    monkeypatch.setattr(streaming, "encode", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        embed_passages(toy, static, folder=tmp_path / "resumed", chunk=8)
    assert not (tmp_path / "resumed").exists()
    # what a kill in the middle of writing leaves: half of the third chunk, not noted as done
    with (tmp_path / "resumed.partial" / "vectors.npy").open("r+b") as file:
        file.seek(128 + 16 * 16 * 4)
        file.write(b"\xff" * 100)
    with pytest.raises(InputError, match="another encoder"):
        embed_passages(toy, encoders.make(sentences(9), 120, 16, seed=5), folder=tmp_path / "resumed", chunk=8)
    found = embed_passages(toy, static, folder=tmp_path / "resumed", chunk=8)
    assert calls == [8, 8, 8, 8, 8, 8], "16 passages were not encoded again"
    assert not (tmp_path / "resumed.partial").exists()
    straight = embed_passages(toy, static, folder=tmp_path / "straight", chunk=8)
    for name in ("vectors.npy", "ids.txt", "ids.ends"):
        assert (found.folder / name).read_bytes() == (straight.folder / name).read_bytes()
    calls.clear()
    embed_passages(toy, static, folder=tmp_path / "resumed")
    assert calls == []


def test_embeddings_of_something_else_are_refused(static: Any, tmp_path: Path) -> None:
    toy, folder = judged(sentences(10), ["lima"]), tmp_path / "mine"
    embed_passages(toy, static, folder=folder)
    with pytest.raises(InputError, match="another encoder"):
        embed_passages(toy, encoders.make(sentences(9), 120, 16, seed=5), folder=folder)
    with pytest.raises(InputError, match="of other passages"):
        embed_passages(judged(sentences(10, seed=2), ["lima"]), static, folder=folder)
    with pytest.raises(InputError, match="another precision: 'float32' instead of 'bf16'"):
        embed_passages(toy, static, folder=folder, precision="bf16")
    static.prompts["passage"] = "passage: "
    with pytest.raises(InputError, match="another prompt"):
        embed_passages(toy, static, folder=folder)
    static.prompts["passage"] = ""
    sums_path(folder).unlink()  # as an earlier version left it
    (folder / "ids.ends").write_bytes(b"\0" * 8 * 5)
    with pytest.raises(InputError, match="4 ids for 10 passages"):
        EmbeddedPassages.open(folder)
    (folder / "vectors.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="delete the folder"):
        EmbeddedPassages.open(folder)
    with pytest.raises(InputError, match="it has no passage embeddings"):
        EmbeddedPassages.open(tmp_path)
    with pytest.raises(InputError, match="9 passages were read|more than 9"):
        embed_passages(replace(toy, size=9), static, folder=tmp_path / "short")
    with pytest.raises(InputError, match="10 passages were read"):
        embed_passages(replace(toy, size=11), static, folder=tmp_path / "long")


def test_damaged_embeddings_are_made_anew(static: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    toy, folder = judged(sentences(10), ["lima"]), tmp_path / "mine"
    vectors = np.array(embed_passages(toy, static, folder=folder).vectors)
    raw = bytearray((folder / "vectors.npy").read_bytes())
    raw[-3] ^= 1
    (folder / "vectors.npy").write_bytes(raw)
    with pytest.raises(InputError, match=r"vectors.npy: damaged: its checksum differs; delete the folder and make it"):
        EmbeddedPassages.open(folder)
    np.testing.assert_array_equal(embed_passages(toy, static, folder=folder).vectors, vectors)
    assert caplog.text.count("it is made anew") == 1


def test_embeddings_that_cannot_be_searched() -> None:
    toy = judged(["a", "b", "c"], ["lima"])
    search = partial(search_vectors, toy, ids=ids_of(toy))
    good, asked = np.eye(3, dtype=np.float32), np.ones((1, 3), np.float32)
    with pytest.raises(InputError, match="NaN or infinity .* in row 1"):
        search(asked, good * [[1], [np.nan], [1]])
    with pytest.raises(InputError, match="queries: 1 hold NaN"):
        search(asked * np.inf, good)
    with pytest.raises(InputError, match="2 embeddings of passages for 3"):
        search(asked, good[:2])
    with pytest.raises(InputError, match="have 2 dimensions, those of passages 3"):
        search(asked[:, :2], good)
    with pytest.raises(InputError, match="2 embeddings of queries for 1"):
        search(np.ones((2, 3)), good)
    with pytest.raises(InputError, match="NaN or infinity"):
        search(asked, good * [[1], [np.nan], [1]], index="faiss-flat")
    with pytest.raises(InputError, match="k, the number of passages to retrieve, must be a whole number from 1"):
        search(asked, good, k=0)
    with pytest.raises(InputError, match="index 'annoy': it must be one of exact, faiss-flat"):
        search(asked, good, index="annoy")
    with pytest.raises(InputError, match="needs an encoder"):
        remedied_searches(Chain(), ["fusion"], toy)


def test_faiss_flat_is_exact_and_the_recall_of_others_is_measured(tmp_path: Path) -> None:
    draw = generator(0, "ann")
    passages = draw.standard_normal((900, 8), dtype=np.float32)
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    passages[450:459] = passages[7]
    asked = np.concatenate([draw.standard_normal((20, 8), dtype=np.float32), passages[7:8]])
    toy = judged([str(n) for n in range(900)], [str(n) for n in range(21)], 100)

    def search(index: str, k: int = 5) -> pd.DataFrame:
        return search_vectors(toy, asked, passages, ids_of(toy), tmp_path, k, index)

    exact = search("exact")
    # ten equal passages tie for five places: the greater ids, as bytes, have them
    last = exact[exact["query_id"] == toy.queries["query_id"].iloc[20]]
    assert last["passage_id"].tolist() == ["d7", "d458", "d457", "d456", "d455"]
    pd.testing.assert_frame_equal(search("faiss-flat"), exact)
    for index in ("ivf", "hnsw"):
        found = search(index)
        share = len(found.merge(exact, on=["query_id", "passage_id"])) / len(exact)
        assert found.attrs["recall"] == pytest.approx(share) and share > 0.9, index
        assert len(search(index, 2000)) <= 21 * 900
        changed = search_vectors(toy, asked, passages, ids_of(toy), None, 5, index)  # by a remedy: no index is kept
        assert changed.attrs["recall"] > 0.9
    assert len(search("ivf", 900)) < 21 * 900  # of the clusters that are near


def test_an_index_is_kept_and_checked(tmp_path: Path) -> None:
    def search(count: int, folder: str) -> pd.DataFrame:
        toy = judged(sentences(count), ["lima"])
        vectors = generator(count, "vectors").standard_normal((count + 1, 16), dtype=np.float32)
        return search_vectors(toy, vectors[:1], vectors[1:], ids_of(toy), tmp_path / folder, 10, "hnsw")

    for folder in ("mine", "other"):
        (tmp_path / folder).mkdir()
    run = search(300, "mine")
    (path,) = (tmp_path / "mine").glob("hnsw-*.faiss")
    written = path.stat().st_mtime_ns
    pd.testing.assert_frame_equal(search(300, "mine"), run)
    assert path.stat().st_mtime_ns == written
    assert len(search(20, "other")) == 10
    next((tmp_path / "other").glob("hnsw-*.faiss")).rename(path)
    with pytest.raises(InputError, match="an index of 20 passages"):
        search(300, "mine")
    path.write_bytes(b"no index")
    with pytest.raises(InputError, match="cannot be read"):
        search(300, "mine")


@pytest.mark.parametrize(
    ("language", "texts", "stems"),
    [
        ("en", "Running runs", ["run", "run"]),
        ("de", "Häuser Straßen", ["haus", "strass"]),
        ("fi", "taloissa talo", ["talo", "talo"]),
        ("ru", "Книги книга", ["книг", "книг"]),
        ("tr", "Isparta İSTANBUL kitapları", ["ıspar", "istanbul", "kitap"]),
        ("sw", "Watoto wanacheza", ["watoto", "wanacheza"]),  # no stemmer
        ("ko", "서울은 2", ["서울", "울은", "2"]),
        ("zh-Hant", "北京 running", ["北京", "running"]),
        ("pt-BR", "casas", ["cas"]),
    ],
)
def test_tokens_of_a_language(language: str, texts: str, stems: list[str]) -> None:
    assert tokens(texts, language) == stems


def test_languages_with_a_stemmer() -> None:
    for tag in ("ar", "de", "el", "en", "es", "fa", "fi", "fr", "hi", "id", "nb", "ru", "tr"):
        assert stemmer(tag) is not None, tag
    for tag in ("bn", "ja", "ko", "sw", "te", "th", "vi", "yo", "zh"):
        assert stemmer(tag) is None, tag


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_bm25_on_disk_has_bm25s_own_scores(cut: int) -> None:
    import bm25s

    texts = [*sentences(60), "kings kings kings", "…"]
    toy = judged(texts, ["the kings of lima", "river river", "nowhere", "…"], cut)
    index, ids = bm25_index(toy)
    peer = bm25s.BM25(method="lucene", k1=0.9, b=0.4, backend="numpy")
    peer.index([tokens(text, "en") for text in texts], show_progress=False)
    for text in toy.queries["text"]:
        known = peer.get_tokens_ids(tokens(text, "en"))
        if known:
            np.testing.assert_allclose(
                index.get_scores_from_ids(index.get_tokens_ids(tokens(text, "en"))),
                peer.get_scores_from_ids(known),
                rtol=1e-6,
            )
    assert ids[:].tolist() == [f"d{n}" for n in range(62)]
    run = bm25_search(toy, k=4)
    assert run.groupby("query_id").size().to_dict() == {"q0": 4, "q1": 4}
    scores = peer.get_scores(tokens("river river", "en"))
    want = sorted(range(62), key=lambda place: (scores[place], f"d{place}"), reverse=True)[:4]
    assert listed(run)[1] == [f"d{place}" for place in want]


def test_bm25_by_hand() -> None:
    run = bm25_search(judged(["blue cats", "cat cat dog", "dog"], ["cat"]))
    average = (2 + 3 + 1) / 3
    inverse = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    want = {
        name: inverse * times / (times + 0.9 * (1 - 0.4 + 0.4 * length / average))
        for name, times, length in (("d0", 1, 2), ("d1", 2, 3))
    }
    assert run.set_index("passage_id")["score"].to_dict() == pytest.approx(want, rel=1e-6)
    assert run["passage_id"].tolist() == ["d1", "d0"]


def test_an_index_of_files_that_changed_is_refused(cache: Path) -> None:
    with pytest.raises(InputError, match="1 passages were read instead of 2"):
        bm25_index(replace(judged(["a"], ["a"]), size=2))
    assert not any(path.is_file() for path in cache.rglob("*"))


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: bytes(len(raw)), lambda _: b"\x80"])
def test_a_damaged_bm25_index_is_made_anew(cache: Path, damage: Callable[[bytes], bytes]) -> None:
    toy = judged(["kings of lima", "river river"], ["river"])
    bm25_index(toy)
    (folder,) = (path for path in (cache / "bm25").iterdir() if path.is_dir())
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        index, ids = bm25_index(toy)
        assert path.read_bytes() == whole and ids[:].tolist() == ["d0", "d1"] and index.scores["num_docs"] == 2
    sums_path(folder).unlink()  # as an earlier version left it
    (folder / "params.index.json").write_bytes(b"\x80")
    with pytest.raises(InputError, match="the BM25 index cannot be read .* delete the folder"):
        bm25_index(toy)


def test_bm25_in_a_pool_reads_each_passage_in_its_language() -> None:
    english, finnish = pooled([judged(["houses"], ["house"]), judged(["taloissa"], ["talo"], language="fi")])
    assert bm25_search(english)["passage_id"].tolist() == ["en:d0"]
    assert bm25_search(finnish)["passage_id"].tolist() == ["fi:d0"]


def test_fusion_by_hand() -> None:
    first = run_frame(["q"] * 3, ["a", "b", "c"], [10.0, 6.0, 2.0])
    second = run_frame(["q", "q", "r"], ["c", "d", "e"], [0.9, 0.5, 0.1])
    # scaled: a 1, b .5, c 0; c 1, d 0; e alone is 1
    fused = fuse(first, second)
    assert fused.values.tolist() == [
        ["q", "c", 0.5],
        ["q", "a", 0.5],
        ["q", "b", 0.25],
        ["q", "d", 0.0],
        ["r", "e", 0.5],
    ]
    ranked = fuse(first, second, "rrf")
    want = {"c": 1 / 63 + 1 / 61, "d": 1 / 62, "b": 1 / 62, "a": 1 / 61, "e": 1 / 61}
    assert ranked["passage_id"].tolist() == ["c", "a", "d", "b", "e"]  # d and b tie
    assert ranked.set_index("passage_id")["score"].to_dict() == pytest.approx(want, rel=1e-6)
    assert len(fuse(first, second, k=2)) == 3
    with pytest.raises(InputError, match="fusion"):
        fuse(first, second, "sum")  # type: ignore[arg-type]


def test_systems_share_what_they_have_in_common(static: Any) -> None:
    toy = judged(sentences(30), ["lima oslo", "king bridge"])
    found = remedied_searches(Chain(), ["fusion", "rrf", "bm25", "dense"], toy, static, k=10)
    assert list(found) == ["fusion", "rrf", "bm25", "dense"]
    pd.testing.assert_frame_equal(found["fusion"], fuse(found["dense"], found["bm25"], k=10))
    pd.testing.assert_frame_equal(found["rrf"], fuse(found["dense"], found["bm25"], "rrf", k=10))
    pd.testing.assert_frame_equal(found["bm25"], bm25_search(toy, k=10))
    pd.testing.assert_frame_equal(found["dense"], dense_search(toy, static, k=10))


def count_passages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that gets the number of passages of each call of the encoder."""
    calls: list[int] = []
    encode = embedding.encode

    def counting(encoder: Any, texts: list[str], *rest: Any, **more: Any) -> np.ndarray:
        calls.append(len(texts))
        return encode(encoder, texts, *rest, **more)

    monkeypatch.setattr(streaming, "encode", counting)
    return calls


@pytest.mark.parametrize("k", [3, 20, 100])
@pytest.mark.parametrize("bounds", [[0, 53], [0, 16, 32, 53], [0, 24, 48, 53]])
def test_merged_runs_of_shards_are_the_run_of_all(static: Any, bounds: list[int], k: int) -> None:
    texts = (sentences(9) * 6)[:53]  # each six times, in all shards: equal scores
    toy = judged(texts, ["lima oslo", "king bridge", "winter"], cut=7)
    parts = [slice(*both) for both in itertools.pairwise(bounds)]
    shards = [embed_passages(toy, static, chunk=8, within=part) for part in parts]
    merged = merge_runs([dense_search(toy, static, k, embedded=shard) for shard in shards], k)
    whole = dense_search(toy, static, k)
    pd.testing.assert_frame_equal(merged, whole, check_exact=True)
    assert merged["score"].to_numpy().tobytes() == whole["score"].to_numpy().tobytes()
    assert len(merged) == 3 * min(k, 53)
    last = merged[merged["query_id"] == "q0"].head(k)["score"]
    assert last.duplicated().any()


def test_the_folder_of_all_passages_and_shards_serve_each_other(static: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    toy, calls = judged(sentences(40), ["lima"]), count_passages(monkeypatch)
    shard = embed_passages(toy, static, chunk=8, within=slice(16, 32))
    assert calls == [8, 8] and shard.ids[:].tolist() == [f"d{n}" for n in range(16, 32)]
    shard_vectors = np.array(shard.vectors)
    calls.clear()
    whole = embed_passages(toy, static, chunk=8)
    assert calls == [8, 8, 8], "16 of 40 passages were in the shard"
    np.testing.assert_array_equal(whole.vectors[16:32], shard_vectors)
    assert not list(whole.folder.parent.glob("*.shards")), "its place was taken"
    calls.clear()
    again = embed_passages(toy, static, chunk=8, within=slice(8, 40))
    assert calls == [] and again.ids[:].tolist() == [f"d{n}" for n in range(8, 40)]
    np.testing.assert_array_equal(again.vectors, whole.vectors[8:])
    other = embed_passages(toy, static, folder=whole.folder.with_name("straight"), chunk=8)
    for name in ("vectors.npy", "ids.txt", "ids.ends"):
        assert (whole.folder / name).read_bytes() == (other.folder / name).read_bytes()


@pytest.mark.parametrize("name", ["vectors.npy", "ids.txt", "key.json"])
def test_a_damaged_shard_is_made_again(static: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    toy, within = judged(sentences(40), ["lima"]), slice(16, 40)
    shard = embed_passages(toy, static, chunk=8, within=within)
    whole, path = np.array(shard.vectors), shard.folder / name
    path.write_bytes(path.read_bytes()[:-5])
    calls = count_passages(monkeypatch)
    assert np.array_equal(embed_passages(toy, static, chunk=8, within=within).vectors, whole) and calls == [8, 8, 8]
    path.write_bytes(path.read_bytes()[:-5])
    calls.clear()
    assert np.array_equal(embed_passages(toy, static, chunk=8).vectors[16:], whole) and calls == [8] * 5


def test_a_shard_is_of_its_collection(static: Any) -> None:
    toy = judged(sentences(40), ["lima"])
    shard = embed_passages(toy, static, chunk=8, within=slice(16, 40))
    with pytest.raises(InputError, match="these embeddings are not of toy, en"):
        dense_search(judged(sentences(40, seed=1), ["lima"]), static, embedded=shard)


def test_a_shard_of_files_that_changed_is_refused(static: Any) -> None:
    toy = judged(sentences(40), ["lima"])
    with pytest.raises(InputError, match="40 passages were read instead of 50"):
        embed_passages(replace(toy, size=50), static, chunk=8, within=slice(32, 50))
    with pytest.raises(InputError, match="more than 36 passages were read instead of 36"):
        embed_passages(replace(toy, size=36), static, chunk=8, within=slice(32, 36))
    assert not list(Path(os.environ["HYBRIDKIT_CACHE"]).rglob("vectors.npy"))


def test_a_remedy_acts_on_what_shards_have_encoded(static: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    english = judged(sentences(40), ["lima", "king"])
    german = judged(sentences(24, seed=1), ["oslo", "river"], language="de")
    pool = pooled([english, german])
    chain = parse("centre(by='passages') + calibrate(top=5)")

    def run() -> pd.DataFrame:
        return remedied_searches(chain, ["dense"], pool[0], static, collection_estimate(chain, pool, static), 10)[
            "dense"
        ]

    monkeypatch.setattr(streaming, "CHUNK", 8)
    for part in (english, german):
        embed_passages(part, static, chunk=8)
    want = run()
    monkeypatch.setenv("HYBRIDKIT_CACHE", f"{os.environ['HYBRIDKIT_CACHE']}-other")
    for part in (english, german):
        for within in streaming.shards(part.size, 16):
            embed_passages(part, static, within=within, chunk=8)
    calls = count_passages(monkeypatch)
    for part in (english, german):  # what `run` does first
        embed_passages(part, static, chunk=8)
    assert calls == []
    pd.testing.assert_frame_equal(run(), want, check_exact=True)
    assert calls == []
