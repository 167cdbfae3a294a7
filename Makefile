# Everything happens inside the clone: the environment in .venv, the demo in .nexus-demo.

VENV := .venv
BIN := $(VENV)/bin
DEMO := .nexus-demo
EXAMPLE := examples/penguins
DOCUMENTS := $(sort $(wildcard $(EXAMPLE)/*.md $(EXAMPLE)/*.csv))
UV ?= uv
SEED ?= 1
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# The first Python on the PATH that is new enough; `make setup PYTHON=...` chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup demo up test chaos check format bench bench-peers bench-memory requirements clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Install Nexus and all it needs into .venv

demo: setup ## Plan and carry out the sample goal, and print the deliverable
	@mkdir -p $(DEMO)
	@NEXUS_DATA_DIR=$(DEMO) $(BIN)/nexus run "$$(cat $(EXAMPLE)/goal.txt)" \
		$(foreach file,$(DOCUMENTS),--document $(file)) --yes \
		> $(DEMO)/deliverable.md; \
	status=$$?; cat $(DEMO)/deliverable.md; \
	test $$status -ne 0 || echo "Saved as $(DEMO)/deliverable.md" >&2; exit $$status

up: setup ## Start everything here: API, worker, Redis and Chroma
	@$(BIN)/nexus up

test: $(VENV)/.developing ## Run the tests against real services
	@$(BIN)/python -m pytest -n 2 --dist loadfile

chaos: $(VENV)/.developing ## Do every fault of the chaos suite (SEED=1 RUNS= ONLY=)
	@$(BIN)/python -m tests.chaos --seed $(SEED) $(if $(RUNS),--runs $(RUNS)) \
		$(foreach fault,$(ONLY),--only $(fault))

check: $(VENV)/.developing ## Check format, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/architecture

format: $(VENV)/.developing ## Put the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

BENCH = $(BIN)/python -m benchmarks $(if $(QUICK),--quick,--out benchmarks/results$(1)) $(BENCH_OPTIONS)

bench: $(VENV)/.developing ## Measure Nexus beside LangGraph and DBOS, about 20 minutes; QUICK=1: 3 minutes
	@$(call BENCH)

bench-peers: $(VENV)/.developing ## Measure W1 to W5 beside every peer there is a file for
	@$(call BENCH,/peers) w1 w2 w3 w4 w5 --peers all

bench-memory: $(VENV)/.developing ## Measure what searches in memory find and how quickly; QUICK=1: 2 minutes
	@$(BIN)/python -m benchmarks.memory $(if $(QUICK),--quick,--out benchmarks/results) $(BENCH_OPTIONS)

PIN = $(UV) pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
COMPILE = $(PIN) pyproject.toml \
	--no-emit-package colorama --no-emit-package httpx2-jsfetch --extra embedded --extra data --group build
PEERS = benchmarks/peers/requirements

requirements: ## Pin the newest versions that fit together (needs uv)
	$(COMPILE) --upgrade --output-file requirements.txt
	$(COMPILE) --constraint requirements.txt --group dev --output-file requirements-dev.txt
	for peer in $(basename $(notdir $(wildcard $(PEERS)/*.in))); do \
		$(PIN) $(PEERS)/$$peer.in --upgrade --output-file $(PEERS)/$$peer.txt || exit 1; done

clean: ## Remove everything make has made; data in .nexus stays
	rm -rf $(VENV) $(DEMO) .chaos .pytest_tmp .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache .bench build nexus_ai.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Nexus needs Python 3.11 or newer: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is older than Python 3.11: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing into $(VENV), which takes a minute or two" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --require-hashes -r requirements.txt
	@$(PIP) install -qq --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed requirements-dev.txt
	@echo "Installing what the tests need into $(VENV)" >&2
	@$(PIP) install -qq --require-hashes -r requirements-dev.txt
	@touch $@
