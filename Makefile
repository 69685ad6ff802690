# `make` lists the verbs. Everything runs from .venv, which `setup` fills from uv.lock.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.synced
ARGS   ?=

# Folders with Python in them; mypy refuses an empty one.
CODE   := $(foreach dir,broker tests benchmarks docs deploy examples .ci,$(if $(shell find $(dir) -name '*.py' -print -quit 2>/dev/null),$(dir)))

.DEFAULT_GOAL := help
.PHONY: help setup check fmt test unit conformance integration e2e bench chaos coverage docs site wheel sbom run clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9 ]+:.*## / { printf "  make %-34s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## install everything from uv.lock into .venv

$(STAMP): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make setup PYTHON=python3.12")'
	@echo "installing into $(VENV), as locked: a minute the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python .ci/pinned.py uv > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	@UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --frozen --quiet
	@touch $@

check: setup ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-cache

fmt: setup ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup ## every test, real stores and processes included
	$(BIN)/pytest $(ARGS)

unit conformance integration e2e: setup ## the tests of that kind
	$(BIN)/pytest tests/$@ $(ARGS)

coverage: setup ## every test, with the lines and branches that none of them reaches
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: setup ## fan-out, resume and publish, measured
	$(BIN)/python -m benchmarks $(ARGS)

chaos: setup ## break everything under load, and report what subscribers notice
	$(BIN)/python -m tests.chaos $(ARGS)

docs: setup ## write the reference pages that are made from the code
	$(BIN)/python docs/generate.py

site: setup ## build the documentation as a site in dist/site; a link that leads nowhere fails
	$(BIN)/python docs/website.py

wheel: setup ## build dist/*.whl
	$(BIN)/python -m hatchling build --target wheel

sbom: setup ## write dist/sbom.json: every package that the broker is installed with (CycloneDX)
	@mkdir -p dist
	$(BIN)/uv export --frozen --quiet --no-dev --no-emit-project --no-annotate --format requirements.txt -o dist/requirements.txt
	$(BIN)/uv export --frozen --quiet --no-dev --format cyclonedx1.5 | $(BIN)/python .ci/sbom.py > dist/sbom.json

run: setup ## serve, with everything made on first start
	@exec $(BIN)/broker serve $(ARGS)

clean: ## remove everything that can be made again; data/ stays
	rm -rf $(VENV) dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
