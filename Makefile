# Two commands: `make run` and `make test`. Everything they need goes into .venv, nothing global.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PIP := $(BIN)/python -P -m pip --disable-pip-version-check
# Of what pip says: each package as it is found, how many are installed, and what went wrong.
COUNTED := | awk '/^(Collecting|Processing|Obtaining) / \
  { gsub(/.*\/|[<>=!~;[].*|-[0-9].*/, "", $$2); print "  " ++found " " $$2 } \
  /^Installing collected packages/ { print "  installing " NF - 3 " packages …" } \
  /ERROR|error:/ { print } { fflush() }' >&2
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
	@echo "[1/2] making $(VENV) …" >&2
	@$(PYTHON) -I -m venv $(VENV) || \
	  { echo "The venv module is missing; install it with: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "[2/2] fetching packages into $(VENV) …" >&2
	@$(PIP) install --constraint constraints.txt --editable . $(COUNTED)
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --editable '.[test]' $(COUNTED)
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --editable '.[bench]' $(COUNTED)
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
