"""One of the processes that train a model of a study together (`training.processes`); `launch` starts it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run


def main(words: Sequence[str]) -> None:
    """Train a model in its run folder; the first of the processes writes it."""
    folder, text = words
    run, spec = Run.open(Path(folder)), read_spec(text)
    run.trained.train_here(spec, run.trained.path(spec))


def read_spec(text: str) -> ModelSpec:
    """Return the model that a JSON text describes.

    >>> from dataclasses import asdict
    >>> spec = ModelSpec("mono", 1, languages=("de", "en"))
    >>> read_spec(json.dumps(asdict(spec))) == spec
    True
    """
    value = json.loads(text)
    return ModelSpec(**{**value, "languages": tuple(value["languages"])})


if __name__ == "__main__":
    main(sys.argv[1:])
