"""The card of a model that a study trained: where it comes from, so that it can be made again and judged."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hybridkit.characters import safe
from hybridkit.corpus import ParallelCorpus
from hybridkit.sampling import BatchPlan

if TYPE_CHECKING:
    from hybridkit.cell import Cell
    from hybridkit.trainings import Trainings


def model_card(
    run: "Trainings", cell: "Cell", corpus: ParallelCorpus, plan: BatchPlan, held_out: Mapping[str, float]
) -> str:
    """Write a model card in Markdown: data, strategy, plan and held-out scores; benchmark scores come by export."""
    encoder, training = run.settings(cell.part)[0], run.training(cell)
    title = safe(run.study.title)
    lines = [
        "---", "library_name: sentence-transformers", "pipeline_tag: sentence-similarity",
        "tags: [sentence-transformers, hybridkit, multilingual, retrieval]",
        f"language: [{', '.join(corpus.languages)}]", "---", "",
        f"# {encoder.name}, trained on {cell.strategy} batches", "",
        f"Made by [hybridkit](https://arxiv.org/abs/2408.10536)'s study `{run.study.name}` ({title}).", "",
        "| what | value |", "| --- | --- |",
        f"| encoder at the start | {encoder.name} |",
        f"| strategy | `{cell.strategy}` |",
        f"| seed | {cell.seed} |",
        f"| training rows | {len(corpus):,} of {', '.join(run.study.rows.files)} |",
        f"| languages | {len(corpus.languages)} |",
        f"| corpus | `{corpus.fingerprint}` |",
        f"| batch plan | `{plan.fingerprint}` |",
        *(f"| {name.replace('_', ' ')} | {value} |" for name, value in vars(training).items()),
        "", "## Held-out rows", "",
    ]  # fmt: skip
    if held_out:
        lines += [f"{len(run.parts[1]):,} rows that share no text and no passage with the training rows.", ""]
        lines += [
            "| measure | value |",
            "| --- | --- |",
            *(f"| {name} | {value:.4f} |" for name, value in held_out.items()),
        ]
    else:
        lines += ["The study holds no rows out."]
    return "\n".join(lines) + "\n"
