"""What a chain has estimated from rows: the vectors of every language, small, printed, saved and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.remedies.parts import Vectors


_CHAIN, _ROWS = "remedy", "rows"  # keys of the file's metadata


@dataclass(frozen=True, eq=False)
class Estimate:
    """The vectors that the parts of a chain take off, by part, side and language: float32 (m, dim).

    Attributes:
        chain: The parts on embeddings, as text.
        vectors: Part -> side -> language -> vectors.
        rows: Fingerprint of the texts that they were estimated from.
    """

    chain: str
    vectors: Mapping[str, Vectors]
    rows: str = ""

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the vectors by names such as "centre.passage.de"."""
        found = {
            f"{part}.{side}.{tag}": np.ascontiguousarray(one)
            for part, sides in self.vectors.items()
            for side, by_language in sides.items()
            for tag, one in by_language.items()
        }
        return dict(sorted(found.items()))

    def __str__(self) -> str:
        """What was estimated, and the length of the (first) vector of each side and language."""
        lines = [f"{self.chain}, estimated from rows {self.rows[:12] or 'without a fingerprint'}"]
        for name, one in self.arrays().items():
            lines.append(f"{name}: {len(one)} of {one.shape[1]} dimensions, length {np.linalg.norm(one[0]):.4f}")
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write the vectors as safetensors, with the chain and the rows' fingerprint in its metadata."""
        from safetensors.numpy import save_file

        with atomic_write(path) as temporary:
            save_file(self.arrays(), temporary, metadata={_CHAIN: self.chain, _ROWS: self.rows})

    @classmethod
    def open(cls, path: Path) -> Estimate:
        """Read what `save` wrote. Raises InputError for another file, or a damaged one.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "vectors.safetensors"
        >>> Estimate("shift(source='en')", {"shift": {"passage": {"de": np.ones((1, 2), np.float32)}}}).save(path)
        >>> print(Estimate.open(path))
        shift(source='en'), estimated from rows without a fingerprint
        shift.passage.de: 1 of 2 dimensions, length 1.4142
        """
        from safetensors import SafetensorError, safe_open

        vectors: dict[str, Vectors] = {}
        try:
            with safe_open(path, framework="numpy") as file:
                noted = file.metadata() or {}
                chain = noted[_CHAIN]
                for name in file.keys():  # noqa: SIM118  not a mapping
                    part, side, tag = name.split(".", 2)
                    vectors.setdefault(part, {}).setdefault(side, {})[tag] = file.get_tensor(name)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"{path}: it does not hold language vectors ({error}); export them again") from error
        return cls(chain, vectors, noted.get(_ROWS, ""))

    def settings(self, **more: object) -> str:
        r"""Return one line of JSON: the chain, the rows' fingerprint, and what else is given.

        >>> Estimate("shift(source='en')", {}, "f00").settings(prompts={"query": ""})
        '{"remedy": "shift(source=\'en\')", "rows": "f00", "prompts": {"query": ""}}\n'
        """
        return json.dumps({_CHAIN: self.chain, _ROWS: self.rows, **more}, ensure_ascii=False) + "\n"
