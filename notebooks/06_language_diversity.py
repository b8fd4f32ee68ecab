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
#
# A study without the key `diversity` trains nothing on sets of languages: its tables here are empty and its figures say
# "No data". `studies/diversity.yaml` shows how to write it.

# %% tags=["parameters"]
study = "quick"

# %%
from IPython.display import Markdown, display

from hybridkit import Run, analysis, plots, report

run = Run(study)
figures = run.folder / "figures"
diversity = analysis.diversity
models = diversity.models(run)
trained = models[models["strategy"] != analysis.UNTRAINED]

# %% [markdown]
# ## Design
# A draw is an order of the languages; its set of k languages is the first k of it, so that sets of a draw are nested.
# Random sets are drawn, spread ones always add the language that is farthest from those there are (steps up the family
# tree, and the script). In the series `fixed` every set has the same number of rows and steps; in `growing` both grow
# with the number of languages. A line is a set; the columns of numbers say how many models it has.
#
# Random draws are a sample of what other languages would give, one observation a draw: effects and intervals below are
# theirs, from three draws on. Spread sets, sets of one family and the set of all languages are chosen: they are shown,
# and have no interval.

# %%
by = ["group", "draw", "k", "languages", "series"]
trained.pivot_table(index=by, columns="strategy", values="seed", aggfunc="size", fill_value=0, sort=False)

# %% [markdown]
# ## The conclusion first
# What is not trained and scored yet is made now. Figures show the first benchmark. What a step to more languages
# changes is told by the rule of evidence; how each number came about is below.

# %%
frame = diversity.pair_outcomes(run)
benchmark = next(iter(frame["benchmark"]), "")
first = frame[frame["benchmark"] == benchmark]
sums = diversity.pair_sums(run, benchmark) if benchmark else {}
followed = diversity.mean_steps(diversity.steps(first), sums)
values = diversity.collection_values(run)
outcomes, judged = diversity.collection_outcomes(run, values), diversity.collection_effects(run, values)
limits = diversity.limits(models)
numbers = {"models": len(set(models["model"])), "steps": followed.to_dict("records"), "limits": limits}
numbers["collections"] = diversity.collection_sentences(judged)
Markdown("\n".join(f"- {one}" for one in report.conclusions.said("06", numbers, run.study.compare)))

# %% [markdown]
# ## Do more languages help?

# %%
points = diversity.per_model(first[first["setting"] == "cross"])
caption = f"RR on {benchmark}, cross-lingual pairs, by number of training languages and seen group."
plots.draw(figures, "06_curve_cross", plots.diversity_curve, points, caption, setting="cross")

# %%
points = diversity.per_model(first[first["setting"] == "mono"])
caption = f"RR on {benchmark}, monolingual pairs, by number of training languages and seen group."
plots.draw(figures, "06_curve_mono", plots.diversity_curve, points, caption, setting="mono")

# %% [markdown]
# How to read it: reciprocal rank of pairs (query language, passage language), by which of the two were trained on:
# seen-unseen is a seen query language and an unseen passage language. The settings are shown apart, since a set of one
# language has monolingual pairs only among its seen ones. A line that rises says that more languages help pairs of that
# kind; the pairs of a panel change with the set, which the steps and the regression below take care of. The dotted line
# is the untrained encoder on all pairs.
#
# What it says here, with RR@10, AP, the pool and its rank distance (lower is less language bias): means over models,
# and 95 % intervals over random sets (Student's t), from three on. `seen-*` are pool queries in a seen language.

# %%
tables = {measure: diversity.means(first, measure) for measure in diversity.MEASURES}
for measure, table in tables.items():
    shown = table[table["setting"].isin(["cross", "pool"])].set_index([*diversity.BY])
    display(Markdown(f"**{measure}**"), shown[["mean", "low", "high", "sets"]].round(3))

# %% [markdown]
# ## What does one step to more languages change?
# Sets are nested, so a pair can be followed from a set to the next larger one: it stays as it was, or one or both of
# its languages become seen. Differences are on the same pairs, and means are over random draws. Intervals (95 %) are
# for other questions, given these models; and for other questions and other draws of languages, from three draws on.
# An effect is shown where both leave out 0, after Holm's correction over all steps here. "No effect shown" is not "no
# effect": the interval says how large it may be either way. A step to the set of all languages has no interval over
# draws: it is one set, whose models are in every draw.

# %%
print(report.conclusions.said("06", numbers, run.study.compare)[0])
display(followed.dropna(axis="columns", how="all").round(3))
sentences = diversity.step_sentences(followed, setting="cross") + diversity.step_sentences(followed, setting="mono")
report.conclusions.folded(f"The {len(sentences)} steps in words", sentences)

# %% [markdown]
# ## What differs between the least and the most diverse set?

# %%
strategy = diversity.main_strategy(models)
extremes = diversity.extremes(first, strategy)
caption = f"RR on {benchmark} by pair of languages for the least and the most diverse set, {strategy}."
plots.draw(figures, "06_pairs", plots.diversity_pairs, extremes, caption, strategy=strategy)

# %% [markdown]
# How to read it: every pair of languages under both sets, and what the step between them changes; the training
# languages are in bold.
#
# ## Do near languages gain more?

# %%
gains = diversity.by_distance(first)
caption = f"RR on {benchmark} gained over the untrained encoder, by distance to the nearest training language."
plots.draw(figures, "06_distance", plots.diversity_distance, gains, caption)

