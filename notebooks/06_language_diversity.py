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
# # 06 Language diversity
# What does the diversity of the training languages do for retrieval in languages that were trained on and in ones that
# were not? The factor is the set of training languages; every pair of languages of the benchmarks is an outcome.

# %% tags=["parameters"]
study = "quick"

# %%
from IPython.display import Markdown, display

from hybridkit.analysis.diversity import outcomes, regression
from hybridkit.analysis.diversity import outcomes as means
from hybridkit.analysis.diversity import outcomes as slices
from hybridkit.analysis.diversity import sentences as pretraining
from hybridkit.analysis.diversity import sentences as report
from hybridkit.analysis.diversity import sentences as steps
from hybridkit.analysis.diversity import sentences as words
from hybridkit.plots.figure_files import draw
from hybridkit.plots.scores import SETTINGS
from hybridkit.study.run import Run
from hybridkit.study.settings import HYBRID, UNTRAINED
from hybridkit.study.sweep import sweep

run = Run(study)
figures = run.folder / "figures"
models = outcomes.models(run)
there = len(models) > 0
if not there:
    print("This study trains nothing on sets of languages; its key `diversity` would (see studies/diversity.yaml).")

# %% [markdown]
# ## Design
# A draw is an order of the languages; its set of k languages is the first k of it, so that sets of a draw are nested.
# Random sets are drawn, spread ones always add the language that is farthest from those there are (steps up the family
# tree, and the script). In the series `fixed` every set has the same number of rows and steps; in `growing` both grow
# with the number of languages. A line is a set; the columns of numbers say how many models it has.

# %%
trained = models[models["strategy"] != UNTRAINED]
design = trained.groupby(["group", "draw", "k", "languages", "series", "strategy"], sort=False).size()
display(design.unstack("strategy").fillna(0).astype(int) if there else None)

# %% [markdown]
# What is not trained and scored yet is made now.

# %%
if there:
    sweep(run, list(models["model"]), run.study.section("diversity").benchmarks)
frame = outcomes.outcomes(run)
benchmark = run.study.section("diversity").benchmarks[0] if there else ""
first = frame[frame["benchmark"] == benchmark]

# %% [markdown]
# ## RR against the number of languages
# Reciprocal rank of pairs (query language, passage language), by which of the two were trained on: seen-unseen is a
# seen query language and an unseen passage language. The settings are shown apart, since a set of one language has
# monolingual pairs only among its seen ones. A line that rises says that more languages help pairs of that kind; the
# pairs of a panel change with the set, which the steps and the regression below take care of. The dotted line is the
# untrained encoder on all pairs.

# %%
for setting in report.SETTINGS if there else ():
    points = means.per_model(first[first["setting"] == setting])
    caption = f"RR on {benchmark}, {SETTINGS[setting]} pairs, by number of training languages and seen group."
    display(draw(figures, f"06_curve_{setting}", "diversity_curve", points, caption, setting=setting))

# %% [markdown]
# The same as numbers, with RR@10, AP, the pool and its rank distance (lower is less language bias): means over models,
# and bootstrap intervals over sets and seeds where there are three sets or more. `seen-*` are pool queries in a seen
# language.

# %%
tables = {measure: means.means(first, measure) for measure in outcomes.MEASURES} if there else {}
for measure, table in tables.items():
    setting = "pool" if measure == "rank_distance" else "cross"
    wide = table[table["setting"].isin([setting, "pool"])].set_index([*means.BY])[["mean", "low", "high", "sets"]]
    display(Markdown(f"**{measure}**"), wide.round(3))

# %% [markdown]
# ## From one number of languages to the next
# Sets are nested, so a pair can be followed from a set to the next larger one: it stays as it was, or one or both of
# its languages become seen. Differences are on the same pairs; an interval is over sets, from three on.

# %%
followed = steps.mean_steps(steps.steps(first)) if there else None
for setting in report.SETTINGS if there else ():
    told = [
        sentence
        for series in dict.fromkeys(models["series"])
        for sentence in steps.step_sentences(followed, setting=setting, series=series)
    ]
    display(Markdown("\n".join(f"- {sentence}" for sentence in told)))

