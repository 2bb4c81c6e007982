# Everything a stranger needs: `make demo` and `make test`. Prerequisites: make, and a network on the first run.

PYTHON ?=
UV ?= uv
ARGS =

BIN := .venv/bin
STAMP := .venv/.installed
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--only-binary :all: --custom-compile-command "make lock"

.DEFAULT_GOAL := help
# The gates of `make test` run one after the other, the cheapest first.
.NOTPARALLEL:
.PHONY: help setup demo test lint types contracts unit long sweep drills trips site bench format lock clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=/path/to/python3.12 chooses the interpreter, ARGS='-k modbus -x' goes to pytest and to the demo."

setup: $(STAMP) ## create .venv and install from requirements/*.txt; the targets below do it by themselves

# The stamp holds the path of the tree: the scripts in .venv name it, so a tree that was moved is set up anew.
$(STAMP): scripts/setup.sh pyproject.toml requirements/run.txt requirements/dev.txt \
		$(if $(PYTHON),FORCE) $(shell test -x $(BIN)/python && echo '$(CURDIR)' | cmp -s - $(STAMP) || echo FORCE)
	@PYTHON='$(PYTHON)' scripts/setup.sh

FORCE:

demo: setup ## the main job: a new project, its forecast, the plant running, faults, measurements, the sheet
	@$(BIN)/changeover demo $(ARGS)

test: lint types contracts unit ## lint, types, contracts, tests; stops at the first gate that fails

lint: setup ## ruff: rules and format
	@printf '\n== lint (ruff)\n'
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## mypy --strict on src
	@printf '\n== types (mypy)\n'
	@$(BIN)/mypy

contracts: setup ## import-linter: which layer may import what
	@printf '\n== contracts (import-linter)\n'
	@$(BIN)/lint-imports

unit: setup ## pytest
	@printf '\n== tests (pytest)\n'
	@$(BIN)/pytest $(ARGS)

long: setup ## tests that are left out of `make test`: damaged archives, strangers, resumption, reports end to end
	$(BIN)/pytest -m long $(ARGS)

sweep: setup ## the long seeded sweeps of the simulation: 10000 random fault histories each (an hour and a half)
	CHANGEOVER_SWEEP=10000 $(BIN)/pytest -q tests/simulation

drills: setup ## the long drills: every fault for every function in families A, B and C, 10 times each (40 minutes)
	$(BIN)/python scripts/run_drills.py $(ARGS)

trips: setup ## the long counts: false trips under loss, bursts, pauses, slow devices, against the forecast (2.5 hours)
	$(BIN)/python scripts/count_trips.py $(ARGS)

site: setup ## measure a plant in the lab for half an hour, with a backup and a slow PLC made on the way
	$(BIN)/python scripts/measure_site.py $(ARGS)

bench: setup ## every benchmark in benchmarks/, one after the other
	@set -e; for bench in benchmarks/bench_*.py; do printf '\n== %s\n' "$$bench"; $(BIN)/python "$$bench"; done

format: setup ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## renew requirements/*.txt (needs uv; UV=/path/to/uv; ARGS=--upgrade for newer versions)
	$(LOCK) $(ARGS) pyproject.toml requirements/run.in -o requirements/run.txt
	$(LOCK) $(ARGS) --group dev --constraint requirements/run.txt -o requirements/dev.txt

clean: ## remove .venv, builds and caches; leaves demo-*, drill-* and out/, which hold measurements
	rm -rf .venv build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
