# make report          train what is missing and render the demo's report
# make report LAB=... PROFILE=...   another lab: the name of a shipped one or a path
# make rebuild         render again from cached runs, training nothing
# make test            the whole test suite
# make soak            trainings killed, stopped and starved of space for about 15 minutes (docs/reliability.md)
# make lint            style and types

LAB ?= demo
PROFILE ?=
VENV := .venv
BIN := $(VENV)/bin
ARGS := $(LAB) $(if $(PROFILE),--profile $(PROFILE))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# The first interpreter that TensorFlow's wheels cover.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo "$$p" && break; done)

.PHONY: report rebuild test soak lint clean

report: $(VENV)/.installed
	@$(BIN)/cnnlab run $(ARGS)

rebuild: $(VENV)/.installed
	@$(BIN)/cnnlab report $(ARGS)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

soak: $(VENV)/.installed-dev
	@PYTHONPATH=. $(BIN)/python -m tests.faults.soak

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "cnnlab needs Python 3.11, 3.12 or 3.13, and none is on the PATH." \
		"Install one, or name it: make report PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments." \
		"On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing cnnlab and its libraries into $(VENV) (about 2.5 GB, once) ..." >&2
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing cnnlab, its libraries and what its tests need into $(VENV) ..." >&2
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
