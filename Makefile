# Herald's commands. Each installs what it needs into .venv first, by ops/packages.py.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Packages of Python and of npm are fetched at the same time, and .ci/run checks beside its tests.
MAKEFLAGS += --jobs=2
# A Python that is missing or too old can't say so itself.
INSTALL = installed() { $(PYTHON) -m ops.packages install $$1 && return; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || \
	echo "Herald needs Python 3.11 or newer; $(PYTHON) is older or missing. Name another: make PYTHON=python3.12" >&2; \
	exit 1; }; installed
# An option for a variable that was given, also if it is empty: the command refuses that, rather than take it for none.
given = $(if $(filter-out undefined,$(origin $(2))),$(1) "$($(2))")
NPM_PACKAGES := tests/node/node_modules/installed

# More processes than cores: much of the time of tests is waiting. SEED=… repeats the order of a run.
PARALLEL = --numprocesses $(1) --dist loadfile --no-loadscope-reorder $(if $(SEED),--randomly-seed=$(SEED))

.PHONY: help setup run-packages lock run test test-quick test-full rehearse check bench bench-path website render diff deploy destroy smoke rollback clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run-packages:
	@$(INSTALL) run

run: run-packages ## Run all of Herald on this machine: no AWS account, no Docker
	@exec $(BIN)/python -m ops run

render: run-packages ## Make the generated files from herald.toml and the manifest
	@$(BIN)/python -m ops render

diff: run-packages ## Show what deploying would change, policies included: make diff STAGE=dev
	@$(BIN)/python -m ops diff --stage "$(or $(STAGE),$(error say which stage: make diff STAGE=dev))"

deploy: run-packages ## Deploy a stage to the AWS account of the shell's credentials: make deploy STAGE=dev
	@$(BIN)/python -m ops deploy --stage "$(or $(STAGE),$(error say which stage: make deploy STAGE=dev))"

destroy: run-packages ## Undo a deployment, keep the messages: make destroy STAGE=dev [DATA=delete]
	@$(BIN)/python -m ops destroy --stage "$(or $(STAGE),$(error say which stage: make destroy STAGE=dev))" $(call given,--data,DATA)

smoke: run-packages ## Send through a deployed stage, check each step and permission: make smoke STAGE=dev
	@$(BIN)/python -m ops smoke --stage "$(or $(STAGE),$(error say which stage: make smoke STAGE=dev))"

rollback: run-packages ## Put the deployment before the last back: make rollback STAGE=dev [TO=release]
	@$(BIN)/python -m ops rollback --stage "$(or $(STAGE),$(error say which stage: make rollback STAGE=dev))" $(call given,--to,TO)

setup: ## Install everything into .venv, each package by its hash in locks/
	@$(INSTALL) dev

lock: run-packages ## Update locks/ after a change of requirements*.txt; UPGRADE=1 takes newer packages that those need
	@$(BIN)/python -m ops.packages lock $(if $(UPGRADE),--upgrade)

$(NPM_PACKAGES): tests/node/package-lock.json
	@if command -v npm > /dev/null; then \
		npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	else echo "There is no npm: the tests that need one of its packages will be skipped."; fi

test: setup ## Run the tests that most changes need; SEED=… repeats an order
	@$(BIN)/python -m pytest -m "not full" $(call PARALLEL,3)

test-quick: setup ## Run the tests nearest to the changed files, for at most 20 seconds
	@$(BIN)/python -m tests.quick

test-full: setup $(NPM_PACKAGES) ## Run the longer matrices too
	@$(BIN)/python -m pytest $(call PARALLEL,4)

rehearse: setup $(NPM_PACKAGES) ## Run all seeds, configurations and storms, change the logic, and write docs/rehearsal.md
	@HERALD_REHEARSE=1 $(BIN)/python -m pytest -m rehearse -o faulthandler_timeout=3600 $(call PARALLEL,3); \
	tested=$$?; $(BIN)/python -m tests.mutation && exit $$tested

check: setup ## Style, types, import rules, generated files, policies
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo --cache-dir .herald/import-linter
	@$(BIN)/zizmor --offline --quiet --persona=auditor .github
	@$(BIN)/jactionlint --shellcheck= .github/workflows/*.yml
	@$(BIN)/python -m ops check
	@$(BIN)/python -m website

bench: setup ## Measure cold starts beside what others pick, and write docs/benchmarks.md
	@$(BIN)/python -m bench

bench-path: setup ## Measure from the form to the phone on the local stack, for the same page
	@$(BIN)/python -m bench.path

website: setup ## Build the documentation's website into .herald/website/site, with its diagrams
	@$(BIN)/python -m website --diagrams

clean: ## Remove what was installed and built
	@rm -rf .venv .herald tests/node/node_modules .chalice/deployments .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
