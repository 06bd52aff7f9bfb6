# One command each: `make demo` and `make test` set up what they need on a fresh machine.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all lint format results bench docs docs-images clean

help:  ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP)  ## Set up .venv (or VENV=...) with the versions that are tested

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)  ## Draw a street at night, fuse it, and say where the images are
	$(BIN)/emma demo --output demo --overwrite

test: $(STAMP)  ## Run the quick tests; those with real images need ../shared/data or EMMA_DATA
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m 'not slow'

test-all: $(STAMP)  ## Run all tests, the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: $(STAMP)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## Put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

results: $(STAMP)  ## Score the model and the baselines on RoadScene into reports/scores.md
	$(BIN)/python benchmarks/results.py

bench: $(STAMP)  ## Measure the speed here, and what precision costs, into reports/performance.md
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/inference.py --model fast --size 480 640 --repeats 15
	$(BIN)/python benchmarks/precision.py

docs: $(STAMP)  ## Build the handbook into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # the variable: no advertisement
	@echo 'Open site/index.html, or look at it with search: $(BIN)/mkdocs serve'

docs-images: $(STAMP)  ## Make the handbook's images, and what its tour prints, anew
	$(BIN)/python benchmarks/handbook.py
	$(BIN)/python benchmarks/gallery.py

clean:  ## Remove what was made here
	rm -rf demo build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	if [ -f '$(STAMP)' ]; then rm -rf '$(VENV)'; fi
