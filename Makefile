# Two commands: `make run` and `make test`. Everything they need goes into .venv, nothing global.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -P -m pip --disable-pip-version-check --quiet
ARGS ?=

.PHONY: run test lint types imports check clean bench faults

run: $(VENV)/.installed
	@$(BIN)/isochrone run $(ARGS)

test: check
	PYTHONHASHSEED=0 $(BIN)/pytest $(ARGS)

check: lint types imports

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test-installed
	$(BIN)/mypy

imports: $(VENV)/.test-installed
	$(BIN)/lint-imports

# Peers beside the libraries: apt-get install fping irtt iputils-ping. Needs root (namespaces).
bench: $(VENV)/.bench-installed
	PYTHONPATH=$(CURDIR) $(BIN)/python -P -m bench $(ARGS)

# Kills, cuts, full disks, wrong clocks, forged papers: every probe must be accounted for.
faults: $(VENV)/.installed
	@$(BIN)/python -P -m lab.faults $(ARGS)

$(VENV)/bin/python:
	@$(PYTHON) -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Isochrone needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -I -m venv $(VENV) || \
	  { echo "The venv module is missing; install it with: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) …" >&2
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --editable '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
