# On a fresh machine `make repro` sets up and runs the experiment, `make test` sets up and passes the tests.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# No telemetry, no update checks.
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# A make that is killed ends what it has started: python -m flows and python -m tasks look at this.
export PIPELINE_PARENT := $(shell echo $$PPID)
NAME ?= smoke
BASE ?= HEAD
ARGS ?=

.PHONY: help setup repro flow experiment ui serve test test-all bench bench-quick faults golden mutants guard lint format deps lock upgrade readme clean verify browser

help:  ## Say what each command does
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/complete .venv/plots.html  ## Make the environment from the hashed lock, once

# Compiled on install: where Python may not write bytecode, every import of TensorFlow would else take 25 s instead of 6.
.venv/complete: requirements.lock
	@echo "Setting up .venv (about a minute, once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed, this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@touch $@

.venv/plots.html: .venv/complete flows/plots.py
	@$(BIN)/python -m flows.plots

repro: setup  ## Run what is not up to date of the whole experiment; on 4 processes: make repro ARGS="--workers 4"
	@python -m flows repro $(ARGS)

flow: setup  ## The same as a Prefect flow
	@python -m flows flow $(ARGS)

experiment: setup  ## Run one of experiments/ and record it: make experiment NAME=book-3e
	@python -m flows experiment $(NAME) $(ARGS)

verify: setup  ## Run the finished experiment again from its commit and raw data, and compare; NAME=... a recorded one
	@python -m flows verify $(if $(filter command environment,$(origin NAME)),$(NAME)) $(ARGS)

ui: setup  ## Open the MLflow UI on this machine
	@python -m flows ui $(ARGS)

serve: setup  ## Start a Prefect server and a worker on this machine, with the schedule of prefect.yaml
	@python -m flows serve $(ARGS)

test: setup  ## Quick tests
	@python -m pytest -n auto --dist loadfile $(ARGS)

test-all: setup  ## All tests: both runners on real data, the server and its worker, schedules waited for
	@python -m pytest -n auto --dist loadfile -m "slow or soak or not slow" $(ARGS)

browser:  ## Install Debian's chromium, in which a test opens the report
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null \
	  || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium > /dev/null; }

bench: setup  ## Ours beside Keras, PyTorch, JAX and the products alone; writes docs/performance.md, in an hour
	@python -m benchmarks $(ARGS)

bench-quick: setup  ## The same with fewer rows and rounds, in minutes
	@python -m benchmarks --quick $(ARGS)

faults: setup  ## Put every fault into a scratch project and see what is left; writes docs/faults.md. ARGS="--kills 300 --hours 2"
	@python -m benchmarks.faults $(ARGS)

golden: setup  ## Does the work tree give the results of a commit to the byte? make golden BASE=HEAD; --full: the default run
	@python -m benchmarks.golden $(BASE) $(ARGS)

mutants: setup  ## Which small defects do the tests let pass? ARGS="--seed 2 --n 50 --only autoencoders"
	@python -m benchmarks.mutants $(ARGS)

guard: setup  ## Is an epoch still far ahead of Keras' fit? In seconds
	@python benchmarks/guard.py

lint: setup  ## Style, types
	@ruff check . && ruff format --check . && mypy

format: setup  ## Put the code into shape
	@ruff format . && ruff check --fix .

deps: setup  ## Bring the code dependencies in dvc.yaml up to date
	@python -m tasks.frame.code

readme: setup  ## Write the last run's results and the DAG into README.md
	@python docs/refresh.py $(ARGS)

LOCK := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --extra pipeline --group dev \
  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

lock: setup  ## Bring the lock in line with pyproject.toml; no other version moves
	@$(LOCK)

upgrade: setup  ## Move every version in the lock to the newest that pyproject.toml allows
	@$(LOCK) --upgrade

clean:  ## Delete the environment; data and results stay
	@rm -rf .venv
