"""Weights as safetensors: what a file's header says, and a model that is to be no larger than its weights."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybridkit.errors import InputError
from hybridkit.reading import json_value

if TYPE_CHECKING:
    import torch

_HEADER_BYTES = 2**24
_SPARE_VALUES, _SPARE_TENSORS = 2**26, 10_000  # that a model may have beside its weights: poolers, tables of positions


@dataclass(frozen=True)
class Header:
    """How many tensors a file holds, and their bytes in all."""

    tensors: int
    bytes: int


def header(path: Path) -> Header:
    """Read the header of a safetensors file, no weight of it.

    Raises InputError for a file that is cut short, and for tensors that overlap or lie outside it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> told = b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
    >>> _ = path.write_bytes(len(told).to_bytes(8, "little") + told + bytes(8))
    >>> header(path)
    Header(tensors=1, bytes=8)
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_BYTES):
            raise InputError(f"{path.name} is no whole safetensors file (its header); get the folder again")
        raw = file.read(length)
    value = json_value(raw.decode(errors="replace"), path.name, "a whole safetensors file", "get the folder again")
    try:
        spans = sorted(tuple(one["data_offsets"]) for name, one in value.items() if name != "__metadata__")
        ends = [0, *(end for _, end in spans)]
        whole = all(type(bound) is int for span in spans for bound in span)
        whole = whole and all(before == start <= end for before, (start, end) in zip(ends, spans, strict=False))
    except (AttributeError, KeyError, TypeError, ValueError):
        whole = False
    if not whole or 8 + length + ends[-1] != size:
        raise InputError(f"{path.name} is no whole safetensors file (its tensors' places); get the folder again")
    return Header(len(spans), ends[-1])


@contextmanager
def held_to(headers: Iterable[Header], name: str) -> Iterator[None]:
    """Let no model be made in the block that is far larger than its weights, whatever its configuration says.

    Parameters and buffers are counted as modules register them, which is before they are drawn or read: a million
    layers end in an error after some thousand. Raises InputError with `name` in front.
    """
    from torch.nn.modules import module as hooks

    known = list(headers)
    # the weights may hold a half of the model, in 16 bits: the encoder of an encoder and decoder
    values = 2 * sum(one.bytes for one in known) + _SPARE_VALUES
    tensors = 4 * sum(one.tensors for one in known) + _SPARE_TENSORS
    count = [0, 0]
    thread = threading.get_ident()

    def look(module: "torch.nn.Module", key: str, value: "torch.Tensor | None") -> None:
        if value is None or threading.get_ident() != thread:
            return
        if module._parameters.get(key) is not None or module._buffers.get(key) is not None:
            return  # what was made without content gets it
        count[0] += value.numel()
        count[1] += 1
        if count[0] > values or count[1] > tensors:
            raise InputError(_too_large(name))

    handles = [
        hooks.register_module_parameter_registration_hook(look),
        hooks.register_module_buffer_registration_hook(look),
    ]
    try:
        yield
    except Exception as error:
        if count[0] > values or count[1] > tensors:  # a library may have caught ours and raised its own
            raise InputError(_too_large(name)) from error
        raise
    finally:
        for handle in handles:
            handle.remove()


def _too_large(name: str) -> str:
    return f"{name}: its configuration says a far larger model than its weights hold; get the folder again"
