# Two commands matter: `make run` and `make test`. Both set up .venv first; `make help` lists the rest.

NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python $(NEW_ENOUGH) 2>/dev/null && echo $$python && break; done)
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
# What is installed: the product (requirements.lock), with LIGHT=1 all of it but training, and for the checks their tools too.
PRODUCT := $(if $(LIGHT),requirements-light.lock,requirements.lock)
READY := $(VENV)/.ready-
# uv installs in a tenth of pip's time; where it has no wheel for a machine, pip does it.
INSTALL_UV := $(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements-uv.lock
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --quiet $(if $(KEEP),,--upgrade)

.DEFAULT_GOAL := help
.PHONY: help setup tools run test test-light guide pictures wheel lint format bench engines lock audit fuzz

help:  ## list what make can do
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(READY)$(PRODUCT)  ## make .venv and install the product (by uv, else pip); LIGHT=1 leaves out training

tools: $(READY)requirements-dev.lock  ## install the tools of the tests and checks too

run: setup  ## start Burin (BURIN_WORKSPACE=DIR, PORT=8501, LIGHT=1); an empty workspace gets a small sample
	$(BIN)/python -m burin run --port $(PORT)

test: tools lint guide  ## the checks below, then every test
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder --ignore tests/browser -m 'not browser'
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 2 --dist loadfile tests/browser tests/security -m browser

test-light: tools  ## the wheel in an environment of its own, without PyTorch: its size, its commands, the app
	rm -rf dist .venv-light
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -m venv .venv-light
	.venv-light/bin/python -m pip install --quiet --no-compile --require-hashes -r requirements-light.lock
	.venv-light/bin/python -m pip install --quiet --no-compile --no-deps dist/*.whl
	BURIN_INSTALLED=.venv-light $(BIN)/python -m pytest tests/installed

guide: tools  ## build the guide as a site in dist/guide; a broken link is an error
	$(BIN)/mkdocs build --quiet --strict

pictures: tools  ## take the pictures of the README and the guide anew (minutes; needs Chromium)
	$(BIN)/python docs/pictures.py

wheel: tools  ## build dist/burin-*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

lint: tools  ## style, format, arrows between the rooms, requirements, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/deptry . --config deptry.toml
	$(BIN)/python -m pip check
	$(BIN)/mypy

format: tools  ## mend what ruff can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: tools  ## measure speed and accuracy (minutes)
	@for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

engines: tools  ## export the untrained encoder anew (assets/engines)
	$(BIN)/python benchmarks/_export_engines.py

lock:  ## pin the newest versions that requirements*.txt allow, or with KEEP=1 only what is not pinned yet (needs uv)
	$(COMPILE) requirements-uv.txt -o requirements-uv.lock
	$(COMPILE) requirements.txt -o requirements-light.lock
	$(COMPILE) requirements.txt requirements-train.txt -o requirements.lock
	$(COMPILE) requirements.txt requirements-train.txt requirements-ocr.txt requirements-scale.txt requirements-cluster.txt requirements-dev.txt -o requirements-dev.lock

fuzz: tools  ## feed changed files to the readers for MINUTES=10; what is found is kept in tests/fuzz/found
	$(BIN)/python tests/fuzz/run.py --minutes $(or $(MINUTES),10)

# Where only a mirror of the packages can be reached, there are no pages of versions, which hold the advisories.
ADVISORIES := import urllib.request; urllib.request.urlopen("https://pypi.org/pypi/pip/24.0/json", timeout=20)

audit:  ## ask PyPI's list of advisories about every package that is pinned (needs a network)
	@$(or $(PYTHON),python3) -c '$(ADVISORIES)' 2>/dev/null || { \
		echo 'Nothing was audited: the list of advisories, on pypi.org, cannot be asked from here.'; exit 1; }
	$(or $(PYTHON),python3) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --upgrade pip-audit
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements-dev.lock

$(READY)%: %
	@set -e; \
	if command -v uv >/dev/null 2>&1; then \
		test -x $(BIN)/python || uv venv --python '$(or $(PYTHON),>=3.11)' $(VENV); \
		uv pip install --python $(BIN)/python --require-hashes -r $<; \
	elif test -n '$(PYTHON)'; then \
		test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip; \
		$(INSTALL_UV) && $(BIN)/uv pip install --no-cache --python $(BIN)/python --require-hashes -r $< \
			|| $(BIN)/python -m pip install --no-compile --require-hashes -r $<; \
	else \
		echo 'Burin needs Python 3.11 or newer, and found none: make PYTHON=/path/to/python3.11'; exit 1; \
	fi
	@touch $@