# %% [markdown]
# How to read it: how much an unseen language gains, against its distance to the nearest training language: 1 is the
# same branch, 2 the same family, 3 another family, and one more for another script; 0 is a seen language. A line that
# falls beyond its intervals says that training helps relatives more.
#
# The same by syntax: the cosine distance of URIEL's syntactic features (lang2vec), to one digit.

# %%
gains = diversity.by_distance(first, syntax=True)
caption = (
    f"RR on {benchmark} gained over the untrained encoder, by syntactic distance to the nearest training language."
)
plots.draw(figures, "06_distance_syntax", plots.diversity_distance, gains, caption, of="syntactic")

# %% [markdown]
# ## What does leaving one language out change?
# The models of all languages but one, each against that of all languages, which has as many rows and steps. What is
# lost in the language itself is what its own rows bring; what others gain is what the rows cost them. A study asks for
# these sets by the size `all but one`.

# %%
gone = diversity.left_out(models, sums)
caption = f"Change in RR on {benchmark} when one language is left out of the training."
plots.draw(figures, "06_left_out", plots.diversity_left_out, gone, caption)

# %%
lost = diversity.left_out_sentences(gone)
Markdown("\n".join(f"- {sentence}" for sentence in lost))

# %% [markdown]
# ## Does the hybrid need more or fewer languages?

# %%
apart = diversity.strategy_differences(first)
points = diversity.per_model(apart[apart["setting"] == "cross"])
caption = f"Difference of the hybrid from the other strategies in RR on {benchmark}, by number of languages."
plots.draw(figures, "06_interaction", plots.diversity_interaction, points, caption, setting="cross")

# %% [markdown]
# How to read it: the difference of the hybrid from the other strategies on the same sets, seeds and pairs. A line that
# rises towards the right, beyond its intervals, says that the hybrid profits more from languages than the other one.
# One that does not leaves that open. "No data" also means a study that has no hybrid beside another strategy on the
# same sets (`diversity.strategies`).
#
# ## Regression: which of these effects are shown?
# RR on log2 of the number of languages (a slope for each seen group), on what was seen and on distance, with an
# effect of each pair of languages, for each setting. Each random draw is fitted alone, an estimate is the mean over
# draws, and its interval is Student's t over draws, from three on; simulations in the kit's tests hold that it covers.
# An effect whose interval leaves out 0 is "not established" where Holm's correction over all effects here does not keep
# it. The set of all languages takes no part. Effects that a draw cannot separate are named instead of estimated.

# %%
fits = diversity.regressions(first) + diversity.regressions(apart)
estimates = diversity.effects(fits)
print(f"Of {len(estimates)} effects, {(estimates['p_holm'].astype(float) < 0.05).sum()} are established.")
estimates.dropna(axis="columns", how="all").round(4)

# %% [markdown]
# The same in words, a click each. In brackets is what the regression takes for granted and how far that holds: lines
# against dummies of k, residuals, their spread, collinearity, bounds, the number of draws.

# %%
sentences = diversity.fit_sentences(fits)
for title, lines in sentences.items():
    display(report.conclusions.folded(title, lines))

# %% [markdown]
# ## Does pretraining matter?
# The effect of a pair holds the share of its languages in the pretraining text, so the regression cannot estimate it.
# Over languages:

# %%
shares = diversity.by_language(first)
display(shares.round(3), *diversity.share_sentences(shares))

# %% [markdown]
# ## Test collections
# A question is answered in its own language there, so there are no pairs of languages: languages that a model was
# trained on are seen, the others unseen. The collections are those that the study names (`diversity.judged`); in one
# named "pool", passages of all its languages are candidates, and those of other languages count as wrong.

# %%
points = diversity.per_model(diversity.gains(outcomes), "RR@10", by=(*diversity.BY, "benchmark"))
caption = "RR@10 gained over the untrained encoder on test collections, by number of training languages."
plots.draw(figures, "06_collections", plots.diversity_collections, points, caption, measure="RR@10")

# %% [markdown]
# How to read it: the untrained encoder is asked the same questions in the same languages. `unseen` languages are other
# ones in every set, and every language weighs the same, however many questions it has.
#
# Lines of the language "*" are means over languages. low and high are the 95 % interval of a gain for other questions,
# given these models; crossed_low and crossed_high for other questions and other random draws, from three draws on. An
# effect is established where both leave out 0 after Holm's correction over the lines "*" of a collection and measure.

# %%
over = judged["language"] == "*"
judged[over].drop(columns="language").round(3)

# %%
Markdown("\n".join(f"- {one}" for one in numbers["collections"]))

# %% [markdown]
# Language by language:

# %%
judged[~over].drop(columns="established").round(3)

# %% [markdown]
# ## What these runs cannot show

# %%
Markdown("\n".join(f"- {sentence}" for sentence in limits))

# %%
run.finish(
    "06",
    {
        "models": len(set(models["model"])),
        "RR": tables["RR"].to_dict("records"),
        "steps": followed.to_dict("records"),
        "left out": gone.to_dict("records"),
        "left out sentences": lost,
        "effects": estimates.to_dict("records"),
        "sentences": sentences,
        "pretraining": diversity.share_sentences(shares),
        "judged": judged.to_dict("records"),
        "collections": numbers["collections"],
        "limits": limits,
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "06")

# %% [markdown]
# ## Your turn
# Single pairs of languages, one kind of step, and the largest effects.

# %%
first.head(10)  # a line a model and pair; filter by query_language, passage_language, k or strategy

# %%
followed.head(10).round(3)  # a line a step; filter by setting, from_k, to_k or seen

# %%
estimates.sort_values("estimate", ascending=False).head(10).round(4)
