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
# # 08 Remedies
# Language bias can be taken off without any training: from the embeddings, from the scores, or by weights between the
# start and what was trained. What does each give, at what price, and does it still matter how batches are made once
# one is applied? A study lists chains under `remedies`; `none` is always there.

# %% tags=["parameters"]
study = "quick"
benchmark = ""  # one of the study's; empty for all of them

# %%
from IPython.display import Markdown

from hybridkit import Run, analysis, plots, report

run = Run(study)
figures = run.folder / "figures"
first, second = run.study.compare
baseline = second if second != analysis.UNTRAINED else first
scores, systems = analysis.remedies.remedy_results(run, benchmark)
table = analysis.remedies.remedy_table(scores)

# %% [markdown]
# What each needs. The language of a query is rarely known for sure, that of a passage can be found when it is indexed.

# %%
analysis.remedies.needs_table(run.study.remedies)

# %% [markdown]
# ## The table
# AP in a language (`mono`), across two (`cross`) and in the pool of all. In that pool a question has an answer in every
# language, so that whatever balances languages is rewarded. In the next two columns it has one answer: the passages of
# all other languages that answer it are taken out. RR where the answer is in the query's language (`own`), and where
# it is in one other language (`other`, drawn for each question). Rank distance in ranks; lower is less bias.

# %%
table.round(3)

# %% [markdown]
# ## Two planes
# A point is a strategy with a remedy, means over seeds. Up and to the right is better. The line joins those that no
# other one dominates: who moves along it wins on one axis what is lost on the other.

# %%
points = analysis.remedies.remedy_points(systems)
plots.draw(
    figures,
    "08_planes",
    plots.remedy_planes,
    points,
    "Left: AP within a language against AP in the pool with an answer in every language. Right: RR where the only "
    "answer is in the query's language against RR where it is in one other. Colour: strategy; marker: remedy.",
)

# %% [markdown]
# ## What is shown
# By the rule of evidence (notebook 04): what each remedy gives to each strategy, what strategies still differ by once
# it is applied, and the untrained encoder with a remedy against the trained one without.

# %%
compared = analysis.remedies.compare_remedies(run, systems, baseline)
plots.draw(
    figures,
    "08_free",
    plots.remedy_effects,
    analysis.remedies.without_training(compared),
    "The untrained encoder with a remedy, minus the trained one without; 95 % intervals over questions, and over "
    "questions and trainings together.",
)

# %%
columns = ["strategy", "remedy", "setting", "measure", "difference", "crossed_low", "crossed_high", "mark"]
gains = compared[compared["kind"] == "a remedy"]
gains[["benchmark", *columns]].round(4)

# %% [markdown]
# Does batch sampling still matter after a remedy?

# %%
left = analysis.remedies.what_is_left(compared)
between = compared[(compared["kind"] == "a strategy") & compared["setting"].isin(["pool", "other"])]
print(report.conclusions.left_sentence(between))
between[["benchmark", "against_strategy", *columns]].round(4)

# %%
report.conclusions.folded("The same in words, a line a remedy", left)

# %% [markdown]
# ## Test collections
# Natural questions, judged in their own language: pools that do not reward balance. In one named "pool", passages of
# all its languages are candidates, and nobody judged those of other languages: they count as wrong. nDCG@10, means over
# languages and seeds; below, by the rule of evidence, what each remedy gives and what strategies still differ by.
# Nothing here: the study names none (`evaluation.judged`, say `"miracl-pool[ar,en,pool]"`).

# %%
judged, on_collections = analysis.remedies.collection_remedies(run)
judged_table = analysis.remedies.collection_table(judged)
plots.draw(
    figures,
    "08_collections",
    plots.remedy_collections,
    analysis.remedies.collection_points(on_collections),
    "nDCG@10 of strategies with each remedy on test collections, where a question is answered in its own language.",
)

# %%
judged_table.round(3)

# %%
there = analysis.remedies.compare_remedies(run, on_collections, baseline)
there[there["kind"] == "a remedy"][["benchmark", *columns]].round(4)

# %%
there[there["kind"] == "a strategy"][["benchmark", "against_strategy", *columns]].round(4)

# %% [markdown]
# ## What to do
# The best system for each need is chosen on the study's held-out rows, and only then measured here. It is no advice
# where a study holds no rows out.

# %%
chosen = analysis.remedies.chosen_systems(run)
said = analysis.remedies.advice(chosen, table, (first, "none"))
Markdown("\n".join(f"- {one}" for one in said) or "No rows are held out to choose by: set `rows.held_out`.")

# %%
run.finish(
    "08",
    {
        "table": table.reset_index().to_dict("records"),
        "compared": compared[
            ["kind", "benchmark", "against_strategy", "against_remedy", *columns, "low", "high"]
        ].to_dict("records"),
        "collections": judged_table.reset_index().to_dict("records"),
        "compared on collections": there[
            ["kind", "benchmark", "against_strategy", "against_remedy", *columns, "low", "high"]
        ].to_dict("records"),
        "front": points.loc[points["front"], ["benchmark", "strategy", "remedy", "column", "value"]].to_dict("records"),
        "what is left": left,
        "chosen": chosen.to_dict("records"),
        "advice": said,
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "08")

# %% [markdown]
# ## Your turn
# The table by another column, one remedy alone, and the points of the front.

# %%
by = "pool"  # any column of the table
table.sort_values(by, ascending=False).head(10).round(3)

# %%
remedy = gains["remedy"].iloc[0] if len(gains) else "none"  # any remedy of the study
gains[gains["remedy"] == remedy][columns].round(4)

# %%
points[points["front"]].round(3)
