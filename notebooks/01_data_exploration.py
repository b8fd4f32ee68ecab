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
# # 01 Data exploration
# What a study trains and evaluates on: how many rows in which languages, how long, what one looks like. Everything
# below is made from the study's files; nothing is trained.

# %% tags=["parameters"]
study = "quick"  # a study under studies/, or the path of a YAML file

# %%
from hybridkit import Run, analysis, plots

run = Run(study)
figures = run.folder / "figures"
print(run.study.title)

# %% [markdown]
# ## From the files to training
# Strategies that are compared draw from the same rows: those that every one of them can use. Rows of one *group* share
# a passage or a text in some language, so one could answer the other; no two of them ever meet in a batch. Held-out
# rows are whole groups, so that no text is on both sides.

# %%
counts = analysis.data.row_counts(run)
counts

# %%
analysis.data.licences(run)

# %% [markdown]
# ## Languages
# Bars are rows that have a query, and a passage, in the language. A language with few rows is drawn as often as the
# others in `mono` batches (the paper's rule is uniform over languages), so its rows are repeated more.

# %%
coverage = analysis.data.coverage(run)
plots.draw(
    figures,
    "01_coverage",
    plots.coverage,
    coverage,
    "Rows with a query and with a passage in each language, of those that every strategy of the study can use.",
)

# %% [markdown]
# ## Lengths
# Boxes are the middle half of the texts, whiskers the 5th and 95th percentile. Texts longer than the study's maximum
# are cut.

# %%
lengths = analysis.data.text_lengths(run.split[0])
plots.draw(
    figures,
    "01_text_lengths",
    plots.text_lengths,
    lengths,
    "Length of queries and passages in characters: 5, 25, 50, 75 and 95 % quantiles by language.",
)

# %% [markdown]
# ## One row
# The same question and passage in every language it is known in: *twins*. A twin is never a negative.

# %%
plots.draw(
    figures,
    "01_sample_row",
    plots.sample_row,
    analysis.data.sample_row(run.split[0]),
    "One training row in all of its languages.",
)

# %% [markdown]
# ## Benchmarks
# A query of a parallel benchmark exists in every language; each of its parallel passages is relevant.

# %%
benchmarks = analysis.data.benchmark_table(run)
benchmarks

# %% [markdown]
# ## Is it zero-shot?
# Every training text was held against every text of the benchmarks: the same text but for case, width and spaces
# (*exact*, in any language), nearly the same in its own language (*near*: texts of more than a sentence that share 80 %
# of their shingles and numbers; within a sentence the words or letters must be the same, for "capital of Chad" is not
# "capital of Mali"), or a row known by a question's *id*. Read a line as: so many texts of this source are in this
# benchmark, and so many rows were dropped for them, in all their languages. Empty tables: nothing was found. What
# is not looked for is the same fact in other words, or in an unmarked translation, and what the encoder met before.

# %%
leaks = run.rows.leaks
analysis.data.leak_summary(run)

# %%
leaks.drop(columns="row")

# %%
run.finish(
    "01",
    {
        "leaked rows": leaks.groupby("source")["row"].nunique().to_dict(),
        "rows": counts.set_index("what")["rows"].to_dict(),
        "languages": len(run.split[0].languages),
        "queries": benchmarks.groupby("benchmark")["queries"].sum().to_dict(),
        "candidates": benchmarks.groupby("benchmark")["candidates"].sum().to_dict(),
    },
)
