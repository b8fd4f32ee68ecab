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
# # 02 Sampler ablation
# What the batches of each strategy look like, before anything is trained, and how the share of monolingual batches
# (alpha) moves the result, on an encoder that is cheap to train many times.

# %% tags=["parameters"]
study = "quick"

# %%
import pandas as pd
from IPython.display import display

from hybridkit import explore, results
from hybridkit.figures import draw
from hybridkit.run import Run
from hybridkit.sampling.checks import check_plan
from hybridkit.sampling.codeswitch import switch_rates
from hybridkit.study import UNTRAINED

run = Run(study)
figures = run.folder / "figures"
seed = run.study.seeds[0]
cells = [cell for cell in run.cells() if cell.strategy != UNTRAINED and cell.seed == seed]

# %% [markdown]
# ## Plans
# A plan is the whole training as integers: the row, the query's and the passage's language of every draw. Two trainings
# with one plan see the same batches in the same order.

# %%
plans = pd.DataFrame({cell.strategy: run.plan(cell).describe() for cell in cells})
plans

# %% [markdown]
# ## Which languages meet
# Each panel is one strategy: how often a query language (row) is drawn with a passage language (column). Monolingual
# kinds fill the diagonal, cross-lingual batches everything but it, hybrid both.

# %%
shares = results.batch_shares(run, cells)
draw(
    figures,
    "02_batch_composition",
    "batch_composition",
    shares,
    "Share of each pair of query and passage language among the draws of a plan, by strategy.",
)

# %% [markdown]
# The first batches, a line each; a tile is a row of the batch, its upper half the query's language and its lower half
# the passage's. `mono` batches have one colour, `mixed` ones many, `cross` tiles two.

# %%
draw(
    figures,
    "02_batch_examples",
    "batch_examples",
    results.first_batches(run, cells),
    "The first batches of each strategy; every tile is a row: query language above, passage language below.",
)

# %% [markdown]
# ## Checks
# Before anything is trained on a plan it is looked at: no twins in a batch, the share of each kind and language within
# what chance allows, how often rows repeat, how many texts are longer than the encoder reads. Intervals are exact; a
# plan that keeps to its strategy lies outside of one in a thousand.

# %%
encoder, cut = run.open_encoder(), run.study.training.max_length
reports = {cell.strategy: check_plan(run.plan(cell), run.corpus(cell), None, encoder, cut) for cell in cells}
print("\n\n".join(report.text for report in reports.values()))

# %% [markdown]
# The share of each language among the draws, by kind of batch; the band holds all languages in 99.9 % of plans.

# %%
draw(
    figures,
    "02_plan_languages",
    "plan_languages",
    pd.concat([report.languages for report in reports.values()], ignore_index=True),
    "Share of each language among the draws of a plan, by strategy and kind of batch; the band is what chance allows.",
)

# %% [markdown]
# ## Code-switching
# A code-switched strategy has the very rows and languages of the one that it switches; words of its texts are replaced
# through bilingual lexicons when a batch is read. `known` is the share of words that the lexicon has, `switched` the
# share that is replaced.

# %%
switching = [cell for cell in cells if cell.strategy.startswith("codeswitch")]
rates = {cell.strategy: switch_rates(run.plan(cell), run.corpus(cell)) for cell in switching}
for cell in switching:
    print(cell.strategy)
    display(rates[cell.strategy].round(3), explore.switched_examples(run, cell))
if not switching:
    print("This study has no code-switched strategy.")

# %% [markdown]
# ## The curve over alpha
# From only cross-lingual batches (alpha 0) to only monolingual ones (alpha 1). The three settings and, below, the rank
# distance: how far apart the parallel passages of one question are ranked in the multilingual pool.

# %%
curve = results.curve_scores(run)
if len(curve):
    benchmark = run.benchmarks("curve")[0]
    points = curve[curve["benchmark"] == benchmark].drop(columns="benchmark")
    caption = f"AP in the three settings and rank distance against alpha on {benchmark}."
    display(draw(figures, "02_alpha_curve", "alpha_curve", points, caption))
else:
    print("This study has no curve; the quick study draws it on an encoder made from scratch.")

# %%
means = curve[curve["measure"].isin(["AP", "rank_distance"])].groupby(["alpha", "setting", "measure"])["value"].mean()
means.unstack(["setting", "measure"]).round(3)

# %%
run.finish(
    "02",
    {
        "plans": plans.T.reset_index(names="strategy").to_dict("records"),
        "checks": {strategy: report.ok for strategy, report in reports.items()},
        "switched": {strategy: rate.to_dict("records") for strategy, rate in rates.items()},
        "curve": means.reset_index().to_dict("records"),
    },
)
