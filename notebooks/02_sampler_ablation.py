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

from hybridkit import Run, analysis, parse, plots, report

run = Run(study)
figures = run.folder / "figures"
specs = analysis.data.first_models(run)

# %% [markdown]
# ## Plans
# A plan is the whole training as integers: the row, the query's and the passage's language of every draw. Two trainings
# with one plan see the same batches in the same order.

# %%
plans = pd.DataFrame({spec.strategy: run.plan(spec).describe() for spec in specs})
plans

# %% [markdown]
# ## Which languages meet
# Each panel is one strategy: how often a query language (row) is drawn with a passage language (column). Monolingual
# kinds fill the diagonal, cross-lingual batches everything but it, hybrid both.

# %%
shares = analysis.scores.batch_shares(run, specs)
plots.draw(
    figures,
    "02_batch_composition",
    plots.batch_composition,
    shares,
    "Share of each pair of query and passage language among the draws of a plan, by strategy.",
)

# %% [markdown]
# ## What each strategy is trained on
# A difference between two strategies is one of how batches are made only where both saw the same rows, sources and
# languages, on each side. All seeds together: the share of each among the draws. Where the markers of a row lie
# together, exposure is equal; a ratio beyond 1.25 is named below, and beside each difference that it touches.

# %%
exposure = analysis.exposure.study_exposure(run)
plots.draw(
    figures,
    "02_exposure",
    plots.exposure,
    exposure,
    "Share of each source, query language and passage language among the draws of each strategy, all seeds.",
)

# %%
print(analysis.exposure.exposure_note(exposure))
analysis.exposure.exposure_table(exposure).round(2)

# %% [markdown]
# The first batches, a line each; a tile is a row of the batch, its upper half the query's language and its lower half
# the passage's. `mono` batches have one colour, `mixed` ones many, `cross` tiles two.

# %%
plots.draw(
    figures,
    "02_batch_examples",
    plots.batch_examples,
    analysis.scores.first_batches(run, specs),
    "The first batches of each strategy; every tile is a row: query language above, passage language below.",
)

# %% [markdown]
# ## Checks
# Before anything is trained on a plan it is looked at: no twins in a batch, the share of each kind and language within
# what chance allows, how often rows repeat, how many texts are longer than the encoder reads. Intervals are exact; a
# plan that keeps to its strategy lies outside of one in a thousand.

# %%
reports = analysis.data.plan_reports(run, specs)
print("\n\n".join(report.text for report in reports.values()))

# %% [markdown]
# The share of each language among the draws, by kind of batch; the band holds all languages in 99.9 % of plans.

# %%
plots.draw(
    figures,
    "02_plan_languages",
    plots.plan_languages,
    pd.concat([report.languages for report in reports.values()], ignore_index=True),
    "Share of each language among the draws of a plan, by strategy and kind of batch; the band is what chance allows.",
)

# %% [markdown]
# ## Code-switching
# A code-switched strategy has the very rows and languages of the one that it switches; words of its texts are replaced
# through bilingual lexicons when a batch is read. `known` is the share of words that the lexicon has, `switched` the
# share that is replaced. A study without a code-switched strategy shows nothing here.

# %%
switching = [spec for spec in specs if spec.strategy.startswith("codeswitch")]
rates = {spec.strategy: analysis.data.plan_switches(run, spec) for spec in switching}
for spec in switching:
    print(spec.strategy)
    display(rates[spec.strategy].round(3), analysis.data.switched_examples(run, spec))

# %% [markdown]
# ## Curves
# Every point of a curve is a model for each seed, on an encoder that may be cheaper than that of the main part. What is
# missing of them is trained and scored here. A figure that says "No data" is of a curve that this study does not have;
# the sentence below it names the key that would give it.

# %%
analysis.curves.make_curves(run)
curves = {section: analysis.curves.curve(run, section) for section in analysis.curves.SECTIONS}
alpha, rows, batch_size, pairs = curves.values()
shown = ["strategy", "against", "x", "at", "setting", "measure", "difference", "low", "high", "crossed_low"]
shown += ["crossed_high", "crossed_p_holm", "mark"]

# %% [markdown]
# ## Does the share of monolingual batches matter?
# Alpha goes from only cross-lingual batches (0) to only monolingual ones (1).

