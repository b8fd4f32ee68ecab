"""A collection of more passages than a shard, in files: two languages, and questions with judgements."""

import json
from pathlib import Path

from hybridkit.study.settings import Study
from tests.tiny_study import GERMAN, WORDS, tiny_study

SHARD = 8192
SIZES = {"en": (9000, 7700), "de": (30,)}  # passages of each file: two whole shards and one of 316


def many_passages(folder: Path) -> Path:
    """Write the collection in MIRACL's layout; every text is there many times, in all shards."""
    for (tag, sizes), words in zip(SIZES.items(), (WORDS, GERMAN), strict=True):
        home, name = folder / f"many-v1.0-{tag}", f"many-v1.0-{tag}-dev.tsv"
        for part in ("topics", "qrels", "corpus"):
            (home / part).mkdir(parents=True)
        (home / "topics" / f"topics.{name}").write_text("".join(f"q{n}\t{word}\n" for n, word in enumerate(words)))
        (home / "qrels" / f"qrels.{name}").write_text("".join(f"q{n} Q0 {n + 8}#0 1\n" for n in range(len(words))))
        number = 0
        for nth, size in enumerate(sizes):
            with (home / "corpus" / f"docs-{nth}.jsonl").open("w", encoding="utf-8") as file:
                for number in range(number, number + size):  # noqa: B020
                    text = f"{words[number % 8]} {words[number // 8 % 8]} {words[number // 64 % 7]}"
                    file.write(json.dumps({"docid": f"{number}#0", "title": "", "text": text}) + "\n")
            number += 1
    return folder


def study_of_many(folder: Path) -> Study:
    """The tiny study, judged on the collection and on its pool."""
    passages = str(many_passages(folder / "many"))
    evaluation = {"benchmarks": [str(folder / "asked.jsonl")], "judged": [passages, f"{passages}[pool]"]}
    return tiny_study(folder, strategies=["mono"], compare=["mono", "untrained"], evaluation=evaluation)
