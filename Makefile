# The doors of hybridkit: `make help` lists them. Needs git, make and Python >= 3.11; everything else goes into .venv.

STUDY ?= quick

# The first of these that is Python >= 3.11; `make PYTHON=/path/to/python3` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

BIN := .venv/bin
INSTALLED := .venv/.installed

# Kernels of the environment before the user's own, so that notebooks always run in .venv.
export JUPYTER_PREFER_ENV_PATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Notebooks start in a folder of their own, so a relative folder of data sets is made absolute here.
ifdef HYBRIDKIT_DATA
export HYBRIDKIT_DATA := $(abspath $(HYBRIDKIT_DATA))
endif
# Somebody's PYTHONPATH must not lead the environment to other versions.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install reproduce check test lint types unit notebooks test-browser test-cluster test-wheel screenshots schema readme docs lab figures clean clean-runs

help: ## list the targets
	@echo 'make reproduce                 every table and figure of the quick study, in a few minutes'
	@echo 'make reproduce STUDY=starter   the same of another study; HYBRIDKIT_DATA=FOLDER says where data sets are'
	@echo 'make check                     lint, layers, types, and the tests of the rooms that changed'
	@echo 'make test                      every check: ruff, layers, mypy, pytest, the notebooks of the quick study'
	@echo 'make test-browser              the inspector and the report in chromium, on the quick study'
	@echo 'make test-cluster              sweeps on a Ray cluster of two nodes on this machine; needs the extra cluster'
	@echo 'make screenshots               draw figures/inspector/*.png again: pictures of the inspector at work'
	@echo 'make docs                      the documentation as a site in site/, with the executed notebooks of quick'
	@echo 'make lab                       JupyterLab on the notebooks (LISTEN=0.0.0.0 in a container with a published port)'
	@echo 'make test-wheel                the wheel in a new environment: quick, own rows, the inspector, from an empty folder'
	@echo 'make figures STUDY=quick       draw the figures again from the scores, computing nothing'
	@echo 'make schema                    write studies/schema.json from the settings of a study, for editors'
	@echo 'make install                   only set up .venv'
	@echo 'make lint | types | unit | notebooks | docs   the parts of make test'
	@echo 'make clean                     remove .venv, builds and caches; runs/ stays'
	@echo 'make clean-runs                remove runs/ too: models, scores and reports of every study'

install: $(INSTALLED) ## set up .venv

$(INSTALLED): pyproject.toml constraints.txt
	@test -n '$(PYTHON)' && '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'hybridkit needs Python 3.11 or later: "$(PYTHON)" is none. Install one and say make PYTHON=/path/to/python3'; exit 1; } >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo 'Making .venv with $(PYTHON)'; rm -rf .venv; '$(PYTHON)' -m venv .venv; } || { \
		echo 'Making the virtual environment failed; on Debian and Ubuntu, "apt install python3-venv" helps'; exit 1; } >&2
	@echo 'Installing the pinned dependencies (once; some minutes)'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks,lexical,search,offline,mteb,dev]'
	@$(BIN)/jupyter kernelspec list 2>&1 | grep -q '$(CURDIR)/.venv/share/jupyter/kernels/python3' || \
		$(BIN)/python -m ipykernel install --sys-prefix --name python3 >/dev/null
	@touch $@

reproduce: $(INSTALLED) ## run a study from data to report
	$(BIN)/hybridkit run '$(STUDY)'

# Rooms with changes that are not on main yet, or not committed: their doctests and tests.
CHANGED = $(sort $(shell { git diff --name-only main... 2>/dev/null; git status --porcelain | cut -c4-; } | \
	sed -nE 's,^(hybridkit|tests)/([a-z]+)/.*,\2,p' | sort -u | sed '/browser/d;/cluster/d'))

check: lint types ## lint, layers, types, the tests of the rooms that changed
	$(if $(CHANGED),OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile \
		$(foreach room,$(CHANGED),$(wildcard hybridkit/$(room) tests/$(room))),@echo 'no room has changed')

test: lint types unit notebooks docs ## every check

# What looks at the run of quick makes it first, but for where it was just made (QUICK=true).
QUICK = $(BIN)/hybridkit run quick
test: QUICK = true

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

types: $(INSTALLED)
	$(BIN)/mypy

# What the quick study leaves behind is tested once it has run, by the next target.
unit: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --ignore=tests/test_quick_study.py --ignore=tests/browser --ignore=tests/cluster

# nbval runs the executed copies once more, cell by cell, with everything from the cache.
notebooks: $(INSTALLED)
	$(BIN)/hybridkit run quick
	$(BIN)/python -m pytest tests/test_quick_study.py
	$(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout=300 -p no:cacheprovider runs/quick/notebooks/*.ipynb

# Needs chromium (on Debian: apt install chromium fonts-noto-core fonts-noto-cjk); without it every test is skipped.
test-browser: $(INSTALLED) ## the inspector and the report in a real browser
	$(QUICK)
	$(BIN)/python -m pytest tests/browser

# Skipped with a reason where Ray is not installed.
test-cluster: $(INSTALLED) ## sweeps on a Ray cluster
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/cluster

test-wheel: $(INSTALLED) ## the wheel in a new environment; WHEEL_TEST=network installs its dependencies too
	WHEEL_TEST='$(or $(WHEEL_TEST),full)' $(BIN)/python -m pytest tests/test_wheel.py

# On the run of starter where there is one, else on quick's.
screenshots: $(INSTALLED) ## pictures of the inspector for the README
	SCREENSHOTS='$(CURDIR)/figures/inspector' $(BIN)/python -m pytest tests/browser/test_screenshots.py

schema: $(INSTALLED) ## write studies/schema.json from the settings, for editors
	$(BIN)/python -c "from pathlib import Path; from hybridkit.study.settings import schema; Path('studies/schema.json').write_text(schema(), encoding='utf-8')"

readme: $(INSTALLED) ## fill README.md and docs/results.md from their templates and the numbers under figures/
	$(BIN)/python figures/readme.py

docs: $(INSTALLED) ## the documentation; an unknown page, name or anchor ends it
	$(QUICK)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Jupyter refuses root unless it is told so; LISTEN=0.0.0.0 is for a container whose port is published.
ROOT = $(filter 0,$(shell id -u))
IP = $(or $(LISTEN),127.0.0.1)
AS_ROOT = $(if $(ROOT),As root JupyterLab listens on $(IP) and asks for the token of its address)
lab: $(INSTALLED) ## JupyterLab with the kernel ready
	$(if $(AS_ROOT),@echo '$(AS_ROOT)')
	$(BIN)/jupyter lab --notebook-dir=notebooks $(if $(ROOT)$(LISTEN),--ServerApp.ip=$(IP)) $(if $(ROOT),--allow-root)

figures: $(INSTALLED) ## redraw without computing
	$(BIN)/hybridkit figures '$(STUDY)'

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find hybridkit tests notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@echo 'runs/ and data/cache stay; make clean-runs removes runs/'

clean-runs:
	rm -rf runs
