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
# If make is killed, python -m flows and python -m tasks end, too: they watch this process.
export PIPELINE_PARENT := $(shell echo $$PPID)
BASE ?= HEAD
ARGS ?=
# A variable's text as the shell is to see it: names of files and columns may have any character.
quoted = '$(subst ','\'',$(value $(1)))'
# The same of the command line only, for a shell may export NAME for other programs; empty for none.
given = $(if $(and $(filter command,$(origin $(1))),$(value $(1))),$(call quoted,$(1)))

.PHONY: help setup repro flow experiment sweep verdict plan register ui serve promote test test-all bench bench-quick faults golden mutants guard lint format deps lock upgrade readme docs clean verify browser

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/complete .venv/plots.html  ## Create the environment from the hashed lock, once

# Compiled on install: if Python may not write bytecode, every import of TensorFlow takes 25 s instead of 6.
.venv/complete: requirements.lock
	@echo "Setting up .venv (about a minute, once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed, this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@touch $@

.venv/plots.html: .venv/complete flows/plots.py
	@$(BIN)/python -m flows.plots

repro: setup  ## Run the stages that are not up to date; on 4 processes: make repro ARGS="--workers 4"
	@python -m flows repro $(ARGS)

flow: setup  ## Run the same stages as a Prefect flow
	@python -m flows flow $(ARGS)

experiment: setup  ## Run and record an experiment of experiments/: make experiment NAME=book-3e
	@python -m flows experiment $(or $(call given,NAME),smoke) $(ARGS)

sweep: setup  ## Compare the combinations of a grid: make sweep GRID="pretrain.epochs=[10,20] pretrain.tied=[true,false]" ARGS=pretrain
	@python -m flows sweep $(call quoted,GRID) $(if $(call given,NAME),--name $(call given,NAME)) $(ARGS)

verdict: setup  ## Answer for your own data whether pretraining pays: make verdict DATA=table.csv LABEL=y
	@python -m flows verdict $(call quoted,DATA) --label $(call quoted,LABEL) $(if $(call given,NAME),--name $(call given,NAME)) $(ARGS)

plan: setup  ## Say how many runs a study's question takes, from a pilot on validation rows; NAME=own-data: of an experiment
	@python -m flows plan $(call given,NAME) $(ARGS)

register: setup  ## Freeze a study's question and settings in registered.yaml, before it runs; ARGS="--hypothesis '...'"
	@python -m flows register $(call given,NAME) $(ARGS)

verify: setup  ## Run the finished experiment again from its commit and raw data, and compare the metrics; NAME=book-3e: a recorded one
	@python -m flows verify $(call given,NAME) $(ARGS)

ui: setup  ## Open the MLflow UI on this machine
	@python -m flows ui $(ARGS)

serve: setup  ## Start Prefect, a worker with the schedules of prefect.yaml, and MLflow; STORE=postgresql://USER@HOST/DATABASE
	@python -m flows serve $(if $(call given,STORE),--store $(call given,STORE)) $(ARGS)

promote: setup  ## Give a model an alias in MLflow's registry: make promote MODEL=stack NAME=fashion-mnist ALIAS=champion
	@python -m flows promote $(call given,MODEL) $(if $(call given,NAME),--name $(call given,NAME)) $(if $(call given,ALIAS),--alias $(call given,ALIAS)) $(ARGS)

test: setup  ## Run the quick tests
	@python -m pytest -n auto --dist loadfile $(ARGS)

test-all: setup  ## Run all tests, with both runners on real data, the server, its worker and its schedules
	@python -m pytest -n auto --dist loadfile -m "slow or soak or not slow" $(ARGS)

browser:  ## Install Debian's chromium, in which a test opens the pages
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null \
	  || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium > /dev/null; }

bench: setup  ## Compare our speed with Keras, PyTorch, JAX and bare matrix products; writes docs/performance.md, in an hour
	@python -m benchmarks $(ARGS)

bench-quick: setup  ## Compare speed with fewer rows and rounds, in minutes
	@python -m benchmarks --quick $(ARGS)

faults: setup  ## Try every fault on a scratch project and check its state afterwards; writes docs/faults.md. ARGS="--kills 300 --hours 2"
	@python -m benchmarks.faults $(ARGS)

golden: setup  ## Check that the work tree gives a commit's results, byte for byte: make golden BASE=HEAD; ARGS=--full: the default run
	@python -m benchmarks.golden $(BASE) $(ARGS)

mutants: setup  ## List the small defects that the tests do not notice. ARGS="--seed 2 --n 50 --only autoencoders"
	@python -m benchmarks.mutants $(ARGS)

guard: setup  ## Check in seconds that an epoch is still much faster than Keras' fit
	@python benchmarks/guard.py

lint: setup  ## Check style and types
	@ruff check . && ruff format --check . && mypy

format: setup  ## Format the code
	@ruff format . && ruff check --fix .

deps: setup  ## Update the code dependencies in dvc.yaml
	@python -m tasks.frame.code

readme: setup  ## Write the last run's results, the DAG and the reference into README.md and docs
	@python docs/refresh.py $(ARGS)

docs: setup  ## Build the documentation as a site, site/index.html, which needs no network
	@python -m sphinx -b html -n -W --keep-going -q docs site && echo "Open site/index.html"

LOCK := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --extra pipeline --extra cluster --extra team --group dev \
  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

lock: setup  ## Update the lock to pyproject.toml; no other version changes
	@$(LOCK)

upgrade: setup  ## Update every version in the lock to the newest that pyproject.toml allows
	@$(LOCK) --upgrade

clean:  ## Delete the environment; keep data and results
	@rm -rf .venv