# %%
plots.draw(
    figures,
    "02_alpha_curve",
    plots.curves,
    alpha.points,
    f"AP in the three settings and rank distance against alpha on {alpha.benchmark}.",
    over="alpha",
)

# %% [markdown]
# How to read it: the three settings and, last, the rank distance: how far apart the parallel passages of one question
# are ranked in the multilingual pool. A flat stretch says that the share of monolingual batches matters little there.
# The same as numbers, means over seeds:

# %%
analysis.curves.means(alpha.points).round(3)

# %% [markdown]
# ## Is any alpha better than 0.5?

# %%
plots.draw(
    figures,
    "02_alpha_differences",
    plots.curve_differences,
    alpha.differences,
    f"Difference of every alpha to 0.5 on {alpha.benchmark}: intervals over questions, and over trainings too.",
)

# %% [markdown]
# How to read it: every alpha minus 0.5. The thick bar is the interval over questions: what other questions would
# change, given these trainings. The thin bar is what other questions and other trainings would change together, widened
# so that it holds for whichever alpha you pick: of ten equal alphas one is always the best. A point is filled where the
# difference holds over other trainings too (*), half filled where it holds given these trainings only (°), both after
# correction for the number of comparisons; above 0 is better for AP, below 0 for the rank distance. What it says here:

# %%
print("\n".join(alpha.sentences))

# %% [markdown]
# ## Does the choice of batches depend on the amount of training rows?
# As many steps on fewer rows, so that rows come back more often.

# %%
plots.draw(
    figures,
    "02_rows_curve",
    plots.curves,
    rows.points,
    f"AP in the three settings and rank distance against the number of training rows on {rows.benchmark}.",
    over="rows",
)

# %% [markdown]
# How to read it: a line a strategy. Where lines stay parallel, the choice of batches does not depend on the amount of
# data; the sentences test the difference at both ends and whether it changes. What it says here:

# %%
print("\n".join(rows.sentences))
rows.differences[shown].round(3)

# %% [markdown]
# ## Does it depend on the batch size?
# Larger batches bring more negatives; the number of steps is such that every training draws as many rows in all.

# %%
plots.draw(
    figures,
    "02_batch_size_curve",
    plots.curves,
    batch_size.points,
    f"AP in the three settings and rank distance against the batch size, at the same draws, on {batch_size.benchmark}.",
    over="batch_size",
)

# %% [markdown]
# How to read it: as the figure above. What it says here:

# %%
print("\n".join(batch_size.sentences))
batch_size.differences[shown].round(3)

# %% [markdown]
# ## May a batch mix pairs of languages?
# `cross` lets every row of a batch draw its own pair of languages, so that negatives differ in language; with one pair
# a batch, all negatives are in the language of the answer.

# %%
plots.draw(
    figures,
    "02_pair_batches",
    plots.pair_batches,
    pd.concat([pairs.points, pairs.differences], ignore_index=True),
    f"Cross-lingual batches with one pair of languages a batch against pairs mixed inside, on {pairs.benchmark}.",
)

# %% [markdown]
# How to read it: above, the seeds of each strategy; below, one pair minus mixed pairs. What it says here:

# %%
print("\n".join(pairs.sentences))

# %%
run.finish(
    "02",
    {
        "plans": plans.T.reset_index(names="strategy").to_dict("records"),
        "checks": {strategy: report.ok for strategy, report in reports.items()},
        "switched": {strategy: rate.to_dict("records") for strategy, rate in rates.items()},
        "curves": {
            section: analysis.curves.mean_scores(one.scores).to_dict("records") for section, one in curves.items()
        },
        "differences": {section: one.contrasts.to_dict("records") for section, one in curves.items()},
        "words": {section: one.sentences for section, one in curves.items()},
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "02")

# %% [markdown]
# ## Your turn
# Plan a strategy of your own on the same rows (nothing is trained), look at one strategy's exposure, and at a curve.

# %%
strategy = specs[-1].strategy  # or your own, such as "hybrid(alpha=0.25)"
plan = parse(strategy).plan(run.split[0], steps=20, batch_size=run.study.training.batch_size, seed=0)
plan.describe()

# %%
exposure[exposure["strategy"] == specs[0].strategy].head(12)  # another strategy: specs[1] and so on

# %%
alpha.points.head(12)  # or rows.points, batch_size.points, pairs.points
