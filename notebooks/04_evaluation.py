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
# # 04 Evaluation
# The three settings: `mono`, queries and candidates in one language; `cross`, candidates in one other language; `pool`,
# candidates in all languages at once, all parallel passages relevant. Ranks are exact and over the full depth.

# %% tags=["parameters"]
study = "quick"

# %%
from IPython.display import HTML, display

from hybridkit import Run, analysis, plots, report

run = Run(study)
figures = run.folder / "figures"
scores = analysis.scores.study_scores(run)
macros = analysis.scores.macro_scores(scores)

# %% [markdown]
# ## The table
# Mean over languages (mono), ordered pairs of languages (cross) or query languages (pool), then over seeds. AP is
# higher-better, rank distance (in ranks) lower-better.

# %%
table = analysis.scores.main_table(macros)
first, second = run.study.compare
baseline = second if second != analysis.UNTRAINED else first
against = analysis.scores.compare_with_baseline(run, baseline)
similarity = run.similarity(run.models()[0], run.benchmarks()[0])
caption = report.paper_table.caption_of(baseline, against, similarity=similarity)
marks = report.paper_table.significance_marks(against, baseline)
paper = report.paper_table.paper_table(table, caption, marks)
report.paper_table.save_table(paper, figures, "04_table", "tab:main")
paper

# %%
plots.draw(
    figures,
    "04_settings",
    plots.settings,
    macros[macros["measure"] == "AP"],
    "Mean AP by setting and strategy; points are seeds, bars 95 % t intervals over seeds, given these questions.",
)

# %% [markdown]
# ## Is it chance?
# Differences from one strategy, and of hybrid batches from cross-lingual ones. Other questions would change them, and
# so would other trainings, so that each has two intervals. The thick bar is over questions, given these trainings: a
# question and its translations, and all questions of an article, are one draw. The thin bar is over questions and
# trainings together, from three seeds on. A marker is filled where the difference holds over other trainings too (* in
# the table above), half filled where it holds over questions only (°): the next training may turn it. Holm's correction
# covers all comparisons of the figure together, but a benchmark that is a part of another one has its own.

# %%
caption = f"Difference from {baseline}: 95 % intervals over questions, and over questions and trainings together. "
caption += "; ".join(dict.fromkeys(against["family"])) + "."
plots.draw(figures, "04_effects", plots.effects, against, caption, baseline=baseline)

# %%
print(analysis.scores.marks_note(against))
columns = ["benchmark", "system", "against", "setting", "measure", "difference", "crossed_low", "crossed_high", "mark"]
against[columns].round(4)

# %% [markdown]
# A difference may come from the rows that two strategies saw, and not from how batches are made (notebook 02).

# %%
print(analysis.exposure.exposure_note(analysis.exposure.study_exposure(run, tokens=False)))

# %% [markdown]
# ## Each strategy with its own recipe
# A recipe that suits one strategy may spoil another. `hybridkit recipe` searched learning rate, temperature and steps
# of each on held-out rows, on one grid. The table above is made by the shared recipe, this one by each strategy's own;
# what holds by one of them only is a difference of recipes. No table: the study has one recipe.

# %%
recipes = analysis.scores.recipe_table(run)
own_table, own_against = analysis.scores.own_recipes(run, baseline)
display(recipes, own_table.round(3))

# %%
plots.draw(
    figures,
    "04_own_recipes",
    plots.effects,
    own_against,
    f"Difference from {baseline}, each strategy trained by its own recipe; the figure above has the shared one.",
    baseline=baseline,
)

# %% [markdown]
# ## Pairs of languages
# Rows are query languages, columns passage languages; the diagonal is monolingual retrieval.

# %%
benchmark = run.benchmarks()[0]
strategies = list(dict.fromkeys(spec.strategy for spec in run.models()))
pairs = analysis.scores.pair_values(scores, benchmark, strategies)
plots.draw(
    figures,
    "04_language_pairs",
    plots.language_pairs,
    pairs,
    f"Mean AP on {benchmark} by query and passage language, averaged over seeds, one panel a strategy.",
)

# %% [markdown]
# Where does the first strategy gain over the second? Above zero it is better. In grey cells no difference is shown;
# plain numbers hold over other questions, given these trainings (°), bold ones over other trainings too (*), after
# Holm's correction over all pairs.

# %%
comparison = analysis.scores.compare_strategies(run, benchmark, first, second)
difference = analysis.scores.pair_significance(comparison)
plots.draw(
    figures,
    "04_pair_difference",
    plots.pair_difference,
    difference,
    f"Difference in mean AP on {benchmark}, {first} minus {second}, by query and passage language.",
    a=first,
    b=second,
)

# %%
overall = comparison[comparison["passage_language"] == "*"]
overall[overall["query_language"] == "*"].drop(columns=["query_language", "passage_language"]).round(4)

# %% [markdown]
# ## Test collections
# Collections like MIRACL are judged within one language: a value shows how a model, trained on the languages of the
# study, serves that language. They say nothing about pairs of languages. In brackets is the 95 % interval over other
# queries, given these trainings; queries that are answered in one document are drawn together. Below, strategies are
# compared by the same rule as above. An empty table: the study names none (`evaluation.judged`, say tydi-goldp or
# miracl).

