"""Which planted copies of a benchmark are found among 40,000 real rows, how many of the real rows are, and how quickly.

The rows are those of `--rows` and as many planted ones as make 40,000. Each holds one text of the benchmark, copied in
one way, beside other real texts, so that only this text can give it away; "on its paragraph" has the benchmark's own
paragraph too. A word of a script without spaces is two Chinese or five Thai characters. Recall is counted by kind of
copy and script, and for texts of 40 letters and more apart. Every hit among the real rows is printed: judge by eye.

    HYBRIDKIT_DATA=FOLDER python benchmarks/leaks.py
    HYBRIDKIT_DATA=FOLDER python benchmarks/leaks.py --rows squad2-fi-en --benchmark mlqa-r
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import pandas as pd
from apart import peak_mib

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.leakage import find_leaks, targets_of
from hybridkit.data.rows import Row, normalise
from hybridkit.data.sources.open_benchmarks import open_benchmark
from hybridkit.data.sources.open_rows import open_rows_source
from hybridkit.data.text_overlap import Letters

Draw = np.random.Generator


def main() -> None:
    """Plant, search, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="squad2-fi-en")
    parser.add_argument("--benchmark", default="xquad-r")
    parser.add_argument("--size", type=int, default=40_000)
    args = parser.parse_args()
    targets = targets_of([open_benchmark(args.benchmark)])
    real = list(islice(open_rows_source(args.rows), args.size * 19 // 20))
    planted, kinds = zip(*_planted(targets, real, args.size - len(real)), strict=True)
    corpus = ParallelCorpus.from_rows([*real, *planted])
    start, wall = time.process_time(), time.perf_counter()
    found = find_leaks(corpus, targets)
    took = f"{time.process_time() - start:.1f} s of CPU, {time.perf_counter() - wall:.1f} s"
    print(f"{len(corpus):,} rows, {len(targets):,} texts of {args.benchmark}: {took}, peak {peak_mib():,.0f} MiB")
    table = pd.DataFrame(kinds, columns=["side", "copy", "script", "letters"])
    table["found"] = np.isin(np.arange(len(real), len(corpus)), found["row"])
    table["40 letters"] = table["found"].where(table["letters"] >= 40)
    wide = table.groupby(["side", "copy"], sort=False).agg(
        rows=("found", "size"), all=("found", "mean"), **{"from 40 letters on": ("40 letters", "mean")}
    )
    by_script = table.pivot_table("40 letters", ["side", "copy"], "script", sort=False)
    print(wide.join(by_script).astype({"rows": int}).to_string(float_format="{:.3f}".format))
    hits = found[found["row"] < len(real)]
    near = hits[~hits["kind"].isin(["exact", "id"])]
    print(
        f"\n{hits['row'].nunique()} of {len(real):,} real rows hit, {near['row'].nunique()} of them not by equal texts"
    )
    for hit in hits.drop_duplicates(["text", "match"]).itertuples():
        print(f"{hit.side}, {hit.kind}, {hit.similarity:.2f}: {_cut(hit.text)} | {_cut(hit.match)}")


def _cut(text: str, length: int = 110) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _planted(targets: pd.DataFrame, real: list[Row], count: int) -> Iterator[tuple[Row, tuple[str, str, str, int]]]:
    """Rows that hold a copy, each with side, kind of copy, script and the letters of the text that is copied."""
    draw = np.random.default_rng(0)
    paragraphs = targets[targets["side"] == "passage"].groupby(["group", "language"])["text"].agg(" ".join)
    plans = [(side, name) for name in COPIES for side in ("query", "passage")]
    plans += [("passage", name) for name in PASSAGE_COPIES] + [("query", "a word added, on its paragraph")]
    by_side = dict(list(targets.groupby("side")))
    for number in range(count):
        side, copy = plans[number % len(plans)]
        line = by_side[side].iloc[int(draw.integers(len(by_side[side])))]
        while len(normalise(line["text"])) < 12:  # "Yes.", "1"
            line = by_side[side].iloc[int(draw.integers(len(by_side[side])))]
        other = real[int(draw.integers(len(real)))]
        tag, text = line["language"], line["text"]
        texts = {"query": other.query["en"], "passage": other.passage["en"]}
        if copy in COPIES:
            texts[side] = COPIES[copy](text, draw)
        elif copy == "a word added, on its paragraph":
            texts = {"query": COPIES["a word added"](text, draw), "passage": paragraphs[line["group"], tag]}
        elif copy == "its paragraph":
            texts[side] = paragraphs[line["group"], tag]
        elif copy == "in a longer passage":
            texts[side] = f"{other.passage['en']} {text} {real[int(draw.integers(len(real)))].passage['en']}"
        else:  # a wrong tag
            tag = "en" if tag != "en" else "de"
            texts[side] = text
        script = line["language"] if line["language"] in ("th", "zh") else "with spaces"
        size = int(Letters.of([normalise(text)]).sizes[0])
        name = f"planted/{number}"
        row = Row(name, name, name, {tag: texts["query"]}, {tag: texts["passage"]}, {})
        yield row, (side, copy, script, size)


def _words(text: str) -> tuple[list[str], str]:
    """The words of a text and what stands between them; of a script without spaces some characters each."""
    if len(text.split()) > 2:
        return text.split(), " "
    size = 2 if any("\u4e00" <= letter <= "\u9fff" for letter in text) else 5
    return [text[at : at + size] for at in range(0, len(text), size)], ""


def _changed(text: str, draw: Draw, change: Callable[[list[str], int], None]) -> str:
    words, between = _words(text)
    change(words, int(draw.integers(len(words))))
    return between.join(words)


def _typo(text: str, draw: Draw) -> str:
    """Two neighbouring letters in the other order, or one of them twice."""
    places = [at for at in range(1, len(text) - 1) if text[at].isalpha() and text[at + 1].isalpha()]
    at = places[int(draw.integers(len(places)))] if places else 1
    two = text[at : at + 2][::-1] if text[at] != text[at + 1] else text[at] * 3
    return text[:at] + two + text[at + 2 :]


def _another(words: list[str]) -> str:
    """A word of about the length of the text's words, in its own script."""
    return sorted(words, key=len)[len(words) // 2][::-1]


def _replace(words: list[str], at: int) -> None:
    words[at] = _another(words)


COPIES: dict[str, Callable[[str, Draw], str]] = {
    "exact": lambda text, draw: text,
    "case and punctuation": lambda text, draw: f"“{text.rstrip('?.!').upper()}”  …",
    "a typo": _typo,
    "a word added": lambda text, draw: _changed(text, draw, lambda words, at: words.insert(at, _another(words))),
    "a word removed": lambda text, draw: _changed(text, draw, lambda words, at: words.pop(at) and None),
    "a word replaced": lambda text, draw: _changed(text, draw, _replace),
}
PASSAGE_COPIES = ("in a longer passage", "its paragraph", "under a wrong language")

if __name__ == "__main__":
    main()
