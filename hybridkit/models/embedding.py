"""Texts to embeddings: sentence-transformers' own vectors, faster where a sample shows that the kit's are the same.

Texts far longer than a model reads are cut before a tokenizer has to hold all their tokens.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from hybridkit.errors import InputError, first_line
from hybridkit.utils.progress import bar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor


log = logging.getLogger("hybridkit")
_LETTERS = 64  # characters for each token that the model reads; hardly any token has as many
# a side's name in sentence-transformers
TASKS = {"query": "query", "passage": "document", "negative": "document", "twin": "query"}
SAMPLE = 4  # texts that both ways embed before the kit's is used; so few texts are embedded by the library at once
ROUNDING = 5e-5  # of float32: the largest difference of two embeddings, relative to their length, that is ignored
FAILURES = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RuntimeError)  # of an encoder
_CHUNK = 50_000
_FILLER = "."  # read for an empty text, which is never compared: tokenizers without marks make no token of ""
_warned: "WeakSet[SentenceTransformer]" = WeakSet()  # encoders that are embedded by the library


def encode(
    encoder: "SentenceTransformer",
    texts: Sequence[str],
    side: str = "query",
    *,
    max_length: int | None = None,
    precision: str = "float32",
    batch_tokens: int = 2048,
    progress: str | None = None,
) -> np.ndarray:
    """Return the embeddings of texts, float32 (n, dimensions), in their order.

    The vectors are those of sentence-transformers' `encode_query` and `encode_document` (to 5e-5 of their length in
    float32): the encoder's prompt and route for `side` ("query" or "passage"), its pooling, its cut of dimensions. Rows
    have length 1 where the encoder compares by cosine, and are its own vectors otherwise. Equal texts get equal rows.

    Some of the texts, the shortest and the longest among them, are embedded by the library and by the kit's way:
    batches of like length of at most `batch_tokens` tokens, oneDNN on a CPU. Where the two differ, all texts go the
    library's way, and the log says so once for an encoder.

    Args:
        encoder: The encoder; it is left as it was.
        texts: n texts.
        side: "query" or "passage"; any other word means no prompt and no route.
        max_length: Cut texts at so many tokens, or at the encoder's own maximum if that is less.
        precision: "float32", or "bf16" for autocast.
        batch_tokens: Tokens of a batch, padding included.
        progress: Name of a bar on stderr; no bar where it is None.

    Raises:
        InputError: A text is not a string or is empty; the encoder cannot embed the texts, or returns nan or infinity.

    Example:
        >>> from hybridkit.models import encoder
        >>> vectors = encode(encoder.make(["Lima is old", "Oslo is cold"], vocab_size=40, dim=8), ["Lima", "Oslo"])
        >>> vectors.shape, bool(np.allclose(np.linalg.norm(vectors, axis=1), 1))
        ((2, 8), True)
    """
    from hybridkit.models.encoder import similarity_of

    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise InputError(f"{side} {position} is {text!r}; every text must be a string that is not empty")
    distinct, first, inverse = np.unique(np.array(texts, dtype=object), return_index=True, return_inverse=True)
    with cut_at(encoder, max_length), as_it_was(encoder):
        distinct = np.array([*cut_long(encoder, distinct.tolist())], dtype=object)
        found = _encode(encoder, distinct, first, side, precision, batch_tokens, progress)
    if not np.isfinite(found).all():
        raise InputError(f"the encoder returned a {side} embedding with nan or infinity; was its training stable?")
    if similarity_of(encoder) == "cosine":
        found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return np.asarray(found[inverse], dtype=np.float32)


def _encode(
    encoder: "SentenceTransformer",
    texts: np.ndarray,
    first: np.ndarray,
    side: str,
    precision: str,
    batch_tokens: int,
    progress: str | None,
) -> np.ndarray:
    """Embed distinct texts; `first` has the order that they came in, which the library's batches follow."""
    import torch

    from hybridkit.models.fast_layers import onednn_linear

    encoder.eval()
    prompt = prompt_of(encoder, side)
    lengths = _lengths(encoder, [prompt + text for text in texts])
    why = "" if len(texts) <= SAMPLE else _difference(encoder, texts, lengths, side)
    if why and encoder not in _warned:
        _warned.add(encoder)
        log.warning("%s; all texts are embedded by sentence-transformers' own encode, which takes longer", why)
    autocast = torch.autocast(encoder.device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
    if why or len(texts) <= SAMPLE:
        order = np.argsort(first)
        with autocast:
            found = _by_library(encoder, texts[order].tolist(), side, progress)
        return found[np.argsort(order)]
    out = np.empty((0, 0), dtype=np.float32)
    with (
        torch.inference_mode(),
        onednn_linear(encoder),
        autocast,
        bar(total=len(texts), desc=progress, unit="text", disable=progress is None) as shown,
    ):
        for batch in batches_by_length(lengths, batch_tokens):
            found = _forward(encoder, texts[batch].tolist(), side)
            if not len(out):
                out = np.empty((len(texts), found.shape[1]), dtype=np.float32)
            out[batch] = found
            shown.update(len(batch))
    return out


def _difference(encoder: "SentenceTransformer", texts: np.ndarray, lengths: np.ndarray, side: str) -> str:
    """How the kit's way differs from the library's on some of the texts, in a sentence; empty where it does not.

    Each text alone, without any padding, is set against the library's one batch, padded to the longest text. Both are
    taken without autocast, whose rounding would hide what differs.
    """
    import torch

    from hybridkit.models.fast_layers import onednn_linear

    sample = texts[some_by_length(lengths)].tolist()
    with torch.inference_mode(), torch.autocast(encoder.device.type, enabled=False):
        theirs = _by_library(encoder, sample, side, None)
        try:
            with onednn_linear(encoder):
                ours = np.concatenate([_forward(encoder, [text], side) for text in sample])
        except FAILURES as error:  # the library can embed by this encoder, the kit's way cannot
            return f"the kit's batches fail on this encoder ({first_line(error)})"
    if ours.shape != theirs.shape:
        return f"the kit's batches return {ours.shape[1]} dimensions, sentence-transformers {theirs.shape[1]}"
    gap = float(np.max(np.linalg.norm(ours - theirs, axis=1) / np.maximum(np.linalg.norm(theirs, axis=1), 1e-12)))
    if not gap > rounding(encoder):  # nan is left to the caller, which names it
        return ""
    return f"this encoder's embeddings depend on how texts are put into batches (by {gap:.1e} of their length)"


def _by_library(encoder: "SentenceTransformer", texts: list[str], side: str, progress: str | None) -> np.ndarray:
    """Embeddings by sentence-transformers' own methods, float32 (n, dimensions); InputError where they fail."""
    if not texts:
        return np.empty((0, encoder.get_embedding_dimension() or 0), dtype=np.float32)
    encodes: dict[str | None, Callable[..., Any]] = {"query": encoder.encode_query, "document": encoder.encode_document}
    own = encodes.get(TASKS.get(side), encoder.encode)
    prompt, shown = prompt_of(encoder, side), progress is not None
    with failing_clearly(f"embed a {side or 'text'}"):
        found = own(texts, prompt=prompt, show_progress_bar=shown, convert_to_tensor=True)
    return np.asarray(found.float().cpu().numpy())


def _forward(encoder: "SentenceTransformer", texts: list[str], side: str) -> np.ndarray:
    """One batch through the encoder, as `SentenceTransformer.encode` puts it through, float32 (n, dimensions)."""
    from sentence_transformers.util import batch_to_device, truncate_embeddings

    features = batch_to_device(features_of(encoder, texts, side, prompt_of(encoder, side)), encoder.device)
    found: Tensor = encoder(features, **({"task": TASKS[side]} if side in TASKS else {}))["sentence_embedding"]
    if encoder.truncate_dim is not None:
        found = truncate_embeddings(found, encoder.truncate_dim)
    return np.asarray(found.float().cpu().numpy())


def batches_by_length(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Return positions sorted by length, longest first, in batches that stay within the budget with their padding."""
    order = np.argsort(-lengths, kind="stable")
    batches, first = [], 0
    while first < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[first]])))
        batches.append(order[first : first + size])
        first += size
    return batches


def _lengths(encoder: "SentenceTransformer", texts: Sequence[str]) -> np.ndarray:
    """Tokens of texts as the encoder will see them; characters where they cannot be counted."""
    counts = token_counts(encoder, texts)
    if counts is None:
        counts = np.array([len(text) for text in texts], dtype=np.int64)
    longest = getattr(input_modules(encoder)[0], "max_seq_length", None) or np.inf
    lengths: np.ndarray = np.minimum(counts, int(min(longest, 10**9)))
    return lengths


def features_of(encoder: "SentenceTransformer", texts: list[str], side: str, prompt: str | None) -> dict[str, Any]:
    """Return what an encoder reads of texts: token numbers and more, with the prompt and for the route of a side."""
    return preprocess(encoder, texts, prompt=prompt or None, task=TASKS.get(side))


def preprocess(encoder: "SentenceTransformer", texts: list[str], **more: Any) -> dict[str, Any]:
    """Return `encoder.preprocess` of texts, but only the beginning of those that `cut_long` cuts."""
    found: dict[str, Any] = encoder.preprocess(cut_long(encoder, [text or _FILLER for text in texts]), **more)
    return found


def prompt_of(encoder: "SentenceTransformer", side: str) -> str:
    """Return the prompt before each text of a side: that of "passage", else the library's name for it, "document"."""
    names = ("passage", "document", "corpus") if TASKS.get(side) == "document" else (side,)
    return next((encoder.prompts[name] or "" for name in names if name in encoder.prompts), "")


def text_lengths(
    encoder: "SentenceTransformer", max_length: int | None = None
) -> "Callable[[list[str], str], tuple[np.ndarray, int]] | None":
    """Return what `check_plan` measures texts with: (texts, side) to the tokens of each, and the number that is read.

    Prompts count. `max_length` or the encoder's own maximum is read; None where nothing is cut, or tokens are unknown.
    """
    with cut_at(encoder, max_length):
        longest = encoder.max_seq_length
    if not longest or longest > 10**9 or token_counts(encoder, []) is None:
        return None

    def measure(texts: list[str], side: str) -> tuple[np.ndarray, int]:
        prompt = prompt_of(encoder, side)
        return np.asarray(token_counts(encoder, cut_long(encoder, [prompt + text for text in texts]))), longest

    return measure


def token_counts(encoder: "SentenceTransformer", texts: Sequence[str]) -> np.ndarray | None:
    """Return the numbers of tokens of texts, uncut, int64 (n,); None for an encoder without a fast tokenizer."""
    tokenizer = getattr(input_modules(encoder)[0], "tokenizer", None)
    backend: Any = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "encode_batch_fast"):
        return None
    counts: list[int] = []
    with whole_texts(backend):
        for start in range(0, len(texts), _CHUNK):
            counts += [len(one) for one in backend.encode_batch_fast(list(texts[start : start + _CHUNK]))]
    return np.array(counts, dtype=np.int64)


@contextmanager
def whole_texts(backend: Any) -> Iterator[None]:
    """Keep a tokenizer from padding and cutting inside the block; afterwards it does both as before."""
    padding, truncation = backend.padding, backend.truncation
    backend.no_padding()
    backend.no_truncation()
    try:
        yield
    finally:
        if padding is not None:
            backend.enable_padding(**padding)
        if truncation is not None:
            backend.enable_truncation(**truncation)


def cut_long(encoder: "SentenceTransformer", texts: list[str]) -> list[str]:
    """Return texts, of those far longer than the encoder reads only the beginning, with one notice.

    Prompts are in the texts. A beginning has twice the tokens that the encoder reads, so that its vector is that of the
    whole text. An encoder without a limit, or that reads the end of a text, gets all of it.
    """
    modules = input_modules(encoder)  # each with limits of its own
    limits = [_limit(module) for module in modules]
    limit = max(limits)
    if not min(limits) or limit > 1_000_000 or max(map(len, texts), default=0) <= _LETTERS * limit:
        return texts
    tokenizers = [getattr(module, "tokenizer", None) for module in modules]
    if any(getattr(tokenizer, "truncation_side", "right") == "left" for tokenizer in tokenizers):
        return texts
    backends = [getattr(tokenizer, "backend_tokenizer", tokenizer) for tokenizer in tokenizers]
    found = [_beginning(text, limit, backends) for text in texts]
    cut = [len(text) for text, left in zip(texts, found, strict=True) if len(left) < len(text)]
    if cut:
        log.info(
            "%d texts of up to %s characters are cut before they are split into tokens; the encoder reads %d tokens",
            len(cut),
            f"{max(cut):,}",
            limit,
        )
    return found


def _limit(module: Any) -> int:
    """Tokens that a module reads of a query or a passage at most; 0 where there is no limit."""
    common = getattr(module, "max_seq_length", None) or 0
    own = [getattr(module, name, None) or 0 for name in ("query_length", "document_length")]
    return max(common, *own) if common else 0


def _beginning(text: str, limit: int, backends: list[Any]) -> str:
    letters = _LETTERS * limit
    while letters < len(text):
        if min(_tokens(text[:letters], backend) for backend in backends) >= 2 * limit:
            return text[:letters]
        letters *= 4  # spaces, or a word that is one unknown token
    return text


def _tokens(text: str, backend: Any) -> int:
    """Tokens of a text, whether or not the tokenizer cuts or pads."""
    if not hasattr(backend, "encode_batch_fast"):
        return len(text) // 32  # a tokenizer in Python; no token is longer on average
    found = backend.encode(text)
    return sum(sum(piece.attention_mask) for piece in (found, *found.overflowing))


@contextmanager
def cut_at(encoder: "SentenceTransformer", max_length: int | None) -> Iterator[None]:
    """Let an encoder cut texts at `max_length` tokens inside the block, or at its own maximum if that is less.

    Raises InputError for an encoder that cuts no text, such as a static one.
    """
    if max_length is None:
        yield
        return
    with ExitStack() as restored:
        cuts = False
        for module in input_modules(encoder):
            # queries and passages may have maxima of their own, which override the common one
            for name in ("max_seq_length", "query_length", "document_length"):
                before = getattr(module, name, None)
                if not hasattr(module, name) or (before is None and name != "max_seq_length"):
                    continue  # a bag of words cuts nothing
                try:
                    setattr(module, name, min(max_length, before) if before else max_length)
                except AttributeError:  # a static embedding takes all of a text
                    continue
                restored.callback(setattr, module, name, before)
                cuts = True
        if not cuts:
            raise InputError(
                f"max_length {max_length}: this encoder takes texts of any length and never cuts; leave max_length out"
            )
        yield


def cuts_texts(encoder: "SentenceTransformer") -> bool:
    """Return whether an encoder can cut texts at a number of tokens; a static one takes texts of any length.

    >>> from hybridkit.models.encoder import make
    >>> cuts_texts(make(["a b c"], vocab_size=10, dim=4))
    False
    """
    try:
        with cut_at(encoder, 2**20):  # no maximum is as large, so that none is changed
            return True
    except InputError:
        return False


@contextmanager
def as_it_was(encoder: "SentenceTransformer") -> Iterator[None]:
    """Put every module back into its mode, training or not, after the block."""
    modes = [(module, module.training) for module in encoder.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def input_modules(encoder: "SentenceTransformer") -> list[Any]:
    """Return the modules of an encoder that read texts: one, or the first of each route of a Router."""
    from sentence_transformers.base.modules import Router

    head = encoder[0]
    return list(dict.fromkeys(route[0] for route in head.sub_modules.values())) if isinstance(head, Router) else [head]


def some_by_length(lengths: np.ndarray) -> np.ndarray:
    """Return positions of at most `SAMPLE` texts from the shortest to the longest, at equal steps by length.

    >>> some_by_length(np.array([9, 1, 5, 3, 7, 2, 8])).tolist()
    [1, 3, 4, 0]
    """
    order: np.ndarray = np.argsort(lengths, kind="stable")
    picked: np.ndarray = order[np.unique(np.linspace(0, len(order) - 1, SAMPLE).round().astype(int))]
    return picked


def rounding(encoder: "SentenceTransformer") -> float:
    """Return the largest relative difference of two results that is ignored: that of float32, or of shorter numbers."""
    half = any(one.is_floating_point() and one.element_size() < 4 for one in encoder.parameters())
    return 400 * ROUNDING if half else ROUNDING


@contextmanager
def failing_clearly(what: str, kind: str = "encoder") -> Iterator[None]:
    """Turn a failure of sentence-transformers on the user's texts into an InputError, but not one of memory."""
    try:
        yield
    except FAILURES as error:
        if isinstance(error, InputError) or is_full(error):
            raise
        raise InputError(
            f"sentence-transformers cannot {what} with this {kind} ({first_line(error)}); check the {kind}'s "
            "tokenizer and sizes, or cut texts with max_length"
        ) from error


def is_full(error: BaseException) -> bool:
    """Return whether an error means full memory: Python's, a GPU's or that of PyTorch's CPU allocator."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
