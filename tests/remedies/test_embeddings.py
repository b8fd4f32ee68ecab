"""Remedies on embeddings: by hand on small spaces, in blocks, saved and read back, and every error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.embedding import encode
from hybridkit.remedies import Estimate, RowEmbeddings, centre, choose_rows, embed_rows, lir, parse, shift
from hybridkit.remedies import chains as module
from tests.remedies.pools import pool

POOL = pool({"de": 3, "en": 2}, 2)  # de 0:2, en 2:4 of the queries, de 0:3, en 3:5 of the passages
QUERIES = np.array([[1, 0, 0], [1, 2, 0], [0, 0, 4], [0, 2, 4]], np.float32)
PASSAGES = np.array([[3, 0, 0], [3, 0, 3], [3, 3, 0], [0, 0, 1], [0, 6, 1]], np.float32)
ROWS = RowEmbeddings(
    {"de": np.float32([[1, 0, 0], [1, 2, 0]]), "en": np.float32([[0, 0, 1], [0, 0, 3]])},
    {"de": np.float32([[2, 0, 0], [4, 0, 0]]), "en": np.float32([[0, 1, 0], [0, 3, 0]])},
)


def test_centre_by_hand() -> None:
    # means by passages: queries de [1, 1, 0], en [0, 1, 4]; passages de [3, 1, 1], en [0, 3, 1]
    queries, passages = parse("centre(by='passages')").embeddings(POOL, QUERIES, PASSAGES, None, "dot")
    assert queries.tolist() == [[0, -1, 0], [0, 1, 0], [0, -1, 0], [0, 1, 0]]
    assert passages.tolist() == [[0, -1, -1], [0, -1, 2], [0, 2, -1], [0, -3, 0], [0, 3, 0]]
    # means of the rows: queries de [1, 1, 0], en [0, 0, 2]; passages de [3, 0, 0], en [0, 2, 0]
    queries, passages = parse("centre(by='rows')").embeddings(POOL, QUERIES, PASSAGES, ROWS, "dot")
    assert queries.tolist() == [[0, -1, 0], [0, 1, 0], [0, 0, 2], [0, 2, 2]]
    assert passages.tolist() == [[0, 0, 0], [0, 0, 3], [0, 3, 0], [0, -2, 1], [0, 4, 1]]
    untouched, again = parse("centre(side='passage')").embeddings(POOL, QUERIES, PASSAGES, ROWS, "dot")
    assert untouched.tolist() == QUERIES.tolist() and again.tolist() == passages.tolist()


def test_under_cosine_lengths_are_1_again_and_nothing_is_nothing() -> None:
    _, passages = parse("centre(by='rows')").embeddings(POOL, QUERIES, PASSAGES, ROWS)
    assert passages[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(np.linalg.norm(passages[1:], axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(passages[4], np.array([0, 4, 1]) / 17**0.5, rtol=1e-6)


def test_shift_by_hand() -> None:
    # row 7 is in both languages: de [2, 0, 0] less en [0, 3, 0]
    rows = RowEmbeddings(ROWS.query, ROWS.passage, {"passage": {"de": np.array([7, 8]), "en": np.array([5, 7])}})
    queries, passages = parse("shift(source='en')").embeddings(POOL, QUERIES, PASSAGES, rows, "dot")
    assert queries.tolist() == QUERIES.tolist()
    assert (PASSAGES - passages).tolist() == [[2, -3, 0]] * 3 + [[0, 0, 0]] * 2
    _, passages = parse("shift(source='de')").embeddings(POOL, QUERIES, PASSAGES, ROWS, "dot")  # all aligned
    assert (PASSAGES - passages).tolist() == [[0, 0, 0]] * 3 + [[-3, 2, 0]] * 2


def test_lir_by_hand() -> None:
    # of German rows the first component is an axis
    rows = RowEmbeddings(
        {"de": np.float32([[9, 0, 0], [0, 1, 0]]), "en": np.float32([[0, 0, 5], [2, 0, 0]])},
        {"de": np.float32([[0, 5, 0], [0, 0, 1]]), "en": np.float32([[4, 0, 0], [0, 3, 0]])},
    )
    queries, passages = parse("lir").embeddings(POOL, QUERIES, PASSAGES, rows, "dot")
    assert queries.tolist() == [[0, 0, 0], [0, 2, 0], [0, 0, 0], [0, 2, 0]]
    assert passages.tolist() == [[3, 0, 0], [3, 0, 3], [3, 0, 0], [0, 0, 1], [0, 6, 1]]


@pytest.mark.parametrize("text", ["centre", "lir(k=1)", "lir(k=3)"])
def test_a_text_has_the_same_embedding_wherever_it_stands(text: str) -> None:
    (part,) = parse(text).on_embeddings  # in place, block by block
    random = np.random.default_rng(0)
    for count in range(30, 45):
        embeddings = random.normal(size=(count, 384)).astype(np.float32)
        embeddings[-3:] = embeddings[:3]
        both = {"de": embeddings, "en": -embeddings}
        module.take_off(part, embeddings, part.vectors(RowEmbeddings(both, both))["query"], "de", "cosine")
        assert np.array_equal(embeddings[-3:], embeddings[:3])


@given(st.integers(0, 99), st.integers(1, 3))
def test_lir_leaves_nothing_along_the_components_of_an_svd(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    queries, passages = random.normal(size=(4, 5)), random.normal(size=(5, 5))
    big = pool({"de": 30, "en": 20}, 10)
    queries, passages = random.normal(1, 1, (20, 5)), random.normal(1, 1, (50, 5))
    found = parse(f"lir(k={k}, by='passages')").embeddings(big, queries, passages, similarity="dot")
    for before, after, slices in ((queries, found[0], big.query_slices), (passages, found[1], big.passage_slices)):
        for part in slices.values():
            first = np.linalg.svd(before[part], full_matrices=False)[2][:k]
            np.testing.assert_allclose(after[part] @ first.T, 0, atol=1e-5)
            np.testing.assert_allclose(after[part], before[part] - before[part] @ first.T @ first, atol=1e-5)


@pytest.mark.parametrize(
    "text", ["centre(by='rows')", "centre(by='passages')", "lir(k=1)", "centre + lir", "lir + shift"]
)
def test_the_same_bytes_for_any_block_and_from_an_estimate(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    random, chain = np.random.default_rng(0), parse(text)
    big = pool({"de": 70, "en": 50}, 40)
    queries, passages = (random.normal(1, 1, (count, 8)).astype(np.float32) for count in (80, 120))
    rows = RowEmbeddings(
        *({tag: random.normal(1, 1, (30, 8)).astype(np.float32) for tag in ("de", "en")} for _ in "qp")
    )
    kept = queries.tobytes(), passages.tobytes()
    whole = chain.embeddings(big, queries, passages, rows)
    assert (queries.tobytes(), passages.tobytes()) == kept
    assert not np.allclose(whole[1], passages / np.linalg.norm(passages, axis=1, keepdims=True))
    if chain.needs_rows:
        estimate = chain.estimate(rows)
        estimate.save(tmp_path / "vectors.safetensors")
        again = Estimate.open(tmp_path / "vectors.safetensors")
        assert str(again) == str(estimate) and again.chain == text_of(chain)
        for found in (estimate, again):
            assert [one.tobytes() for one in chain.embeddings(big, queries, passages, found)] == [
                one.tobytes() for one in whole
            ]
    monkeypatch.setattr(module, "_ROWS", 7)
    for one, other in zip(chain.embeddings(big, queries, passages, rows), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def text_of(chain: module.Chain) -> str:
    return " + ".join(map(str, chain.on_embeddings))


def test_parts_act_one_after_the_other() -> None:
    random = np.random.default_rng(1)
    big = pool({"de": 30, "en": 20}, 10)
    queries, passages = random.normal(1, 1, (20, 5)), random.normal(1, 1, (50, 5))
    rows = RowEmbeddings(
        *({tag: random.normal(1, 1, (30, 5)).astype(np.float32) for tag in ("de", "en")} for _ in "qp")
    )
    both = parse("centre + lir").embeddings(big, queries, passages, rows, "dot")
    first = parse("centre").embeddings(big, queries, passages, rows, "dot")
    centred = RowEmbeddings(
        *({tag: one - one.mean(axis=0) for tag, one in rows.side(side).items()} for side in ("query", "passage"))
    )
    second = parse("lir").embeddings(big, *first, centred, "dot")
    for one, other in zip(both, second, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "rows", "message"),
    [
        ("centre", None, "it is estimated from training rows; give rows"),
        ("centre", {"de": 2}, "centre(by='rows'): one language only (de)"),
        ("shift", {"de": 2, "fr": 2}, "the rows have no passage in 'en'; there are de, fr: name one of these"),
        ("centre", {"de": 2, "fr": 2}, "nothing is known of 'en'; the rows have de, fr"),
        ("centre", {"de": 2, "en": 1}, "1 query text in 'en'; a language needs 2 or more"),
        ("centre", {"de": 2, "en": 0}, "0 query texts in 'en'"),
        ("lir(k=2)", {"de": 2, "en": 2}, "the 2 query embeddings in 'de' have rank 2"),
        (
            "lir(k=9)",
            {"de": 20, "en": 20},
            "the 20 query embeddings in 'de' have rank 3, so that nothing would be left",
        ),
    ],
)
def test_what_cannot_be_estimated(text: str, rows: dict[str, int] | None, message: str) -> None:
    random = np.random.default_rng(0)
    sides = [{tag: random.normal(size=(n, 3)).astype(np.float32) for tag, n in (rows or {}).items()} for _ in "qp"]
    with pytest.raises(InputError) as caught:
        parse(text).embeddings(POOL, QUERIES, PASSAGES, RowEmbeddings(*sides) if rows else None)
    assert message in str(caught.value)


def test_more_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one language only"):
        lone = pool({"de": 3}, 2)
        parse("centre(by='passages')").embeddings(lone, QUERIES[:2], PASSAGES[:3])
    with pytest.raises(InputError, match="no row has a passage both in 'de' and in 'en'"):
        shift().vectors(RowEmbeddings({}, ROWS.passage, {"passage": {"de": np.array([1, 2]), "en": np.array([3, 4])}}))
    with pytest.raises(InputError, match=r"embeddings of queries: shape \(3, 3\), but toy has 4 queries"):
        parse("centre").embeddings(POOL, QUERIES[:3], PASSAGES, ROWS)
    with pytest.raises(InputError, match="3 dimensions in the rows' embeddings, 2 in these"):
        parse("centre").embeddings(POOL, QUERIES[:, :2], PASSAGES[:, :2], ROWS)
    with pytest.raises(InputError, match=r"were estimated for lir\(k=1\); estimate them for this chain"):
        parse("centre").embeddings(POOL, QUERIES, PASSAGES, Estimate("lir(k=1)", {}))
    with pytest.raises(InputError, match="it is estimated from the texts that are searched; write by='rows'"):
        parse("centre(by='passages')").estimate(ROWS)
    with pytest.raises(InputError, match="NaN or infinity"):
        RowEmbeddings({"de": np.full((2, 2), np.nan, np.float32)}, {})
    with pytest.raises(InputError, match=r"\[2, 3\] dimensions"):
        RowEmbeddings({"de": np.zeros((2, 2), np.float32)}, {"de": np.zeros((2, 3), np.float32)})
    (tmp_path / "other.safetensors").write_bytes(b"no vectors")
    with pytest.raises(InputError, match="it does not hold language vectors"):
        Estimate.open(tmp_path / "other.safetensors")
    assert centre().from_rows and not lir(by="passages").from_rows


CORPUS = ParallelCorpus.from_rows(
    Row(
        f"r{n}",
        f"r{n}",
        f"r{n}",
        {"en": f"what {n}?", **({"de": f"was {n}?"} if n % 2 else {})},
        {"en": f"it {n}", "de": f"es {n}"},
        {},
    )
    for n in range(40)
)


def test_rows_are_chosen_by_a_hash_of_their_ids() -> None:
    some, all_rows = choose_rows(CORPUS, ["de", "en"], limit=5), choose_rows(CORPUS, ["de", "en"])
    assert [len(some.texts[side][tag]) for side in ("query", "passage") for tag in ("de", "en")] == [5] * 4
    assert some.numbers["passage"]["de"].tolist() == some.numbers["passage"]["en"].tolist()
    assert all(number % 2 for number in some.numbers["query"]["de"])
    assert [len(all_rows.texts["query"][tag]) for tag in ("de", "en")] == [20, 40]
    # the same ids, whatever else the corpus holds
    half = CORPUS.select(np.arange(40) < 30)
    few = {CORPUS.ids[number] for number in choose_rows(CORPUS, ["en"], limit=10).numbers["query"]["en"]}
    again = {half.ids[number] for number in choose_rows(half, ["en"], limit=10).numbers["query"]["en"]}
    assert few & set(half.ids.tolist()) <= again
    with pytest.raises(InputError, match=r"rows: no query in 'tr'.*the rows have de, en"):
        choose_rows(CORPUS, ["de", "tr"])


def test_rows_are_embedded_with_their_own_prompts() -> None:
    model = encoder.make(CORPUS.iter_texts(), vocab_size=60, dim=8)
    encoder.set_prompts(model, {"query": "what ", "passage": "it "})
    rows = choose_rows(CORPUS, ["de", "en"], limit=7)
    found = embed_rows(rows, model)
    for side in ("query", "passage"):
        for tag in ("de", "en"):
            np.testing.assert_allclose(found.side(side)[tag], encode(model, rows.texts[side][tag], side), atol=1e-6)
    assert found.fingerprint == rows.fingerprint != choose_rows(CORPUS, ["de", "en"], limit=8).fingerprint
