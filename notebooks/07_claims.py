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
from IPython.display import HTML

from hybridkit import Run, analysis, plots

opened = analysis.claims.open_claims(claims)
run = Run(study)
figures = run.folder / "figures"
ours = analysis.claims.judge(opened, analysis.claims.StudyFacts(run))
theirs = analysis.claims.judge(opened, analysis.claims.PublishedFacts())

# %% [markdown]
# ## Verdicts
# A line is a claim, a column what it was tested on. In part: some of the comparisons hold and others do not or cannot
# be tested; or the difference has the claimed sign, but zero lies inside its interval. Not testable: this study does
# not have what the claim is about, and the table below says what.

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
# come with 95 % intervals: over articles (bootstrap; what other questions would change), and from three on over seeds
# or, for unseen languages, over sets of training languages (Student's t; what other trainings would change; sets share
# languages, so that theirs is on the short side). A comparison holds only if every interval there is leaves zero out.

# %%
HTML(analysis.claims.as_html(analysis.claims.summary(ours, plots.kept(figures))))

# %% [markdown]
# ## The same on the published tables
# They are bare numbers: no intervals, no plans of batches, no training rows.

# %%
HTML(analysis.claims.as_html(analysis.claims.summary(theirs).drop(columns=["figure", "source"])))

# %% [markdown]
# ## The evidence, comparison by comparison
# `value` and `against` are the two sides of a comparison; low and high bound their difference over articles, seeds_low
# and seeds_high over what `unit` says.

# %%
evidence = analysis.claims.evidence(ours)
HTML(analysis.claims.as_html(evidence))

# %% [markdown]
# How the words became checks:

# %%
HTML(analysis.claims.as_html(analysis.claims.readings(opened)))

# %%
run.finish(
    "07",
    {
        "verdicts": {entry.claim.id: entry.verdict for entry in ours},
        "published": {entry.claim.id: entry.verdict for entry in theirs},
        "why": {entry.claim.id: entry.sentence for entry in ours},
        "evidence": evidence.to_dict("records"),
    },
)
