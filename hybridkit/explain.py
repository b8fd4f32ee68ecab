"""Does the loss tell why a strategy retrieves better? Every model on the same new batches, beside its scores."""

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.evaluation.batch_loss import batch_losses
from hybridkit.results import cell_scores, macro_scores
from hybridkit.run import Run


def new_batch_losses(run: Run, benchmark: str, size: int = 32, batches: int = 200) -> pd.DataFrame:
    """Loss of every model on the same batches of a benchmark, by kind, beside its AP in the setting of that kind.

    Columns: strategy, seed, kind ("mono", "cross"), loss (nats, mean over batches at the study's temperature), AP (mean
    over the languages or pairs of languages). Raises InputError for a benchmark with too few articles for a batch.
    """
    return pd.concat([_of(run, cell, benchmark, size, batches) for cell in run.cells()], ignore_index=True)


def _of(run: Run, cell: Cell, benchmark: str, size: int, batches: int) -> pd.DataFrame:
    part, query, passage = run.part(benchmark)
    queries, passages = run.embeddings(cell, benchmark)
    losses = batch_losses(part, queries[query], passages[passage], run.study.training.temperature, size, batches)
    macros = macro_scores(cell_scores(run, cell, benchmark))
    found = macros[macros["measure"] == "AP"].set_index("setting")["value"]
    frame = losses.groupby("kind", sort=False)["loss"].mean().reset_index()
    frame["AP"] = [float(found.get(kind, float("nan"))) for kind in frame["kind"]]
    return frame.assign(strategy=cell.strategy, seed=cell.seed)[["strategy", "seed", "kind", "loss", "AP"]]


def loss_verdict(frame: pd.DataFrame) -> list[str]:
    """Say in words whether a lower loss on new batches goes with a higher AP, one sentence a kind of batch.

    Spearman's rank correlation over the models of the study, the untrained one among them.

    >>> loss, kind = [1, 2, 3], ["mono"] * 3
    >>> loss_verdict(pd.DataFrame({"kind": kind, "strategy": [*"abc"], "loss": loss, "AP": [0.9, 0.8, 0.7]}))[0][:57]
    'mono batches, 3 models: a lower loss goes with a higher A'
    """
    said = []
    for kind, part in frame.dropna(subset="AP").groupby("kind", sort=False):
        if len(part) < 3:
            continue
        rho = float(part["loss"].rank().corr(part["AP"].rank()))
        goes = "goes with a higher AP" if rho < -0.5 else "does not tell of a higher AP"
        means = part.groupby("strategy", sort=False)[["loss", "AP"]].mean()
        said.append(
            f"{kind} batches, {len(part)} models: a lower loss {goes} (rank correlation {rho:.2f}); lowest loss "
            f"{means['loss'].idxmin()}, highest AP {means['AP'].idxmax()}."
        )
    return said
