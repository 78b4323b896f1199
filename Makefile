# Two commands are all a newcomer needs: `make up` and `make test`. The environment lies in .venv.
#
#   make up [METERS=200] [REPLAY=file] [DATA=var] [ARGS="..."]   set everything up and start the system with its neighbourhood
#   make test       set up what the tests need and run them (make test TESTS=tests/unit for a part)
#   make check      lint, format, types, import floors, locks
#   make bench      measure speed and memory as ratios; results for docs/benchmarks.md
#   make soak       the long runs: fresh fault seeds, 10,000 slow meters, fuzzing
#   make clean      remove what the commands above made (the system's data in var/ is kept)

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
METERS ?=
REPLAY ?=
DATA ?=
ARGS ?=
TESTS ?= tests
WORKERS ?= 2

.PHONY: help up test check bench soak clean lock

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

.venv/.created:
	@test -n "$(PYTHON)" || { echo "Meterworks needs Python 3.11 or newer with the venv module: install it, or name it with PYTHON=..." >&2; exit 2; }
	@echo "Setting up .venv (once; about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@touch $@

.venv/.runtime: .venv/.created requirements.lock pyproject.toml
	@$(PIP) install -r requirements.lock -e .
	@touch $@

.venv/.development: .venv/.created requirements-dev.lock pyproject.toml
	@echo "Installing the system and its test peers ..."
	@$(PIP) install -r requirements-dev.lock -e .
	@touch $@ .venv/.runtime

up: .venv/.runtime
	@exec $(BIN)/meterworks up $(if $(METERS),--meters $(METERS)) $(if $(REPLAY),--replay "$(REPLAY)") $(if $(DATA),--data "$(DATA)") $(ARGS)

test: .venv/.development
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(TESTS)

check: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_locks.py

bench: .venv/.development
	$(BIN)/python -m benchmarks

soak: .venv/.development
	$(BIN)/python -m tests.soak

# For developers: resolve the locks anew. They name no address, so that they work against any package index.
lock:
	uv pip compile pyproject.toml --no-config --no-header --no-annotate --upgrade --quiet -o requirements.lock
	uv pip compile pyproject.toml --no-config --extra dev -c requirements.lock --no-header --no-annotate --quiet -o requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
