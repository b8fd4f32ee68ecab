"""A study that is trained in a second: two strategies on 40 rows in two languages, held-out rows and a benchmark."""

import json
from pathlib import Path
from typing import Any

import yaml

from hybridkit.study.settings import Study, open_study

WORDS = ["river", "stone", "cloud", "green", "seven", "paper", "north", "salt"]
GERMAN = ["Fluss", "Stein", "Wolke", "grün", "sieben", "Papier", "Norden", "Salz"]


def tiny_study(folder: Path, lone: int = 3, asked: int = 8, **changes: Any) -> Study:
    """Write the study's files, rows, benchmark and settings, and open it.

    The first `lone` rows are in one language only, the last `asked` are the benchmark; `changes` replace settings.
    """
    lines = []
    for n in range(40):
        en, de = (f"{words[n % 8]} {words[n // 8]}" for words in (WORDS, GERMAN))
        query = {"en": f"what of {en}", "de": f"was ist {de}"}
        passage = {"en": f"{en} it is", "de": f"{de} ist es"}
        if n < lone:
            del query["de"], passage["de"]
        lines.append(json.dumps({"id": f"r{n}", "query": query, "passage": passage}))
    (folder / "rows.jsonl").write_text("\n".join(lines[:-asked]))
    (folder / "asked.jsonl").write_text("\n".join(lines[-asked:]))
    value = {
        "name": "tiny",
        "title": "A test",
        "rows": {"files": [str(folder / "rows.jsonl")], "held_out": 0.2},
        "encoder": {"name": "static", "vocab_size": 120, "dim": 16},
        "strategies": ["mono", "cross"],
        "seeds": [0],
        "compare": ["cross", "mono"],
        "evaluation": {"benchmarks": [str(folder / "asked.jsonl")]},
        "training": {"steps": 5, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 2},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(value | changes))
    return open_study(folder / "tiny.yaml")
