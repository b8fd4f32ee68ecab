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
from hybridkit import Run, analysis, plots, report

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
# Every training text was compared with every text of the benchmarks, whatever its language. A row is dropped, in all
# its languages, for a text that is the same but for case, width and spaces (*exact*); that has the same letters, or
# of 40 letters or more nearly all of them and the same numbers, so that a word may be added, removed or changed
# (*near*); that holds such a text as a part, or is a part of one (*part*); for a passage and a query that are both a
# little like those of one question (*pair*); and for a question's *id*. In texts below 40 letters only a word more
# counts: "capital of Chad" is not "capital of Mali". Of a benchmark that is made from templates only equal texts are
# looked for. Read a line as: so many texts of this source are in this benchmark, and so many rows were dropped for
# them. Empty tables: nothing was found. This finds copies, not paraphrases, and not the same fact in an unmarked
# translation.

# %%
leaks = run.rows.leaks
analysis.data.leak_summary(run)

# %%
leaks.drop(columns="row")

# %% [markdown]
# Copies are not everything. Rows of the collection that a benchmark was made from ask in the same way about the same
# kind of articles, and the encoder was trained by others before: by these statements of its authors, as far as the
# kit knows them.

# %%
relatives = analysis.data.benchmark_relatives(run)
relatives

# %%
run.finish(
    "01",
    {
        "relatives": relatives.to_dict("records"),
        "leaked rows": leaks.groupby("source")["row"].nunique().to_dict(),
        "rows": counts.set_index("what")["rows"].to_dict(),
        "languages": len(run.split[0].languages),
        "queries": benchmarks.groupby("benchmark")["queries"].sum().to_dict(),
        "candidates": benchmarks.groupby("benchmark")["candidates"].sum().to_dict(),
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "01")

# %% [markdown]
# ## Your turn
# Another row, another language, and the texts of a benchmark.

# %%
row = 1  # any row of training
analysis.data.sample_row(run.split[0], row)

# %%
language = run.split[0].languages[0]  # any of run.split[0].languages
lengths[lengths["language"] == language]

# %%
benchmark = run.study.evaluation.benchmarks[0]  # any that the study names
run.benchmark(benchmark).queries.head(10)
