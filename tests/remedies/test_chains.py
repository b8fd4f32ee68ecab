"""Chains print and parse back, keep their order, and say what they need and what is wrong with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.errors import InputError
from hybridkit.remedies import Chain, calibrate, centre, interpolate, lir, parse, shift, zscore

sources = st.sampled_from(["rows", "passages"])
weights = st.builds(interpolate, st.floats(0, 1) | st.integers(0, 1))
embeddings = [
    st.builds(centre, sources, st.sampled_from(["both", "passage"])),
    st.builds(shift, st.sampled_from(["en", "pt-BR", "zh-Hant"])),
    st.builds(lir, st.integers(1, 99), sources),
]
scores = [st.builds(calibrate, st.integers(1, 99)), st.just(zscore())]


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    parts = [draw(weights)] if draw(st.booleans()) else []
    for kinds in (embeddings, scores):
        chosen = draw(st.permutations(kinds))[: draw(st.integers(0, len(kinds)))]
        parts += [draw(one) for one in chosen]
    return Chain(tuple(parts))


@given(chains())
def test_print_and_parse_back(chain: Chain) -> None:
    assert parse(str(chain)) == chain
    assert parse(f"  {chain} ") == chain
    assert str(parse(str(chain))) == str(chain)
    assert hash(parse(str(chain))) == hash(chain)
    assert chain.needs.count("at index time") == 1


@pytest.mark.parametrize(
    ("text", "chain", "printed"),
    [
        ("none", Chain(), None),
        ("zscore", Chain((zscore(),)), None),
        ("zscore()", Chain((zscore(),)), "zscore"),
        ("calibrate", Chain((calibrate(top=5),)), "calibrate(top=5)"),
        ("calibrate(3)", Chain((calibrate(top=3),)), "calibrate(top=3)"),
        ("lir(2, by='passages')", Chain((lir(k=2, by="passages"),)), "lir(k=2, by='passages')"),
        ("centre('rows', side='both')", Chain((centre(),)), "centre(by='rows')"),
        ("interpolate(w=.5)+lir+zscore", interpolate(0.5) + lir() + zscore(), "interpolate(0.5) + lir(k=1) + zscore"),
        (
            "interpolate(0.5) + centre(by='rows') + calibrate(top=3)",
            interpolate(0.5) + centre(by="rows") + calibrate(top=3),
            None,
        ),
    ],
)
def test_texts_of_chains(text: str, chain: Chain, printed: str | None) -> None:
    assert parse(text) == chain
    assert str(chain) == (printed or text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read; write e.g. none, calibrate(top=5) or centre"),
        ("centre +", "cannot be read"),
        ("(" * 9999, "cannot be read"),
        ("centre - calibrate", "there is no remedy centre - calibrate; there are interpolate, centre, shift, lir"),
        ("center", "there is no remedy center (did you mean centre?)"),
        ("__import__('os')", "there is no remedy __import__"),
        ("none + centre", "none is the chain without a part; leave it out"),
        ("none()", "write none"),
        ("centre + calibrate + centre", "centre is in the chain 2 times; leave one"),
        (" + ".join(["zscore"] * 3), "zscore is in the chain 3 times"),
        ("calibrate + centre", "in the order weights, embeddings, scores; write centre(by='rows') + calibrate(top=5)"),
        ("centre + interpolate(0.5)", "write interpolate(0.5) + centre(by='rows')"),
        (
            "calibrate(top=0)",
            "calibrate: top, the number of best passages of a language, must be a whole number from 1",
        ),
        ("calibrate(top=2.0)", "(got 2.0)"),
        ("calibrate(k=2)", "k=2 is not for calibrate; it takes top"),
        ("calibrate(2, top=2)", "top=2 is not for calibrate"),
        ("calibrate(top)", "top: it must be a number or a text"),
        ("zscore(1)", "zscore takes nothing"),
        ("lir(k=0)", "lir: k, the number of components, must be a whole number from 1 on (got 0)"),
        ("lir(1, 'rows')", "lir takes k, by; write options by name"),
        ("lir(by='queries')", "lir: by must be 'rows' or 'passages' (got 'queries')"),
        ("centre(by='all')", "centre: by must be 'rows' or 'passages' (got 'all')"),
        ("centre(side='query')", "centre: side must be 'both' or 'passage' (got 'query')"),
        ("shift(source='')", "shift: source must be a language in quotes"),
        ("shift(source=1)", "(got 1)"),
        ("interpolate(1.5)", "interpolate: w, the trained encoder's share, must be a number from 0 to 1 (got 1.5)"),
        ("interpolate(w=True)", "(got True)"),
        ("calibrate(top=1, top=2)", "is duplicated; leave one"),
    ],
)
def test_wrong_texts(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_a_long_chain_is_no_recursion() -> None:
    with pytest.raises(InputError):
        parse(" + ".join(["zscore"] * 3000))


def test_what_a_chain_has_and_needs() -> None:
    chain = parse("interpolate(0.5) + shift(source='de') + calibrate(top=3)")
    assert chain.weights == 0.5 and parse("lir").weights is None
    assert chain.on_embeddings == (shift(source="de"),) and chain.on_scores == (calibrate(top=3),)
    assert chain.needs_rows and not parse("centre(by='passages') + zscore").needs_rows
    assert chain.row_languages == ("de",)
    query, index = chain.needs.splitlines()
    assert "shift: nothing" in query and "not the query's language" in query
    assert "the passage's language" in index
    assert "the query's language" in parse("centre").needs.splitlines()[0]
    assert parse("none").needs == "at query time: nothing\nat index time: nothing"
