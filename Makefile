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
ARGS := "$(LAB)" $(if $(PROFILE),--profile "$(PROFILE)")
PIP := $(BIN)/python -m pip install --no-compile $(shell test -t 2 || echo --quiet) --disable-pip-version-check -c constraints.txt
UNFINISHED := { echo "The installation did not finish; pip says why above. It takes about 3 GB of disk (also in TMPDIR)" \
	"and a connection to PyPI. The same command tries again." >&2; exit 2; }

# The first interpreter that TensorFlow's wheels cover.
COVERED := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do "$$p" $(COVERED) && echo "$$p" && break; done)
SOUND := $(shell $(BIN)/python $(COVERED) && $(BIN)/python -c 'import pip' 2>/dev/null && \
	! find $(VENV)/lib/python*/site-packages -maxdepth 0 -newer $(VENV)/.installing 2>/dev/null | grep -q . && echo yes)

.PHONY: report rebuild test soak lint clean venv

report: $(VENV)/.installed
	@$(BIN)/python -m cnnlab run $(ARGS)

rebuild: $(VENV)/.installed
	@$(BIN)/python -m cnnlab report $(ARGS)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

soak: $(VENV)/.installed-dev
	@PYTHONPATH=. $(BIN)/python -m tests.faults.soak

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf $(VENV) build dist

venv:
	@"$(PYTHON)" $(COVERED) || { echo "cnnlab needs Python 3.11, 3.12 or 3.13:" \
		"$(if $(PYTHON),$(PYTHON) is not one of them,none is on the PATH)." \
		"Install one, or name it: make report PYTHON=/path/to/python3.12" >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments." \
		"On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 2; }
	@"$(PYTHON)" -m venv --clear $(VENV) || $(UNFINISHED)

# A .venv that was cut short, in which pip takes half a library for a whole one, or whose interpreter is gone or another now, is made anew.
$(VENV)/.installed $(VENV)/.installed-dev: pyproject.toml constraints.txt $(if $(SOUND),,venv)

$(VENV)/.installed:
	@echo "Installing cnnlab and its libraries into $(VENV) (about 2.5 GB, once) ..." >&2
	@touch $(VENV)/.installing && $(PIP) --editable . || $(UNFINISHED)
	@rm $(VENV)/.installing && touch $@

$(VENV)/.installed-dev:
	@echo "Installing cnnlab, its libraries and what its tests need into $(VENV) ..." >&2
	@touch $(VENV)/.installing && $(PIP) --editable '.[dev]' || $(UNFINISHED)
	@rm $(VENV)/.installing && touch $@ $(VENV)/.installed
