"""Remedies on the command line: what --remedy, --remedy-rows and --start say, checked before anything is encoded."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.data.collection import Collection
    from hybridkit.remedies import Chain, Estimate, RowEmbeddings
    from hybridkit.remedies.rows import Rows

WORDS = "bm25"  # the system without embeddings


class Remedied:
    """The chains of a command, and the encoders, rows and embeddings that they are applied to.

    Raises:
        InputError: A chain that is wrong, or does not fit the systems or benchmarks; rows that are missing, lack a
            language or overlap a benchmark.
    """

    def __init__(
        self, args: argparse.Namespace, benchmarks: Iterable["Benchmark"], collections: Sequence["Collection"]
    ) -> None:
        from hybridkit.remedies import Chain, parse

        self.args = args
        self.asked = bool(args.remedy)
        self.chains: list[Chain] = list(dict.fromkeys(map(parse, args.remedy))) if args.remedy else [Chain()]
        self.similarity = ""
        self._models: dict[float | None, SentenceTransformer | None] = {}
        self._estimates: dict[tuple[str, ...], Estimate | None] = {}
        self._embedded: dict[float | None, RowEmbeddings] = {}
        self._check(collections)
        self._rows = self._chosen(list(benchmarks), collections)

    def _check(self, collections: Sequence["Collection"]) -> None:
        from hybridkit.remedies.collections import check_chain
        from hybridkit.retrieval.rerank import first_stage

        for chain in self.chains:
            if all(first_stage(name) == WORDS for name in self.args.system) and (
                chain.on_embeddings or chain.weights is not None
            ):
                raise InputError(
                    f"--remedy {chain}: it acts on embeddings or weights, and {WORDS} has none; give --system dense or "
                    "fusion, or a remedy on scores: calibrate(top=5) or zscore"
                )
            try:
                if collections:
                    check_chain(chain, self.args.depth)
            except InputError as error:
                raise InputError(f"--remedy {chain}: {error}") from error
        if self.args.remedy_rows and not any(chain.needs_rows for chain in self.chains):
            raise InputError("--remedy-rows: no remedy is estimated from rows; give --remedy \"centre(by='rows')\"")
        if self.args.start and not any(chain.weights is not None for chain in self.chains):
            raise InputError('--start: no remedy needs it; give --remedy "interpolate(0.5)"')

    def _chosen(self, benchmarks: list["Benchmark"], collections: Sequence["Collection"]) -> "Rows | None":
        from hybridkit.data.leakage import targets_of
        from hybridkit.data.sources.open_rows import open_corpus
        from hybridkit.remedies import choose_rows, refuse_overlap

        needing = [chain for chain in self.chains if chain.needs_rows]
        if not needing:
            return None
        if not self.args.remedy_rows:
            raise InputError(
                f"--remedy {needing[0]}: it is estimated from parallel rows; give --remedy-rows NAME, such as "
                "xnli-entailment or a file of your own"
            )
        parts = {part.fingerprint: part for one in collections for part in one.parts or (one,)}
        languages = [tag for benchmark in benchmarks for tag in benchmark.languages]
        languages += [part.language for part in parts.values()]
        languages += [tag for chain in needing for tag in chain.row_languages]
        rows = choose_rows(open_corpus(self.args.remedy_rows), list(dict.fromkeys(languages)))
        refuse_overlap(rows, targets_of(benchmarks, list(parts.values())))
        return rows

    def open(self, model: "SentenceTransformer | None") -> None:
        """Take the encoder of the command, and open the one that it was trained from where a chain needs it."""
        from hybridkit.models import encoder
        from hybridkit.models.interpolation import interpolate
        from hybridkit.retrieval.dense import COSINE

        self.similarity = COSINE if model is None else encoder.similarity_of(model)
        shares = [chain.weights for chain in self.chains if chain.weights is not None]
        self._models = {None: model}
        if model is None or not shares:
            return
        name, weights = start_of(self.args.model)
        name = self.args.start or name
        if not name:
            raise InputError(f"{self.args.model}: it does not say which encoder it was trained from; give --start NAME")
        start = encoder.open(name)
        if weights and encoder.weights_hash(start) != weights:
            raise InputError(
                f"{name}: its weights are not those that {self.args.model} was trained from; give --start NAME"
            )
        for share in dict.fromkeys(shares):
            self._models[share] = interpolate(start, model, share)

    def systems(self, chain: "Chain", systems: Sequence[str]) -> list[str]:
        """Return the systems that a chain acts on: all but BM25 where it acts on embeddings or weights."""
        from hybridkit.retrieval.rerank import first_stage

        inner = bool(chain.on_embeddings) or chain.weights is not None
        return [name for name in dict.fromkeys(systems) if not (inner and first_stage(name) == WORDS)]

    def rows(self, chain: "Chain") -> "RowEmbeddings | None":
        """Return the embeddings of the rows by the encoder of a chain, made once; None where it needs none."""
        from hybridkit.remedies import embed_rows

        model = self._models[chain.weights]
        if not chain.needs_rows or self._rows is None or model is None:
            return None
        if chain.weights not in self._embedded:
            options = {"max_length": self.args.max_length, "precision": self.args.precision}
            self._embedded[chain.weights] = embed_rows(self._rows, model, **options)
        return self._embedded[chain.weights]

    def encoded(
        self, encode: "Callable[[SentenceTransformer], tuple[Any, Any]]"
    ) -> "Callable[[Chain], tuple[Any, Any] | None]":
        """Return what gives the embeddings that a chain starts from, made once for each encoder by `encode`."""
        found: dict[float | None, tuple[Any, Any]] = {}

        def of(chain: "Chain") -> tuple[Any, Any] | None:
            model = self._models[chain.weights]
            if model is None:
                return None
            if chain.weights not in found:
                found[chain.weights] = encode(model)
            return found[chain.weights]

        return of

    def search(
        self, chain: "Chain", collection: "Collection", sets: Sequence["Collection"]
    ) -> "dict[str, pd.DataFrame]":
        """Return the run of every system, of re-ranked ones the first stage, that a chain acts on, on a collection."""
        from hybridkit.remedies.collections import collection_estimate, remedied_searches
        from hybridkit.retrieval.rerank import first_stage

        args, model = self.args, self._models[chain.weights]
        options = {"max_length": args.max_length, "precision": args.precision}
        key = (str(chain), *(one.fingerprint for one in sets))
        if key not in self._estimates and model is not None:
            self._estimates[key] = collection_estimate(chain, sets, model, self.rows(chain), **options)
        systems = list(dict.fromkeys(map(first_stage, self.systems(chain, args.system))))
        estimate = self._estimates.get(key)
        return remedied_searches(chain, systems, collection, model, estimate, args.depth, **options)


def start_of(model: str) -> tuple[str, str]:
    """Return the encoder that a folder was trained from, and its hash; "" where it is not noted.

    `hybridkit train` notes it in its record, a study beside the weights.

    >>> start_of("no-such-folder")
    ('', '')
    """
    from hybridkit.cli.train import RECORD
    from hybridkit.models.encoder import SOURCE_FILE
    from hybridkit.utils.reading import json_file

    folder = Path(model).expanduser()
    for file, keys in ((RECORD, ("model", "weights")), (SOURCE_FILE, ("start", "start_weights"))):
        found = json_file(folder / file, "train the model again") if (folder / file).is_file() else {}
        name, weights = (str(found.get(key) or "") for key in keys) if isinstance(found, dict) else ("", "")
        if name or weights:
            return ("" if name == "static" else name), weights
    return "", ""
