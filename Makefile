# `make quickstart` and `make test` need nothing but Python 3.10+ and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Two workers, each of which takes a file at a time; `make test JOBS=0` runs all in one process.
JOBS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=20

.PHONY: help quickstart test test-all test-long sanitize lint format clean clean-runs

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The environment is made when there is none, and updated when what it depends on has changed.
INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check
NEEDS := setup.py constraints.txt anl_seg/kernels/softmax_cpu.c
$(VENV)/.installed: $(NEEDS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -c constraints.txt -e '.[onedl]'
	touch $@

$(VENV)/.tests-installed: $(NEEDS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -c constraints.txt -e '.[onedl,test]' ruff mypy types-PyYAML
	touch $(VENV)/.installed $@

quickstart: $(VENV)/.installed ## train three losses under label noise on the embedded data, print a table
	$(BIN)/python tools/quickstart.py

test: $(VENV)/.tests-installed ## run the quick tests; ARGS="tests/noise -x" and the like go to pytest
	$(PYTEST) -m "smoke or not (training or interpreter or slow)" $(ARGS)

test-all: $(VENV)/.tests-installed ## run all tests: trainings and Triton's interpreter too
	$(PYTEST) $(ARGS)

test-long: $(VENV)/.tests-installed ## run all tests with at least 500 examples per property
	$(PYTEST) --hypothesis-profile=long

sanitize: $(VENV)/.tests-installed ## run the kernel tests on a C library with address and UB sanitizers (gcc)
	.ci/sanitize $(BIN)/python

lint: $(VENV)/.tests-installed ## check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tests-installed ## repair style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and caches; results of runs stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis

clean-runs: ## remove work_dirs: everything that runs have written, checkpoints and results
	rm -rf work_dirs
