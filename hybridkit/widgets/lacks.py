"""What a run lacks of what the inspector shows, in sentences, each with the command that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybridkit.widgets.opening import Inspected


def lacking(found: Inspected) -> list[str]:
    """Sentences on the models whose rank tables, embeddings or weights are not there, with the command for each."""
    study = found.settings.get("name", found.name)
    told = []
    if not any(found.has(*key) for key in found.results):
        return [
            f"There are no rank tables on {found.benchmark_name}: make them with `hybridkit run {study}`, "
            f"or with `hybridkit inspect {found.name} --complete` if it has been run."
        ]
    for what, effect in (
        ("ranks", "No rank tables of {}; they are left out"),
        ("passages", "No embeddings of {}; its rankings show the relevant passages only"),
        ("model", "The model of {} is deleted; the search leaves it out"),
    ):
        gone = [key for key in found.results if not found.has(*key, what)]
        if gone:
            told.append(f"{effect.format(_told(gone))}: make them with `hybridkit inspect {found.name} --complete`.")
    judged = found.benchmark.judgements
    if len(judged) and judged.groupby("query_id")["passage_language"].nunique().max() < 2:
        told.append(
            f"No query of {found.benchmark_name} has twins, relevant passages in two languages, so there is no rank "
            "distance: name a benchmark with parallel passages, such as xquad-r, under `evaluation.benchmarks`, and "
            f"`hybridkit run {study}`."
        )
    if len(found.strategies) == 1:
        told.append(
            f"There is one strategy only, {found.strategies[0]}: name another under `strategies` in the study, and "
            f"`hybridkit run {study}` makes it, to have differences."
        )
    return told


def _told(keys: list[tuple[str, int]]) -> str:
    by: dict[str, list[str]] = {}
    for strategy, seed in keys:
        by.setdefault(strategy, []).append(str(seed))
    return ", ".join(f"{name} (seed {' '.join(seeds)})" for name, seeds in by.items())
