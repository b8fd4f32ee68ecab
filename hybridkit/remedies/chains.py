"""Chains of remedies: read from a text, estimated, applied to a system's embeddings and scores."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.errors import InputError
from hybridkit.remedies.embeddings import centre, lir, shift
from hybridkit.remedies.estimates import Estimate
from hybridkit.remedies.parts import STAGES, OnEmbeddings, OnScores, Remedy, Vectors
from hybridkit.remedies.rows import RowEmbeddings
from hybridkit.remedies.scores import calibrate, on_block, zscore
from hybridkit.remedies.weights import interpolate
from hybridkit.retrieval.dense import COSINE, check_similarity
from hybridkit.utils.expressions import as_call, literal, name_of, options_of, syntax_tree
from hybridkit.utils.naming import meant
from hybridkit.utils.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.retrieval import Scorer


NONE = "none"
_REMEDIES: dict[str, type[Remedy]] = {
    kind.__name__: kind for kind in (interpolate, centre, shift, lir, calibrate, zscore)
}
_ROWS = 2048  # embeddings that are changed together
_NOTHING = 1e-6  # a vector of length 1 of which no more than this is left is one of zeros


@dataclass(frozen=True)
class Chain:
    """Remedies that act one after the other: in the weights, then on embeddings, then on scores.

    Make one with `parse`, or with `+`. The chain without a part is "none": it changes nothing.

    Raises:
        InputError: Parts in another order, or the same one more than once.

    >>> chain = centre(by="rows") + calibrate(top=3)
    >>> str(chain), chain.weights, [str(one) for one in chain.on_scores]
    ("centre(by='rows') + calibrate(top=3)", None, ['calibrate(top=3)'])
    """

    parts: tuple[Remedy, ...] = ()

    def __post_init__(self) -> None:
        names = [type(part).__name__ for part in self.parts]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{name} is in the chain {names.count(name)} times; leave one")
        places = [STAGES.index(part.stage) for part in self.parts]
        if any(one > other for one, other in pairwise(places)):
            right = sorted(self.parts, key=lambda part: STAGES.index(part.stage))
            raise InputError(f"remedies act in the order {', '.join(STAGES)}; write {' + '.join(map(str, right))}")

    def __str__(self) -> str:
        """The text that `parse` turns back into the same value."""
        return " + ".join(map(str, self.parts)) or NONE

    def __add__(self, other: Remedy | Chain) -> Chain:
        """Join two chains."""
        return Chain(self.parts + (other.parts if isinstance(other, Chain) else (other,)))

    @property
    def weights(self) -> float | None:
        """The trained encoder's share of the weights; None where they stay as they are."""
        return next((float(part.w) for part in self.parts if isinstance(part, interpolate)), None)

    @property
    def on_embeddings(self) -> tuple[OnEmbeddings, ...]:
        """The parts that act on embeddings."""
        return tuple(part for part in self.parts if isinstance(part, OnEmbeddings))

    @property
    def on_scores(self) -> tuple[OnScores, ...]:
        """The parts that act on scores."""
        return tuple(part for part in self.parts if isinstance(part, OnScores))

    @property
    def needs_rows(self) -> bool:
        """Whether a part is estimated from training rows."""
        return any(part.from_rows for part in self.on_embeddings)

    @property
    def row_languages(self) -> tuple[str, ...]:
        """Languages that the rows must have beside those of the benchmark."""
        return tuple(dict.fromkeys(part.source for part in self.parts if isinstance(part, shift)))

    @property
    def needs(self) -> str:
        """What must be known when a query is asked and when passages are indexed, in words.

        >>> print(parse("shift(source='en') + calibrate(top=3)").needs)
        at query time: shift: nothing; calibrate: the best 3 scores in every language; not the query's language
        at index time: shift: the passage's language, and its vector relative to 'en' from parallel rows; ...
        """
        lines = []
        for when in ("query", "index"):
            found = [f"{type(part).__name__}: {getattr(part, f'at_{when}_time')}" for part in self.parts]
            lines.append(f"at {when} time: {'; '.join(found) or 'nothing'}")
        return "\n".join(lines)

    def estimate(self, rows: RowEmbeddings, similarity: str = COSINE) -> Estimate:
        """Return the vectors of every language that the parts on embeddings take off, estimated from rows.

        `similarity` is the model's own; it matters where a part comes after another.

        Raises:
            InputError: A part that is estimated from the passages that are searched; and as the parts do.
        """
        found: dict[str, Vectors] = {}
        for nth, part in enumerate(self.on_embeddings):
            if not part.from_rows:
                raise InputError(f"{part}: it is estimated from the texts that are searched; write by='rows'")
            found[type(part).__name__] = part.vectors(rows)
            if nth + 1 < len(self.on_embeddings):
                rows = _changed(rows, part, found[type(part).__name__], similarity)
        return Estimate(str(Chain(self.on_embeddings)), found, rows.fingerprint)

    @one_blas_thread()
    def embeddings(
        self,
        benchmark: Benchmark,
        queries: NDArray[np.floating],
        passages: NDArray[np.floating],
        rows: RowEmbeddings | Estimate | None = None,
        similarity: str = COSINE,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the embeddings of queries and passages as the chain changes them, new float32 arrays.

        Where nothing acts on embeddings they are returned as they are. What they take beside the new arrays does not
        grow with their number.

        Args:
            benchmark: The benchmark, which knows the language of every query and passage.
            queries: (queries, dim) in the benchmark's order.
            passages: (passages, dim) in the benchmark's order.
            rows: Embeddings of training rows, or what `estimate` made of them; for parts with by="rows".
            similarity: The model's own (`encoder.similarity_of`); with "cosine" rows get length 1 again.

        Raises:
            InputError: No rows where they are needed, a language that they do not have, an estimate of another chain,
                embeddings of a wrong size; and as the parts do.
        """
        check_similarity(similarity)
        for what, found, count in (
            ("queries", queries, len(benchmark.queries)),
            ("passages", passages, len(benchmark.passages)),
        ):
            if found.ndim != 2 or len(found) != count:
                raise InputError(f"embeddings of {what}: shape {found.shape}, but {benchmark.name} has {count} {what}")
        if not self.on_embeddings:
            return queries, passages
        changed = np.array(queries, np.float32), np.array(passages, np.float32)
        texts = RowEmbeddings(
            {tag: changed[0][part] for tag, part in benchmark.query_slices.items()},
            {tag: changed[1][part] for tag, part in benchmark.passage_slices.items()},
        )
        self.change(texts, rows, similarity)
        return changed

    def change(self, texts: RowEmbeddings, rows: RowEmbeddings | Estimate | None, similarity: str) -> None:
        """Change the embeddings of some texts in place, by side and language; see `embeddings`."""
        if isinstance(rows, Estimate) and rows.chain != str(Chain(self.on_embeddings)):
            raise InputError(f"{self}: the vectors were estimated for {rows.chain}; estimate them for this chain")
        for part in self.on_embeddings:
            name = type(part).__name__
            if not part.from_rows:
                vectors = part.vectors(texts)
            elif rows is None:
                raise InputError(f"{part}: it is estimated from training rows; give rows")
            else:
                vectors = rows.vectors[name] if isinstance(rows, Estimate) else part.vectors(rows)
            for side, found in vectors.items():
                for tag, embeddings in texts.side(side).items():
                    take_off(part, embeddings, found, tag, similarity)
            if isinstance(rows, RowEmbeddings) and part is not self.on_embeddings[-1]:
                rows = _changed(rows, part, vectors, similarity)

    def on_block(
        self,
        block: NDArray[np.floating],
        slices: Mapping[str, slice],
        absent: NDArray[np.bool_] | None = None,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return a block of scores (queries, passages) as the parts on scores change it; see `scores.on_block`."""
        return on_block(self.on_scores, block, slices, absent, out)

    def scorer(self, benchmark: Benchmark, scorer: Scorer) -> Scorer:
        """Return the scorer whose scores are those of another one, changed by the parts on scores.

        Its blocks are changed in place, as every scorer of the kit makes a new one for each call; where the first two
        blocks turn out to be of one memory, blocks are copied.

        >>> scorer = parse("calibrate(top=1)").scorer(toy, lambda rows: np.array([[0.9, 0.2, 0.5, 0.4]], np.float32))
        >>> scorer(slice(0, 1)).round(2).tolist()  # de:1, de:2, en:1, en:2
        [[0.0, -0.699999988079071, 0.0, -0.10000000149011612]]
        """
        if not self.on_scores:
            return scorer
        slices = benchmark.passage_slices
        before: list[NDArray[np.float32]] = []  # the memory of the first block, until there is another
        own: list[bool] = []

        def score(rows: slice) -> NDArray[np.float32]:
            found = scorer(rows)
            block = np.ascontiguousarray(found, np.float32)
            if not own:
                root = _root(block)
                if before:
                    own.append(before.pop() is not root)
                else:
                    before.append(root)
            mine = bool(own and own[0] and block.flags.writeable)
            return self.on_block(block, slices, out=block if mine else None)

        return score


def _root(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The array whose memory an array is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def take_off(
    part: OnEmbeddings,
    embeddings: NDArray[np.float32],
    vectors: Mapping[str, NDArray[np.float32]],
    language: str,
    similarity: str,
) -> None:
    """Take a language's vectors off its embeddings in place, block by block, with length 1 again under cosine."""
    if language not in vectors:
        raise InputError(
            f"{part}: nothing is known of {language!r}; the rows have {', '.join(vectors)}: give rows in every "
            "language that is evaluated"
        )
    own = vectors[language]
    if len(embeddings) and own.shape[1] != embeddings.shape[1]:
        raise InputError(
            f"{part}: {own.shape[1]} dimensions in the rows' embeddings, {embeddings.shape[1]} in these; encode both "
            "with one encoder"
        )
    for start in range(0, len(embeddings), _ROWS):
        block = embeddings[start : start + _ROWS]
        part.take_off(block, own)
        if similarity == COSINE:
            lengths = np.sqrt(np.vecdot(block, block))[:, None]
            block /= np.where(lengths > _NOTHING, lengths, np.float32(np.inf))


def _changed(rows: RowEmbeddings, part: OnEmbeddings, vectors: Vectors, similarity: str = COSINE) -> RowEmbeddings:
    """Rows as a part changes them, for the part that comes after it."""
    found = {side: dict(rows.side(side)) for side in ("query", "passage")}
    for side, by_language in vectors.items():
        for tag, embeddings in found[side].items():
            found[side][tag] = np.array(embeddings, np.float32)
            take_off(part, found[side][tag], by_language, tag, similarity)
    return RowEmbeddings(found["query"], found["passage"], rows.numbers, rows.fingerprint)


def parse(text: str) -> Chain:
    """Return the chain of remedies that a text names; the inverse of `str`. Nothing of the text is executed.

    Parts are joined by `+`; "none" is the chain without a part. The first option may be written without its name.

    Raises:
        InputError: An unknown name or option, a value out of range, a wrong order, a part that is there twice.

    >>> str(parse("interpolate(0.5)+centre+calibrate(3)"))
    "interpolate(0.5) + centre(by='rows') + calibrate(top=3)"
    >>> parse("none").parts
    ()
    >>> parse("calibrate(top=3) + centre(by='rows')")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: remedy "calibrate(top=3) + centre(by='rows')": remedies act in the order weights, ...
    """
    where = f"remedy {text!r}"
    node = syntax_tree(text, where, "none, calibrate(top=5) or centre(by='rows') + calibrate(top=5)")
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        found.append(node.right)
        node = node.left
    found = [node, *reversed(found)]
    try:
        if len(found) == 1 and name_of(as_call(node)) == NONE:
            if isinstance(node, ast.Call):
                raise InputError(f"write {NONE}")
            return Chain()
        return Chain(tuple(map(_part, found)))
    except (InputError, RecursionError) as error:
        raise InputError(f"{where}: {error}") from error


def _part(node: ast.expr) -> Remedy:
    call = as_call(node)
    name = name_of(call)
    if name == NONE:
        raise InputError(f"{NONE} is the chain without a part; leave it out")
    if name not in _REMEDIES:
        raise InputError(
            f"there is no remedy {name}{meant(name, _REMEDIES)}; there are {', '.join(_REMEDIES)} and {NONE}, "
            "joined by +"
        )
    options = [one.name for one in fields(_REMEDIES[name])]
    if len(call.args) > min(1, len(options)):
        raise InputError(f"{name} takes {', '.join(options) or 'nothing'}; write options by name")
    first = [literal(one, f"{ast.unparse(one)}: it must be a number or a text") for one in call.args]
    return _REMEDIES[name](*first, **options_of(call, name, options[len(first) :]))
