# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 Training
# Every strategy of the study with every seed, each on its own batch plan. A training that is there already is read,
# one that was interrupted goes on from its last whole checkpoint.

# %% tags=["parameters"]
study = "quick"

# %%
import pandas as pd

from hybridkit import Run, analysis, plots, report

run = Run(study)
figures = run.folder / "figures"
pd.Series(vars(run.study.training)).rename("training").to_frame()

# %%
specs = [spec for spec in run.models() if spec.strategy != analysis.UNTRAINED]
analysis.sweep(run, specs)
models = {str(spec): run.trained.path(spec) for spec in specs}
print(f"{len(models)} models in {run.folder.name}/models")

# %% [markdown]
# ## Loss
# In-batch InfoNCE, smoothed. The curves of different strategies are not comparable in height: a batch in one language
# holds harder negatives than a batch of mixed languages, where the language alone gives many of them away.

# %%
losses = analysis.scores.study_losses(run)
plots.draw(
    figures,
    "03_loss_curves",
    plots.loss_curves,
    losses,
    "Training loss by step and strategy, smoothed; thin lines are seeds.",
)

# %%
last = losses[losses["step"] >= losses["step"].max() - 19]
table = last.groupby(["strategy", "kind"])["loss"].agg(["mean", "std", "count"]).round(3)
table

# %% [markdown]
# ## Do loss and scores go together?
# Every model gets the same new batches, made of a benchmark that no strategy was trained on, and its loss is shown
# beside its AP. A kind of batch is compared with the setting that has its candidates: batches in one language with
# mono, batches of one pair of languages with cross, and batches that mix languages with the pool. (Cross-lingual
# batches of the training mix languages: their loss is about the pool.) Rank correlations are over the trained models
# and over the means of strategies, in brackets with the untrained encoder. Near −1: where the loss is lower, AP is
# higher. Seeds of a strategy are no independent models, and a correlation does not say what causes what.

# %%
benchmark = run.benchmarks()[0]
compared = analysis.scores.new_batch_losses(run, benchmark)
print("\n".join(analysis.scores.loss_verdict(compared)))
plots.draw(
    figures,
    "03_loss_and_ap",
    plots.loss_and_ap,
    compared,
    f"AP on {benchmark} by loss on new batches of it; rank correlations over models and over means of strategies, in "
    "brackets with the untrained encoder.",
)

# %%
compared.groupby(["kind", "strategy"], sort=False)[["loss", "AP"]].agg(["mean", "min", "max"]).round(3)

# %% [markdown]
# ## Held-out rows
# Rows of the training files that share no text and no passage with those trained on: what one may choose settings by.

# %%
held_out = pd.DataFrame(
    [{"strategy": spec.strategy, "seed": spec.seed} | run.trained.held_out_scores(spec) for spec in specs]
)
held_out.round(3) if run.study.rows.held_out else "This study holds no rows out; notebook 04 has its benchmarks."

# %%
run.finish(
    "03",
    {
        "models": len(models),
        "loss of the last 20 steps": table["mean"].unstack().to_dict("index"),
        "held-out": held_out.to_dict("records"),
        "loss on new batches": compared.to_dict("records"),
        "loss and AP": analysis.scores.loss_verdict(compared),
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "03")

# %% [markdown]
# ## Your turn
# One strategy's loss, the models that held-out rows prefer, and the plan behind a model.

# %%
strategy = specs[0].strategy  # any of the study
losses[losses["strategy"] == strategy].tail(10)

# %%
held_out.sort_values(held_out.columns[-1], ascending=False).head(10)

# %%
run.plan(specs[-1]).describe()  # another model: specs[0] and so on
