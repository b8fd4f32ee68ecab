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
from IPython.display import display

from hybridkit import results
from hybridkit.figures import draw
from hybridkit.run import Run

run = Run(study)
figures = run.folder / "figures"
scores = results.study_scores(run)
macros = results.macro_scores(scores)

# %% [markdown]
# ## The table
# Mean over languages (mono), ordered pairs of languages (cross) or query languages (pool), then over seeds. AP is
# higher-better, rank distance (in ranks) lower-better.

# %%
table = results.main_table(macros)
table.round(3)

# %%
draw(
    figures,
    "04_settings",
    "settings",
    macros[macros["measure"] == "AP"],
    "Mean AP by setting and strategy; points are seeds, bars 95 % t intervals of the mean from three seeds on.",
)

# %% [markdown]
# ## Pairs of languages
# Rows are query languages, columns passage languages; the diagonal is monolingual retrieval.

# %%
benchmark = run.study.evaluation.benchmarks[0]
strategies = list(dict.fromkeys(cell.strategy for cell in run.cells()))
pairs = results.pair_values(scores, benchmark, strategies)
draw(
    figures,
    "04_language_pairs",
    "language_pairs",
    pairs,
    f"Mean AP on {benchmark} by query and passage language, averaged over seeds, one panel a strategy.",
)

# %% [markdown]
# Where does the first strategy gain over the second? Above zero it is better.

# %%
first, second = run.study.compare
difference = results.pair_difference(scores, benchmark, run.study.compare)
draw(
    figures,
    "04_pair_difference",
    "pair_difference",
    difference,
    f"Difference in mean AP on {benchmark}, {first} minus {second}, by query and passage language.",
    a=first,
    b=second,
)

# %% [markdown]
# ## Beside published numbers
# Other encoders, other training data and budgets: compare the order of strategies, not the height.

# %%
beside = results.beside_published(macros)
if len(beside):
    display(
        draw(
            figures,
            "04_published",
            "published",
            beside,
            "This study's macro means (filled) beside those published in arXiv 2408.10536 (hollow).",
        )
    )
else:
    print("No benchmark of this study has published numbers.")

# %% [markdown]
# ## Which of the paper's robust findings hold here
# Hybrid batches beat monolingual ones in cross and pool, and cross-lingual ones in mono, in every language (arXiv
# 2408.10536, tables 2 to 4). Counted over query languages and seeds: how often, and by how much on average.

# %%
findings = results.findings(scores, benchmark)
findings.round(3)

# %%
run.finish(
    "04",
    {"table": table.reset_index().to_dict("records"), "findings": findings.to_dict("records"), "scores": len(scores)},
)