# %% [markdown]
# ## The least and the most diverse set
# Every pair of languages under both, and what the step between them changes: the training languages are in bold.

# %%
strategies = list(dict.fromkeys(trained["strategy"]))
strategy = HYBRID if HYBRID in strategies else (strategies or [""])[-1]
if there and trained.loc[trained["strategy"] == strategy, "languages"].nunique() > 1:
    pairs = slices.extremes(frame, strategy, benchmark, models["series"].iloc[0])
    caption = f"RR on {benchmark} by pair of languages for the least and the most diverse set, {strategy}."
    display(draw(figures, "06_pairs", "diversity_pairs", pairs, caption, strategy=strategy))

# %% [markdown]
# ## Distance
# How much an unseen language gains, against its distance to the nearest training language: 1 is the same branch, 2 the
# same family, 3 another family, and one more for another script; 0 is a seen language. A line that falls says that
# training helps relatives more.

# %%
if there:
    gains = slices.by_distance(first)
    caption = f"RR on {benchmark} gained over the untrained encoder, by distance to the nearest training language."
    display(draw(figures, "06_distance", "diversity_distance", gains, caption))

# %% [markdown]
# ## Does the hybrid need more or fewer languages?
# The difference of the hybrid from the other strategies on the same sets, seeds and pairs. A line that rises towards
# the right says that the hybrid profits more from languages than the other one, a flat line that both need as many.

# %%
apart = report.strategy_differences(first) if there else first
cross = apart[apart["setting"] == "cross"]
if len(cross):
    caption = f"Difference of the hybrid from the other strategies in RR on {benchmark}, by number of languages."
    options = {"setting": "cross"}
    display(draw(figures, "06_interaction", "diversity_interaction", means.per_model(cross), caption, **options))
else:
    print("This study has no hybrid beside another strategy on the same sets (diversity.strategies).")

# %% [markdown]
# ## Regression
# RR on log2 of the number of languages (a slope for each seen group), on what was seen and on distance, with an effect
# of each pair of languages, for each setting; intervals are by the jackknife over draws. What a design cannot tell
# apart is said instead of estimated.

# %%
fits = report.regressions(first) if there else []
fits += report.regressions(apart) if len(apart) else []
estimates = report.effects(fits)
display(estimates.round(4))

# %%
sentences = {
    f"{fit.setting}, {fit.series}, {fit.strategy}": [
        *words.regression_sentences(fit),
        *(f"({one.words})" for one in regression.check(fit)),
    ]
    for fit in fits
}
for title, lines in sentences.items():
    display(Markdown(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines)))

# %% [markdown]
# In brackets is what the regression takes for granted and how far that holds: lines against dummies of k, residuals,
# their spread, collinearity, bounds, the number of clusters.

# %% [markdown]
# ## Pretraining
# The effect of a pair holds the share of its languages in the pretraining text, so the regression cannot tell it; over
# languages:

# %%
shares = pretraining.by_language(first)
display(shares.round(3), *pretraining.share_sentences(shares))

# %% [markdown]
# ## Judged sets
# RR@10 in one language at a time, on the sets that the study names.

# %%
judged = outcomes.collection_outcomes(run)
by = ["benchmark", "language", "series", "strategy", "k", "seen"]
if len(judged):
    display(judged.groupby(by, sort=False)["value"].agg(["mean", "min", "max", "size"]).round(3))
else:
    print("This study names no judged sets for its language sets; diversity.judged would.")

# %% [markdown]
# ## What these runs cannot show

# %%
limits = words.limits(models)
Markdown("\n".join(f"- {sentence}" for sentence in limits))

# %%
run.finish(
    "06",
    {
        "models": len(set(models["model"])),
        "RR": tables["RR"].to_dict("records") if there else [],
        "steps": followed.to_dict("records") if there else [],
        "effects": estimates.to_dict("records"),
        "sentences": sentences,
        "pretraining": pretraining.share_sentences(shares),
        "judged": judged.groupby(by)["value"].mean().reset_index().to_dict("records"),
        "limits": limits,
    },
)
