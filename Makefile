# Every target makes .venv by itself when it is missing; python3.11+, git and make are all it needs.
PYTHON ?= python3
BIN := .venv/bin
MARK := .venv/.installed
# Hashes of every package are in constraints.txt. An editable install has none: it comes after, and brings nothing along.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off

.PHONY: demo test test-all lint format prove audit clean

demo: $(MARK)
	$(BIN)/python scripts/demo.py

test: $(MARK)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(MARK)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(MARK)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(MARK)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# make prove RUN=runs/quick/s1-0123456789 BEFORE=../old: see docs/records.md
prove: $(MARK)
	$(BIN)/python scripts/prove.py run=$(RUN) $(if $(BEFORE),before=$(BEFORE)) $(if $(IMAGES),images=$(IMAGES))

audit: $(MARK)
	$(BIN)/python scripts/audit.py

$(MARK): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("swaplab needs Python 3.11 or newer; name one with make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing swaplab and its packages into .venv (a few minutes, once)"
	$(INSTALL) -r constraints.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf .venv runs
