# `make help` lists the targets. Everything that is installed lies in .venv, pinned with hashes by requirements*.lock.

PYTHON ?= python3
CONFIG ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_NER := $(VENV)/.installed-ner
INSTALLED_DETOXIFY_RUN := $(VENV)/.installed-detoxify-run
INSTALLED_DETOXIFY := $(VENV)/.installed-detoxify
INSTALLED_ENCRYPTION := $(VENV)/.installed-encryption
INSTALLED_PARQUET := $(VENV)/.installed-parquet
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# Locks are made for every platform and every Python from 3.11 on; uv is the one tool that does that in one file.
UV_VERSION := 0.13.9
UV_PIP := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-build --no-header -q
# torch alone is in no lock, see requirements-torch.txt. Another build: make install-detoxify TORCH="torch==2.13.0 --index-url …"
TORCH ?= torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-ner install-detoxify-run install-detoxify install-encryption install-parquet \
	serve test lint format bench bench-peers e2e soak prometheus lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## set up .venv with the pinned dependencies and the guardrail-proxy command

install-dev: $(INSTALLED_DEV) ## the same, with what tests and checks need

install-ner: $(INSTALLED_NER) ## also what finds names and places (100 MB)

install-detoxify-run: $(INSTALLED_DETOXIFY_RUN) ## also what runs an exported Detoxify model (30 MB)

install-detoxify: $(INSTALLED_DETOXIFY) ## also what exports one, torch included (200 MB and more)

install-encryption: $(INSTALLED_ENCRYPTION) ## also what encrypts the exchange log (12 MB)

install-parquet: $(INSTALLED_PARQUET) ## also what exports the exchange log as Parquet (170 MB)

serve: $(INSTALLED) ## run the proxy: CONFIG=proxy.yaml, or without it the demo on loopback
	@exec $(BIN)/guardrail-proxy $(if $(CONFIG),serve --config $(CONFIG),demo)

test: $(INSTALLED_DEV) ## the whole test suite, a process for each core
	$(BIN)/python -m pytest -n auto --dist worksteal --durations 10

lint: $(INSTALLED_DEV) ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED_DEV) ## rewrite the files in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED_DEV) ## CPU per request against a bare pass-through, start-up time, memory
	$(BIN)/python -m benchmarks.overhead

bench-peers: $(INSTALLED_DEV) ## the same for public gateways, installed to .bench (900 MB)
	$(BIN)/python -m benchmarks.peers

e2e: $(INSTALLED_DEV) ## a real small model behind the proxy (compiles for ten minutes the first time)
	$(BIN)/python -m tests.e2e.run

soak: $(INSTALLED_DEV) ## the long runs that `make test` leaves out
	$(BIN)/python -m pytest -m soak -o faulthandler_timeout=7200

prometheus: .prometheus/usr/bin/promtool ## Debian's prometheus and promtool, for the tests of deploy/ (needs apt-get)

lock: $(INSTALLED_DEV) ## resolve pyproject.toml anew into the lock files (needs the network)
	$(PIP) install uv==$(UV_VERSION)
	$(UV_PIP) --upgrade pyproject.toml --group build --excludes requirements-left-out.txt -o requirements.lock
	$(UV_PIP) --upgrade pyproject.toml requirements-torch.in --group build --extra dev --extra ner --extra detoxify --extra encryption \
		--extra parquet --excludes requirements-torch.txt -c requirements.lock -o requirements-dev.lock
	grep -v '^spacy$$' requirements-left-out.txt > $(VENV)/left-out-ner.txt
	$(UV_PIP) --upgrade pyproject.toml --extra ner --excludes $(VENV)/left-out-ner.txt \
		-c requirements-dev.lock -o requirements-ner.lock
	$(UV_PIP) --upgrade pyproject.toml --extra detoxify-run --excludes requirements-left-out.txt \
		-c requirements-dev.lock -o requirements-detoxify-run.lock
	$(UV_PIP) --upgrade pyproject.toml requirements-torch.in --extra detoxify --excludes requirements-left-out.txt \
		--excludes requirements-torch.txt -c requirements-dev.lock -o requirements-detoxify.lock
	$(UV_PIP) --upgrade pyproject.toml --extra encryption --excludes requirements-left-out.txt \
		-c requirements-dev.lock -o requirements-encryption.lock
	$(UV_PIP) --upgrade pyproject.toml --extra parquet --excludes requirements-left-out.txt \
		-c requirements-dev.lock -o requirements-parquet.lock

clean: ## remove what was built; data/ stays
	rm -rf $(VENV) .e2e .prometheus build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

# The stamp comes last: an install that was cut off starts again, a finished one costs nothing and no network.
# The byte code is made here, since PYTHONDONTWRITEBYTECODE, which many environments set, has every start compile all.
$(INSTALLED): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --no-deps --require-hashes --only-binary :all: -r requirements.lock
	@PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation --no-index -e .
	@$(VENV)/bin/python -m compileall -q proxy
	@touch $@

$(INSTALLED_DEV): requirements-dev.lock $(INSTALLED)
	$(PIP) install --no-deps --require-hashes --only-binary :all: -r requirements-dev.lock
	$(PIP) install --only-binary :all: $(TORCH)
	@touch $@

$(VENV)/.installed-%: requirements-%.lock $(INSTALLED)
	$(PIP) install --no-deps --require-hashes --only-binary :all: -r $<
	@touch $@

$(INSTALLED_DETOXIFY): requirements-detoxify.lock $(INSTALLED)
	$(PIP) install --no-deps --require-hashes --only-binary :all: -r $<
	$(PIP) install --only-binary :all: $(TORCH)
	@touch $@

# Unpacked, not installed: no service is started, and nothing of the machine changes.
.prometheus/usr/bin/promtool:
	rm -rf .prometheus && mkdir -p .prometheus
	cd .prometheus && (apt-get -q -o Acquire::Retries=3 download prometheus || (apt-get -q -o Acquire::Retries=3 update && apt-get -q download prometheus))
	dpkg -x .prometheus/prometheus_*.deb .prometheus
	rm .prometheus/*.deb && touch $@
