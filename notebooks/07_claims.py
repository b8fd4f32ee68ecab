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
# # 07 Claims
# The kit was built from a report (arXiv 2408.10536). Here are its claims, one by one, each with a check that this
# study's own measurements answer; beside them, what the report's published tables answer to the same checks. `claims`
# names the file: claims of your own are judged alike.

# %% tags=["parameters"]
study = "quick"
claims = "data/claims.yaml"

# %%
from IPython.display import HTML, Markdown

from hybridkit import Run, analysis, plots, report

opened = analysis.claims.open_claims(claims)
run = Run(study)
figures = run.folder / "figures"
ours = analysis.claims.judge(opened, analysis.claims.StudyFacts(run))
theirs = analysis.claims.judge(opened, analysis.claims.PublishedFacts())

# %% [markdown]
# ## The conclusion first

# %%
numbers = {"verdicts": {one.claim.id: one.verdict for one in ours}, "why": {one.claim.id: one.sentence for one in ours}}
Markdown("\n".join(f"- {one}" for one in report.conclusions.said("07", numbers, run.study.compare)))

# %% [markdown]
# ## Verdicts
# A line is a claim, a column what it was tested on. The verdict is that of the whole claim; the tables below say for
# how many of its comparisons it holds.
#
# - **holds**: every comparison does. For measured scores: a difference to the claimed side is established over
#   questions and over trainings, after Holm's correction over the claim's comparisons.
# - **contradicted**: a comparison does not hold. For measured scores: a difference to the other side is established.
# - **not shown**: neither, or something that the claim names is not there while the rest holds. A difference that fewer
#   than three trainings show is not shown: another training may differ. This is no evidence against the claim.
# - **true by construction**: the settings of the study or the kit itself make it true; it could not fail.
# - **not testable**: this study does not have what the claim is about.
#
# Published tables are printed numbers without intervals: what holds there holds for these numbers, and a wrong sign
# among them leaves the claim not shown.

# %%
plots.draw(
    figures,
    "07_claims",
    plots.claims,
    analysis.claims.matrix([ours, theirs]),
    "Verdicts on the claims of arXiv 2408.10536, by this study's measurements and by the paper's published tables.",
)

# %% [markdown]
# ## The ledger of this study
# Why each verdict is as it is. The figure named in a line is the one of this run that shows it. Differences of scores
# come with two 95 % intervals: given these trainings, for other questions (bootstrap of articles); and for other
# questions and other trainings, which takes three trainings or more. A training is a seed; for unseen languages in a
# study with random draws of languages, it is a draw, whose sets are averaged.

# %%
testable = [one for one in ours if one.verdict != "not testable"]
HTML(analysis.claims.as_html(analysis.claims.summary(testable, plots.kept(figures))))

# %%
others = [one for one in ours if one.verdict == "not testable"]
ledger = analysis.claims.as_html(analysis.claims.summary(others, plots.kept(figures)))
report.conclusions.folded(f"{len(others)} claims that this study cannot test, and what it would take", ledger)

# %% [markdown]
# Where strategies were trained on different data, a difference between them may be one of the data:

# %%
print(analysis.exposure.exposure_note(analysis.exposure.study_exposure(run, tokens=False)))

# %% [markdown]
# ## The same on the published tables
# They are bare numbers: no intervals, no plans of batches, no training rows.

# %%
published = analysis.claims.summary(theirs).drop(columns=["figure", "source"])
report.conclusions.folded("What the published tables say of each claim", analysis.claims.as_html(published))

# %% [markdown]
# ## The evidence, comparison by comparison
# `value` and `against` are the two sides of a comparison; low, high and p are of their difference given these
# trainings, crossed_low, crossed_high and crossed_p over questions and trainings. `given` is the outcome by the first
# alone.

# %%
evidence = analysis.claims.evidence(ours)
shown = evidence.dropna(axis="columns", how="all")
report.conclusions.folded(f"{len(evidence)} comparisons", analysis.claims.as_html(shown))

# %% [markdown]
# How the words became checks:

# %%
report.conclusions.folded(f"{len(opened)} checks", analysis.claims.as_html(analysis.claims.readings(opened)))

# %%
run.finish(
    "07",
    {
        **numbers,
        "published": {entry.claim.id: entry.verdict for entry in theirs},
        "evidence": evidence.to_dict("records"),
    },
)

# %% [markdown]
# ## What we saw

# %%
report.conclusions.saw(run, "07")

# %% [markdown]
# ## Your turn
# The evidence of one claim, how the words became its check, and what published tables say. Claims of your own are lines
# of a file like `data/claims.yaml`: `hybridkit run STUDY --notebook 07 -p claims mine.yaml` judges them.

# %%
claim = ours[0].claim.id  # any claim of the ledger
evidence[evidence["claim"] == claim].dropna(axis="columns", how="all")

# %%
readings = analysis.claims.readings(opened)
readings[readings["claim"] == claim]

# %%
published = analysis.claims.summary(theirs)
published[published["claim"] == claim]
