"""Open, start and apply a re-ranker: a CrossEncoder of one score, from safetensors, never with code from elsewhere."""

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from hybridkit.errors import InputError, first_line
from hybridkit.models import encoder
from hybridkit.models.embedding import (
    FAILURES,
    SAMPLE,
    as_it_was,
    batches_by_length,
    cut_at,
    cut_long,
    failing_clearly,
    rounding,
    some_by_length,
    token_counts,
)
from hybridkit.models.model_folders import fault
from hybridkit.utils.numbers import check_seed
from hybridkit.utils.progress import bar
from hybridkit.utils.reading import json_file
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


ALIASES = {"mminilm": "nreimers/mMiniLMv2-L6-H384-distilled-from-XLMR-Large"}  # the start of arXiv 2305.05295
_AGAIN = "get the folder again"
_ONE_SCORE = "a re-ranker is a cross-encoder of one score: train one with `hybridkit train --kind reranker`"
_ACTIVATION = re.compile(r"torch\.nn\.modules\.(activation\.\w+|linear\.Identity)")  # the library calls what it names
_HEAD = "ForSequenceClassification"
_warned: "WeakSet[CrossEncoder]" = WeakSet()  # re-rankers whose pairs are scored by the library
log = logging.getLogger("hybridkit")


def open(name: str | Path, device: str | None = None) -> "CrossEncoder":
    """Open a trained re-ranker, a folder or a hub name, in float32.

    Raises InputError, with the cure, for what is no cross-encoder (a dual encoder too), has another number of scores
    than one or no weights of its head, and as `encoder.open` does.

    >>> open("./no-such-folder")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: ./no-such-folder: there is no such folder; check the path
    """
    folder, source = encoder.folder_of(ALIASES.get(str(name), name))
    if not fault(folder) and (why := _no_reranker(folder)):
        raise InputError(f"{name}: {why}; {_ONE_SCORE}")
    model = _load(folder, device)
    if model.num_labels != 1:
        raise InputError(f"{name}: it gives {model.num_labels} scores to a pair; {_ONE_SCORE}")
    if missing := _missing(model, folder, _head(model)):
        raise InputError(f"{folder}: its weights do not have {missing[0]}; {_AGAIN}")
    vars(model)["origin"] = _settings(folder / encoder.SOURCE_FILE) or source
    return model


def start(name: str | Path, seed: int = 0, device: str | None = None) -> "CrossEncoder":
    """Return a model to train as a re-ranker: an encoder under a new head of one score, or a re-ranker as it is.

    `name` is an alias (`e5-small`, `mminilm`, and those of encoders), a folder or a hub name. The head is drawn by
    `seeds.generator(seed, "reranker head", parameter)`: weights from a normal distribution with the model's own
    `initializer_range`, biases 0. So is the pooler of a BERT where the encoder has none (or one of zeros), as a dual
    encoder that averages token embeddings never trained it.

    Raises InputError for a head of several scores, a model that is no transformer, and as `open` does.
    """
    check_seed(seed)
    folder, source = encoder.folder_of(ALIASES.get(str(name), name))
    if fault(folder) or not _no_reranker(folder):
        return open(name, device)
    home = _transformer_of(folder, str(name))
    model = _load(home, device)
    if model.num_labels != 1:
        raise InputError(
            f"{name}: its head gives {model.num_labels} scores to a pair; give the encoder that it was made from"
        )
    head = _head(model)
    pooler = [one for one in dict(model.named_parameters()) if ".pooler." in one and one not in head]
    unused = pooler and (_missing(model, home, pooler) or not any(_values(model, one).any() for one in pooler))
    _draw(model, [*head, *(pooler if unused else [])], seed)
    vars(model)["origin"] = _settings(folder / encoder.SOURCE_FILE) or source
    return model


