# One command each: `make demo` and `make test` set up what they need on a fresh machine.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint format results clean

help:  ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP)  ## Set up .venv (or VENV=...) with the versions that are tested

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)  ## Draw a street at night, fuse it, and say where the pictures are
	$(BIN)/emma demo --output demo --overwrite

test: $(STAMP)  ## Run the tests; those with real pictures need ../shared/data or EMMA_DATA
	$(BIN)/python -m pytest

lint: $(STAMP)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## Put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

results: $(STAMP)  ## Score the model and the baselines on RoadScene into docs/results.md
	$(BIN)/python benchmarks/results.py

clean:  ## Remove what was made here
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	if [ -f '$(STAMP)' ]; then rm -rf '$(VENV)'; fi
