# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-tests demo test check format lint types imports tests bench lock clean
ARGS ?=
BIN := .venv/bin
JOBS ?= 2
RUN_PACKAGES := rabbitmq-server redis-server
TEST_PACKAGES := $(RUN_PACKAGES) postgresql nginx-light chromium prometheus

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what running needs: Debian packages, .venv
	@setup/packages $(RUN_PACKAGES)
	@setup/python run

setup-tests:
	@setup/packages $(TEST_PACKAGES)
	@setup/python dev

demo: setup ## Pour a flash sale through the whole fleet and prove nothing was lost or doubled (ARGS=--json, --keep)
	@$(BIN)/millrace demo $(ARGS)

test: setup-tests tests ## Set up and run every test (ARGS="-k name")

check: setup-tests format lint types imports tests ## What CI runs, in its order

format: ## Is every file formatted?
	@$(BIN)/ruff format --check .

lint: ## Are the style rules kept?
	@$(BIN)/ruff check .

types: ## Are the types right, strictly?
	@$(BIN)/mypy

imports: ## Do imports run downwards only?
	@$(BIN)/lint-imports

tests:
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup $(ARGS)

bench: ## Measure against plain Celery, dramatiq, taskiq and faststream in half an hour (ARGS="express reorder")
	@setup/packages $(TEST_PACKAGES)
	@setup/python dev
	@setup/python bench
	@$(BIN)/pytest -q bench/proof
	@$(BIN)/python -m bench --docs docs/benchmarks $(ARGS)

lock: ## Pin every dependency again, with hashes (UPGRADE=1 takes newer ones)
	@setup/python dev
	@setup/lock

clean: ## Remove everything that was made
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