def _load(folder: Path, device: str | None) -> "CrossEncoder":
    def load() -> "CrossEncoder":
        from sentence_transformers import CrossEncoder

        _check_activation(folder)
        with _quiet():
            return CrossEncoder(str(folder), device=device, **encoder.library_options())

    model = encoder.build(folder, load)
    if model.transformers_model is None or len(model) != 1:
        raise InputError(f"{folder}: it has more modules than a transformer with a head; use another model")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep two libraries from reporting that a new head is new; `open` looks for what is missing by itself."""
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _check_activation(folder: Path) -> None:
    """Refuse an activation that is not one of torch.nn: the library imports and calls what a configuration names."""
    config, own = (_settings(folder / name) for name in ("config.json", "config_sentence_transformers.json"))
    inner = config.get("sentence_transformers")
    named = [own.get("activation_fn"), config.get("sbert_ce_default_activation_function")]
    named.append(inner.get("activation_fn") if isinstance(inner, dict) else None)
    for one in named:
        if one is not None and not (isinstance(one, str) and _ACTIVATION.fullmatch(one)):
            raise InputError(f"{folder}: its activation {one!r} is not one of torch.nn; use another model")


def _settings(path: Path) -> dict[str, Any]:
    found = json_file(path, _AGAIN) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _no_reranker(folder: Path) -> str:
    """Why a folder is no cross-encoder with a head; "" where it is one."""
    kind = _settings(folder / "config_sentence_transformers.json").get("model_type")
    if (folder / "modules.json").is_file() and kind != "CrossEncoder":
        return "this is a dual encoder, which embeds each text by itself"
    architectures = _settings(folder / "config.json").get("architectures")
    if not isinstance(architectures, list) or not architectures or not str(architectures[0]).endswith(_HEAD):
        return "this model has no head that gives a pair of texts a score"
    return ""


def _transformer_of(folder: Path, name: str) -> Path:
    """The folder of the transformer in an encoder's."""
    path = folder / "modules.json"
    if not path.is_file():
        return folder
    listed = json_file(path, _AGAIN)
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    if str(first.get("type", "")).rpartition(".")[2] != "Transformer" or not isinstance(first.get("path"), str):
        raise InputError(f"{name}: its first module is no transformer, which a re-ranker needs; use another model")
    home: Path = folder / first["path"]
    if not home.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{name}: its module {first['path']!r} is outside the folder; {_AGAIN}")
    return home


def _head(model: "CrossEncoder") -> list[str]:
    """The names of the parameters that are not the encoder's."""
    inner: Any = model.transformers_model
    body = {id(one) for one in inner.base_model.parameters()}
    return [name for name, one in model.named_parameters() if id(one) not in body]


def _missing(model: "CrossEncoder", folder: Path, names: Sequence[str]) -> list[str]:
    """Those of some parameters that the folder's weights do not have, as transformers names them."""
    from safetensors import safe_open

    known: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "np") as opened:
            known |= set(opened.keys())
    prefix: str = getattr(model.transformers_model, "base_model_prefix", "")
    inner = [name.split(".model.", 1)[1] for name in names]  # behind the number of the module and its attribute
    return [name for name in inner if not {name, name.removeprefix(f"{prefix}.")} & known]


def _values(model: "CrossEncoder", name: str) -> Any:
    return model.get_parameter(name).detach()


def _draw(model: "CrossEncoder", names: Sequence[str], seed: int) -> None:
    import torch

    spread = float(getattr(model.config, "initializer_range", None) or 0.02)
    with torch.no_grad():
        for name in names:
            parameter = model.get_parameter(name)
            if parameter.ndim > 1:
                drawn = generator(seed, "reranker head", name).normal(0, spread, tuple(parameter.shape))
                parameter.copy_(torch.from_numpy(drawn.astype(np.float32)))
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)  # of a layer norm


def score(
    model: "CrossEncoder",
    queries: Sequence[str],
    passages: Sequence[str],
    *,
    max_length: int | None = None,
    precision: str = "float32",
    batch_tokens: int = 2048,
    progress: str | None = None,
) -> np.ndarray:
    """Return the scores of pairs, float32 (n,), in their order: the model's logits, the higher the more relevant.

    They are those of sentence-transformers' `predict` without its activation (to 5e-5 of the largest of some of the
    pairs, in float32), which would make all clear answers equal. Equal pairs are scored once. As in `encode`, some of
    the pairs are scored by the library and by the kit's way (batches of like length, oneDNN on a CPU); where the two
    differ, all go the library's way, and the log says so. The log also has the number of pairs that are cut.

    Args:
        model: The re-ranker; it is left as it was.
        queries: n texts.
        passages: n texts.
        max_length: Cut pairs at so many tokens, or at the model's own maximum if that is less.
        precision: "float32", or "bf16" for autocast.
        batch_tokens: Tokens of a batch, padding included.
        progress: Name of a bar on stderr; no bar where it is None.

    Raises:
        InputError: A text is not a string or is empty; the model cannot score the pairs, or returns nan or infinity.
    """
    found, cut = score_and_count(model, queries, passages, max_length, precision, batch_tokens, progress)
    report_cut(model, cut, len(found), max_length)
    return found


def report_cut(model: "CrossEncoder", cut: int, count: int, max_length: int | None = None, what: str = "pairs") -> None:
    """Say how many of some pairs are cut, where any is."""
    if cut:
        longest = min(model.max_seq_length or sys.maxsize, max_length or sys.maxsize)
        log.info(
            "%s of %s %s are longer than the %d tokens that the re-ranker reads; of each the longer text is cut",
            f"{cut:,}",
            f"{count:,}",
            what,
            longest,
        )


