"""A tiny run whose texts and ids are what a data set should not hold, made by the kit's own pipeline."""

import json
from pathlib import Path

import yaml

from hybridkit.study.run import Run
from hybridkit.study.scores import study_scores

FLAG = "hybridkitHit"  # set on the window by any text that is run as code
_HIT = f"window.{FLAG}=true;alert(1)"
LONG = "all work and no play " * 5_000  # more than 100 kB
TEXTS = (
    f"<script>{_HIT}</script> after a script",
    f'<img src=x onerror="{_HIT}"> after a picture',
    f"]]> --> */ </script></style></title></textarea><svg onload={_HIT}> after an end",
    f"${{{_HIT}}} {{{{7*7}}}} [x](javascript:{_HIT}) `<b>` &lt;b&gt; &amp;amp; after a template",
    f'" autofocus onfocus="{_HIT}" x=" after an attribute',
    "user \u202egnp.exe\u202c and \u2067\u202dback\u2069 \u2066 after an override",
    LONG,
    "x" * 100_000,
)
LANGUAGES = ("ar", "de", "en", "th")


def _line(key: str, query: str, passage: str) -> str:
    sides = {"query": query, "passage": passage}
    value = {name: {tag: f"{text} {tag}" for tag in LANGUAGES} for name, text in sides.items()}
    return json.dumps({"id": key, **value})


def make_run(folder: Path) -> Run:
    """Train two static encoders on plain rows and score them on a benchmark of hostile passages, queries and ids."""
    plain = [_line(f"r{n}", f"what is river {n} {n % 7}", f"river stone {n} {n % 7}") for n in range(40)]
    evil = [_line(f'"><img src=x onerror={_HIT}>{n}', f"{text[:90]} {n}", text) for n, text in enumerate(TEXTS)]
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("\n".join(plain), encoding="utf-8")
    (folder / "evil.jsonl").write_text("\n".join(evil), encoding="utf-8")
    value = {
        "name": "evil",
        "title": TEXTS[0],
        "rows": {"files": [str(folder / "rows.jsonl")]},
        "encoder": {"name": "static", "vocab_size": 200, "dim": 16},
        "strategies": ["mono", "cross"],
        "seeds": [0],
        "compare": ["cross", "mono"],
        "evaluation": {"benchmarks": [str(folder / "evil.jsonl")]},
        "training": {"steps": 5, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 5},
    }
    (folder / "evil.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    run = Run(folder / "evil.yaml", folder / "runs" / "evil")
    run.check()
    study_scores(run)
    return run
