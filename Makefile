# Every target makes what it needs by itself: python3.11 or newer, git and make are enough.
PYTHON ?= python3
BIN := .venv/bin
MARK := .venv/.installed
DOCS := .venv-docs
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format prove audit docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

demo: $(MARK) ## see a face swap within five minutes (swaplab demo)
	$(BIN)/python -m swaplab demo

test: $(MARK) ## the fast tests (10 minutes on two cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(MARK) ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(MARK) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(MARK) ## repair what ruff can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

prove: $(MARK) ## show that numbers did not move: BASE=COMMIT, or RUN=runs/NAME/ID BEFORE=../old; docs/records.md
	$(BIN)/python $(if $(BASE),scripts/prove_base.py base=$(BASE) $(if $(STEPS),steps=$(STEPS)) \
		$(if $(EXPERIMENTS),experiments=$(EXPERIMENTS)) $(if $(JOBS),jobs=$(JOBS)),scripts/prove.py run=$(RUN) \
		$(if $(BEFORE),before=$(BEFORE)) $(if $(IMAGES),images=$(IMAGES)))

audit: $(MARK) ## look up known vulnerabilities of the pinned packages
	$(BIN)/python scripts/audit.py

docs: $(DOCS)/.installed ## build the documentation into site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict
	@echo "open site/index.html; its search needs a server: $(PYTHON) -m http.server -d site"

clean: ## remove the environments and the built documentation; runs stay
	rm -rf .venv $(DOCS) site

$(MARK): pyproject.toml constraints.txt
	@sh scripts/install.sh $(PYTHON) .venv constraints.txt --no-deps --no-build-isolation -e .
	@touch $@

$(DOCS)/.installed: docs/requirements.txt
	@sh scripts/install.sh $(PYTHON) $(DOCS) docs/requirements.txt
	@touch $@
