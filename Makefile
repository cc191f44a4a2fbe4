# What a person does with Parley; `make help` lists it. Needs python3 (3.11 or newer) and make.

PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9
UV_PIP_COMPILE = .make/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --no-annotate --python-version 3.11
WEB := $(PYTHON) -m deploy.local.web

.DEFAULT_GOAL := help
.PHONY: help run web web-dev test test-failed test-compose check doctor bench smoke build lock clean installed installed-dev python

help: ## list what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

run: installed ## start the whole system here and print the address to open
	@$(WEB) build --if-possible
	@exec $(BIN)/python -m deploy.local

web: python ## build the browser client
	@$(WEB) build

web-dev: python ## serve the browser client from its sources, beside a running `make run`
	@$(WEB) dev

test: installed-dev ## run all tests
	@$(WEB) build
	@$(WEB) test
	@$(BIN)/python -m pytest -n 3 --durations 20

test-compose: installed-dev ## run the tests in containers, if there is a Docker engine
	@tests/compose/run $(BIN)/python

test-failed: installed-dev ## run what failed last, one after the other
	@$(BIN)/python -m pytest --last-failed --last-failed-no-failures none --maxfail 1

check: installed-dev ## lint, format, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(WEB) check
	@cd services/gateway/web && "$(CURDIR)/$(BIN)/oxlint" . && "$(CURDIR)/$(BIN)/oxfmt" --check .

doctor: installed ## say what is wrong with the system here, and what to do
	@$(BIN)/parley doctor

bench: installed-dev ## measure throughput and latency against a system of its own
	@$(BIN)/python -m deploy.bench

smoke: installed-dev ## check a running `make run` row by row
	@$(BIN)/python -m deploy.verify

build: installed-dev ## build the wheel into dist/
	@$(WEB) build
	@rm -rf dist
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist

lock: .make/uv/bin/uv ## resolve the newest versions into the lock files
	@$(UV_PIP_COMPILE) --upgrade pyproject.toml --extra build --extra traces --output-file requirements.lock
	@$(UV_PIP_COMPILE) --upgrade pyproject.toml --all-extras --constraints requirements.lock --output-file requirements-dev.lock
	@$(UV_PIP_COMPILE) --upgrade --group pyproject.toml:node --output-file requirements-node.lock

clean: ## remove all that make has made, but not data/
	@rm -rf .venv .make dist build services/gateway/web/node_modules services/gateway/web/dist* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find services shared deploy tests -type d -name __pycache__ -prune -exec rm -rf {} +

installed: python
	@$(PYTHON) -m deploy.local.install requirements.lock

installed-dev: python
	@$(PYTHON) -m deploy.local.install requirements-dev.lock

python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "parley: there is no $(PYTHON) here: install Python 3.11 or newer, or name one: make PYTHON=python3.12 run"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "parley: $$($(PYTHON) --version 2>&1) is too old: Python 3.11 or newer is needed; name one: make PYTHON=python3.12 run"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "parley: this Python can't make virtual environments: install its venv module (Debian, Ubuntu: apt install python3-venv)"; exit 1; }

.make/uv/bin/uv: | python
	@$(PYTHON) -m venv .make/uv
	@.make/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
