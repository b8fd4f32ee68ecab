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

from hybridkit.analysis import data, scores
from hybridkit.analysis.curves import curve_contrasts, curve_scores, curve_sentences, make_curves, means, missing_points
from hybridkit.models.embedding import text_lengths
from hybridkit.plots.figure_files import draw
from hybridkit.sampling.codeswitch import switch_rates
from hybridkit.sampling.plan_checks import check_plan
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED

run = Run(study)
figures = run.folder / "figures"
seed = run.study.seeds[0]
specs = [spec for spec in run.models() if spec.strategy != UNTRAINED and spec.seed == seed]

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
shares = scores.batch_shares(run, specs)
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
    scores.first_batches(run, specs),
    "The first batches of each strategy; every tile is a row: query language above, passage language below.",
)

# %% [markdown]
# ## Checks
# Before anything is trained on a plan it is looked at: no twins in a batch, the share of each kind and language within
# what chance allows, how often rows repeat, how many texts are longer than the encoder reads. Intervals are exact; a
# plan that keeps to its strategy lies outside of one in a thousand.

# %%
lengths = text_lengths(run.trained.encoder(), run.study.training.max_length)
reports = {spec.strategy: check_plan(run.plan(spec), run.corpus(spec), None, lengths) for spec in specs}
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
switching = [spec for spec in specs if spec.strategy.startswith("codeswitch")]
rates = {spec.strategy: switch_rates(run.plan(spec), run.corpus(spec)) for spec in switching}
for spec in switching:
    print(spec.strategy)
    display(rates[spec.strategy].round(3), data.switched_examples(run, spec))
if not switching:
    print("This study has no code-switched strategy.")

# %% [markdown]
# ## Curves
# Every point of a curve is a model for each seed, on an encoder that may be cheaper than that of the main part. What is
# missing of them is trained and scored here.

# %%
sections = ("alpha", "rows", "batch_size", "pairs")
make_curves(run)
curves = {section: curve_scores(run, section) for section in sections}
compared = {section: curve_contrasts(run, section) for section in sections}
words = {
    section: [missing_points(run, section)]
    if missing_points(run, section)
    else curve_sentences(compared[section], section)
    for section in sections
}
benchmark = run.study.section("curve").benchmarks[0] if run.models("curve") else ""
drawn = {section: curve[curve["benchmark"] == benchmark] for section, curve in curves.items()}
differences = {section: frame[frame["benchmark"] == benchmark] for section, frame in compared.items()}
shown = ["strategy", "against", "x", "at", "setting", "measure", "difference", "low", "high", "seeds_low", "seeds_high"]
shown += ["p_holm", "established"]

# %% [markdown]
# ## The curve over alpha
# From only cross-lingual batches (alpha 0) to only monolingual ones (alpha 1). The three settings and, last, the rank
# distance: how far apart the parallel passages of one question are ranked in the multilingual pool. A flat stretch says
# that the share of monolingual batches matters little there.

# %%
if len(drawn["alpha"]):
    caption = f"AP in the three settings and rank distance against alpha on {benchmark}."
    display(draw(figures, "02_alpha_curve", "curves", drawn["alpha"], caption, over="alpha"))
    display(means(drawn["alpha"]).round(3))
else:
    print(missing_points(run, "alpha"))

# %% [markdown]
# ### Is any alpha better than 0.5?
# Every alpha minus 0.5. The thick bar is the interval over questions: what other questions would change, given these
# trainings. The thin bar is the interval over seeds: what other trainings would change, given these questions. A point
# is filled only where both leave out 0 also after correction for the number of comparisons; above 0 is better for AP,
# below 0 for the rank distance.

# %%
if len(differences["alpha"]):
    caption = f"Difference of every alpha to 0.5 on {benchmark}, with intervals over questions and over seeds."
    display(draw(figures, "02_alpha_differences", "curve_differences", differences["alpha"], caption))
print("\n".join(words["alpha"]))

# %% [markdown]
# ## The amount of training rows
# As many steps on fewer rows, so that rows come back more often: a line a strategy. Where lines stay parallel, the
# choice of batches does not depend on the amount of data; the sentences test the difference at both ends and whether
# it changes.

# %%
if len(drawn["rows"]):
    caption = f"AP in the three settings and rank distance against the number of training rows on {benchmark}."
    display(draw(figures, "02_rows_curve", "curves", drawn["rows"], caption, over="rows"))
    display(differences["rows"][shown].round(3))
print("\n".join(words["rows"]))

# %% [markdown]
# ## The batch size
# Larger batches bring more negatives; the number of steps is such that every training draws as many rows in all. Read
# it as the figure above.

# %%
if len(drawn["batch_size"]):
    caption = f"AP in the three settings and rank distance against the batch size, at the same draws, on {benchmark}."
    display(draw(figures, "02_batch_size_curve", "curves", drawn["batch_size"], caption, over="batch_size"))
    display(differences["batch_size"][shown].round(3))
print("\n".join(words["batch_size"]))

# %% [markdown]
# ## Pairs inside a batch
# `cross` lets every row of a batch draw its own pair of languages, so that negatives differ in language; with one pair
# a batch, all negatives are in the language of the answer. Above: the seeds of each strategy; below: one pair minus
# mixed pairs.

# %%
if len(drawn["pairs"]):
    both = pd.concat([drawn["pairs"], differences["pairs"]], ignore_index=True)
    caption = f"Cross-lingual batches with one pair of languages a batch against pairs mixed inside, on {benchmark}."
    display(draw(figures, "02_pair_batches", "pair_batches", both, caption))
print("\n".join(words["pairs"]))

# %%
run.finish(
    "02",
    {
        "plans": plans.T.reset_index(names="strategy").to_dict("records"),
        "checks": {strategy: report.ok for strategy, report in reports.items()},
        "switched": {strategy: rate.to_dict("records") for strategy, rate in rates.items()},
        "curves": {
            section: curve.groupby(["x", "strategy", "benchmark", "setting", "measure"])["value"]
            .mean()
            .reset_index()
            .to_dict("records")
            for section, curve in curves.items()
        },
        "differences": {section: frame.to_dict("records") for section, frame in compared.items()},
        "words": words,
    },
)