# %%
judged = analysis.scores.collection_table(run)
analysis.scores.by_language(judged)

# %%
on_collections = analysis.scores.compare_on_collections(run, baseline)
shown = ["benchmark", "system", "against", "language", "measure", "difference", "crossed_low", "crossed_high", "mark"]
on_collections[shown].round(4)

# %% [markdown]
# ## Beside published numbers
# Other encoders, other training data and budgets: compare the order of strategies, not the height.

# %%
plots.draw(
    figures,
    "04_published",
    plots.published,
    analysis.scores.beside_published(macros),
    "This study's macro means (filled) beside those published in arXiv 2408.10536 and LAReQA, 2004.05484 (hollow).",
)

# %% [markdown]
# On MIRACL: the same passages, judgements and measures by its baselines (arXiv 2210.09984, as Pyserini reproduces them)
# and by MTEB's encoders. BM25 differs with how words are split: hybridkit splits Yoruba by Unicode's rules.

# %%
analysis.scores.collections_beside_published(judged)

# %% [markdown]
# ## Which of the paper's robust findings hold here
# Hybrid batches beat monolingual ones in cross and pool, and cross-lingual ones in mono, in every language (arXiv
# 2408.10536, tables 2 to 4). Counted over query languages and seeds: how often, and by how much on average. Counts say
# nothing of chance: query languages share their questions and seeds their articles. The last columns are the
# differences of the figure above, with their interval over questions and trainings and their mark.

# %%
findings = analysis.scores.findings(scores, benchmark, against)
findings.round(3)

# %% [markdown]
# ## Re-rankers
# A re-ranker reads query and passage together. It puts the best passages of a first stage, the encoder before training,
# into its own order: in a pair of languages the best of the pair, in the pool those of the pool. Passages behind them
# keep their ranks. `untrained` is the first stage alone. Where the study draws questions, both are measured on these.
# arXiv 2305.05295 calls the settings MoIR, CLIR and MLIR. "seen-unseen": the query's language is among those of the
# training rows, the passage's is not. A `dual encoder` is trained on the study's own rows and recipe with hard
# negatives, one "distilled from" a re-ranker learns its scores too (MarginMSE, arXiv 2010.02666); neither is re-ranked.
# No table: the study has no re-rankers (`reranker`).

# %%
reranked = analysis.rerankers.reranker_scores(run)
reranker_table = analysis.rerankers.reranker_table(reranked)
reranker_table.round(3)

# %% [markdown]
# Each strategy against the first of the study by RR@10, and code-switched ones beside what the paper prints in its
# abstract: other models, rows and budgets, so that the sign is to be compared and not the height.

# %%
gains = analysis.rerankers.reranker_gains(run)
display(gains.reindex(columns=columns).round(4), analysis.rerankers.beside_published_gains(gains).round(4))

# %% [markdown]
# What a dual encoder gains by learning from a re-ranker, over one that is trained alike without it; no table where the
# study distils none (`reranker.distilled`).

# %%
distilled = analysis.rerankers.distillation_gains(run)
distilled.reindex(columns=columns).round(4)

# %%
by_distance = analysis.rerankers.gains_by_distance(run)
plots.draw(
    figures,
    "04_rerankers",
    plots.gains_by_distance,
    by_distance,
    "What each strategy gains over the first in RR@10, by how far the languages of a pair are from English.",
)

# %% [markdown]
# The paper's claims, by the rule that the ledger of notebook 07 uses.

# %%
reranker_claims = analysis.claims.judge_rerankers(run)
HTML(analysis.claims.as_html(analysis.claims.summary(reranker_claims, plots.kept(figures))))

# %%
run.finish(
    "04",
    {
        "table": table.reset_index().to_dict("records"),
        "findings": findings.to_dict("records"),
        "against": against.to_dict("records"),
        "own recipes": own_against.to_dict("records"),
        "own table": own_table.reset_index().to_dict("records"),
        "recipes": recipes.reset_index().to_dict("records"),
        "judged": judged.to_dict("records"),
        "compared on collections": on_collections.to_dict("records"),
        "re-ranker table": analysis.rerankers.in_rows(reranker_table).to_dict("records"),
        "re-rankers": gains.to_dict("records"),
        "distilled": distilled.to_dict("records"),
        "claims on re-rankers": {entry.claim.id: entry.verdict for entry in reranker_claims},
        "scores": len(scores),
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "04")

# %% [markdown]
# ## Your turn
# Another measure by pair of languages, the hardest pairs, and the differences of one strategy.

# %%
measure = "R@1"  # AP, RR, RR@10, R@1, R@10 or nDCG@10
analysis.scores.pair_values(scores, benchmark, strategies, measure).head(10)

# %%
pairs.sort_values("value").head(10)  # the hardest pairs; ascending=False for the easiest

# %%
against[against["system"] == first][columns].round(4)  # any strategy of the study
