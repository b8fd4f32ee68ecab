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
# # 05 Language bias
# Does the model prefer passages by their language? In the multilingual pool the parallel passages of a question are
# equally relevant, so an unbiased model ranks them together.

# %% tags=["parameters"]
study = "quick"

# %%
from IPython.display import Markdown

from hybridkit import Run, analysis, plots, report

run = Run(study)
figures = run.folder / "figures"
scores = analysis.scores.study_scores(run)
benchmark = run.benchmarks()[0]

# %% [markdown]
# ## Rank distance
# Per question the largest minus the smallest rank of its parallel passages in the pool, averaged over questions, by
# query language (arXiv 2408.10536). Lower is less bias; the size of the pool is its upper bound.

# %%
distances = analysis.scores.distances_by_language(scores, benchmark)
plots.draw(
    figures,
    "05_rank_distance",
    plots.rank_distance,
    distances,
    f"Rank distance on {benchmark} by strategy and query language, in ranks of the pool; lower is less language bias.",
)

# %%
by_strategy = distances.groupby(["strategy", "seed"])["value"].mean().unstack("seed")
by_strategy.round(1)

# %% [markdown]
# ## Languages among the top of the pool
# The share of each language among the top k against the share expected: that of a perfect system which is blind to
# language, and ranks a question's relevant passages first, whatever their language, and all others behind them. A
# perfect ranking has a ratio of 1 everywhere.

# %%
shares = analysis.scores.language_shares(run, benchmark)
top = run.study.evaluation.top
plots.draw(
    figures,
    "05_language_share",
    plots.language_share,
    shares,
    f"Share of each language among the top {top} of the pool on {benchmark}, and its ratio to the share expected.",
    k=top,
)

# %% [markdown]
# How much the query's own language is preferred: its share among the top k over the share expected, averaged over
# query languages and seeds.

# %%
own = shares[shares["query_language"] == shares["passage_language"]]
preference = (own["share"] / own["expected"]).groupby(own["strategy"]).mean().rename("own language / expected")
preference.round(2).to_frame()

# %% [markdown]
# ## From several sides
# No single number is language bias. Each panel is one measure; its source is named in `hybridkit.evaluation.bias`.
# From the ranks: rank distance, and the same on a scale from together to random order (an affine image of it, to
# compare benchmarks by; it counts once); PEER; the AP lost when the relevant passage in the query's own language is
# taken away, beyond what another's costs; gaps between languages. From the scores: the margin of same-language
# passages that answer nothing over passages in other languages that do, on average. It may be below 0 for a biased
# encoder, so it cannot tell whether one is strongly aligned. The answers overtaken can: the share of answers in other
# languages that score below some passage in the query's language that answers nothing, 0 in a strongly aligned
# encoder. From the embeddings: how well a linear probe finds the language, how much of the variance lies between
# languages. As a user feels it: MRC is how alike the rankings are that a question's languages give; Success@1 and
# Success@10 are the shares of queries that the first passage, and one of the first ten, answers at all: a biased
# system may do well there. A dotted line is what no preference would give.

# %%
panel = analysis.bias.bias_panel(run, benchmark)
plots.draw(
    figures,
    "05_bias_panel",
    plots.bias_panel,
    panel,
    f"Measures of language bias on {benchmark}, by strategy; points are seeds, dotted lines chance. Normalised rank "
    "distance is rank distance on another scale.",
)

# %%
plots.draw(
    figures,
    "05_language_map",
    plots.language_map,
    analysis.bias.language_maps(run, benchmark),
    f"Mean embeddings of the passages of each language of {benchmark}, in the plane that shows most of their variance.",
)

# %% [markdown]
# What changes from the second strategy of the comparison to the first, and by which mechanism:

# %%
verdict = analysis.bias.verdict(panel, run.study.compare)
Markdown(verdict)

# %% [markdown]
# ## Look yourself
# The inspector: a cell of the matrix is a pair of languages, by default with how many ranks of the pool its passages
# are ranked behind their twins. Click it (or use the arrow keys and Enter), then a query of the list, and see what each
# strategy ranks for it. The search box takes any question, in any language.

# %%
inspector = report.inspect(run)
inspector

# %% [markdown]
# The same without the widget, for what it opens on: the matrix, the difference of the two strategies (in grey no
# difference is shown, plain numbers hold over questions given these trainings, bold ones over other trainings too), the
# queries that changed most, the passages that each strategy ranks first, and where it has the parallel passages. Ranks
# count from 1.

# %%
inspected = inspector.inspected
now, before, measure, pair = inspector.strategy, inspector.minus, inspector.measure, inspector.pair
bias_of_pairs = report.views.pair_matrix(inspected, before, measure)
bias_of_pairs.pivot(index="query_language", columns="passage_language", values="value").round(0)

# %%
change = report.views.pair_matrix(inspected, now, measure, before)
wide = change.pivot(index="query_language", columns="passage_language")
looks = wide["mark"].replace({"*": "font-weight: bold", "°": "", "": "color: #6e6e6e"})
wide["value"].style.set_uuid("change").apply(lambda _: looks, axis=None).format("{:+.3g}")

# %%
queries = report.views.pair_queries(inspected, pair, now, before, order="change")
queries.head(10)

# %%
query = queries["query_id"].iloc[0]
report.views.ranking(inspected, pair[0], query, "*", now, top=5)

# %%
report.views.ladder(inspected, pair[0], query, [before, now]).pivot(
    index="passage_language", columns="strategy", values="pool_rank"
)

# %%
run.finish(
    "05",
    {
        "rank distance": by_strategy.mean(axis=1).to_dict(),
        "own language preference": preference.to_dict(),
        "bias": panel.groupby(["strategy", "measure"], sort=False)["value"].mean().unstack("measure").to_dict("index"),
        "verdict": verdict,
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "05")

# %% [markdown]
# ## Your turn
# A pair of your own, another query, and one measure of the panel.

# %%
yours = pair  # any pair of languages, such as ("de", "en")
report.views.pair_queries(inspected, yours, before, now, order="change").head(10)

# %%
query = queries["query_id"].iloc[-1]  # any query of the list
report.views.ladder(inspected, pair[0], query, [before, now]).head(20)

# %%
measure = panel["measure"].iloc[0]  # any of panel["measure"].unique()
panel[panel["measure"] == measure].round(3)