def score_and_count(
    model: "CrossEncoder",
    queries: Sequence[str],
    passages: Sequence[str],
    max_length: int | None = None,
    precision: str = "float32",
    batch_tokens: int = 2048,
    progress: str | None = None,
) -> tuple[np.ndarray, int]:
    """Return what `score` returns, and how many of the pairs are cut, which is not said."""
    for side, texts in (("query", queries), ("passage", passages)):
        for position, text in enumerate(texts):
            if not isinstance(text, str) or not text:
                raise InputError(f"{side} {position} is {text!r}; every text must be a string that is not empty")
    number: dict[tuple[str, str], int] = {}
    inverse = [number.setdefault(pair, len(number)) for pair in zip(queries, passages, strict=True)]
    if not number:
        return np.empty(0, dtype=np.float32), 0
    with cut_at(model, max_length), as_it_was(model):
        lengths, cut = pair_lengths(model, list(number))
        found = _score(model, list(number), lengths, precision, batch_tokens, progress)
    if not np.isfinite(found).all():
        raise InputError("the re-ranker returned a score that is nan or infinite; was its training stable?")
    return np.asarray(found[inverse], dtype=np.float32), int(cut[inverse].sum())


def _score(
    model: "CrossEncoder",
    pairs: list[tuple[str, str]],
    lengths: np.ndarray,
    precision: str,
    batch_tokens: int,
    progress: str | None,
) -> np.ndarray:
    import torch

    from hybridkit.models.fast_layers import onednn_linear

    model.eval()
    why = "" if len(pairs) <= SAMPLE else _difference(model, pairs, lengths)
    if why and model not in _warned:
        _warned.add(model)
        log.warning("%s; all pairs are scored by sentence-transformers' own predict, which takes longer", why)
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        if why or len(pairs) <= SAMPLE:
            return _by_library(model, pairs)
        out = np.empty(len(pairs), dtype=np.float32)
        shown = bar(total=len(pairs), desc=progress, unit="pair", disable=progress is None)
        with torch.inference_mode(), onednn_linear(model), shown:
            for batch in batches_by_length(lengths, batch_tokens):
                out[batch] = _forward(model, [pairs[at] for at in batch.tolist()])
                shown.update(len(batch))
        return out


def pair_features(model: "CrossEncoder", pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return what a re-ranker reads of pairs; of texts far longer than that only the beginning is looked at."""
    sides: Any = [cut_long(model, list(side)) for side in zip(*pairs, strict=True)]
    found: dict[str, Any] = model.preprocess(list(zip(*sides, strict=True)))
    return found


def pair_lengths(model: "CrossEncoder", pairs: Sequence[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of pairs as a re-ranker reads them, int64 (n,), and which of the pairs it cuts, bool (n,).

    Characters where a tokenizer does not count, and then none is known to be cut.
    """
    number: dict[str, int] = {}
    at = np.array([[number.setdefault(text, len(number)) for text in pair] for pair in pairs], dtype=np.int64)
    counts = token_counts(model, cut_long(model, list(number)))
    if counts is None:
        lengths = np.array([len(text) for text in number], dtype=np.int64)[at].sum(axis=1)
        return lengths, np.zeros(len(lengths), dtype=bool)
    backend = model.tokenizer.backend_tokenizer
    marks = backend.num_special_tokens_to_add(True) - 2 * backend.num_special_tokens_to_add(False)
    lengths = counts[at].sum(axis=1) + marks
    limit = model.max_seq_length or sys.maxsize
    return np.minimum(lengths, limit), lengths > limit


def _difference(model: "CrossEncoder", pairs: list[tuple[str, str]], lengths: np.ndarray) -> str:
    """How the kit's scores of some pairs differ from the library's, in a sentence; empty where they do not."""
    import torch

    from hybridkit.models.fast_layers import onednn_linear

    sample = [pairs[at] for at in some_by_length(lengths).tolist()]
    with torch.inference_mode(), torch.autocast(model.device.type, enabled=False):
        theirs = _by_library(model, sample)
        try:
            with onednn_linear(model):
                ours = np.concatenate([_forward(model, [pair]) for pair in sample])
        except FAILURES as error:
            return f"the kit's batches fail on this re-ranker ({first_line(error)})"
    gap = float(np.max(np.abs(ours - theirs)) / max(1.0, float(np.max(np.abs(theirs)))))
    if not gap > rounding(model):  # nan is left to the caller, which names it
        return ""
    return f"this re-ranker's scores depend on how pairs are put into batches (by {gap:.1e})"


def _by_library(model: "CrossEncoder", pairs: list[tuple[str, str]]) -> np.ndarray:
    from torch import nn

    with failing_clearly("score a pair", "re-ranker"):
        return np.asarray(model.predict(pairs, activation_fn=nn.Identity(), show_progress_bar=False), np.float32)


def _forward(model: "CrossEncoder", pairs: list[tuple[str, str]]) -> np.ndarray:
    from sentence_transformers.util import batch_to_device

    found = model(batch_to_device(pair_features(model, pairs), model.device))["scores"]
    return np.asarray(found.float().reshape(-1).cpu().numpy())
