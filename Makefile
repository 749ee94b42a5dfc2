# make demo   build the reference lab, send packets, explain every hop
# make test   everything that is tested
# make check  the part that needs no root and under a minute
#
# Each does its own set-up; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= hopscope-out
BENCH ?=

# these look at the machine's own network, or use it: nothing may run beside them
ALONE := tests/e2e/life tests/e2e/test_testing.py tests/kernel/test_on_host.py \
	tests/kernel/test_on_host_change.py \
	$(addprefix tests/proofs/test_,beside_others.py cycles.py killed.py refusals.py)

# these do no I/O: each of their lines and branches is held by a unit test
PURE := model wire trace spec render plan
PURE_COVERAGE := 100

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/.runs: pyproject.toml
	@tools/system-packages run
	@$(PYTHON) tools/make_venv.py $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable .
	@$(BIN)/python -m compileall -q src # as pip does of all else that it installs
	@touch $@

$(VENV)/.tests: $(VENV)/.runs pyproject.toml
	@tools/system-packages test
	$(BIN)/pip install --quiet --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.runs pyproject.toml
	@tools/system-packages bench
	$(BIN)/pip install --quiet --group bench
	@touch $@

.PHONY: demo
demo: $(VENV)/.runs ## run the reference lab and leave a folder that explains every hop
	@$(BIN)/hopscope run bridge --out $(OUT)/bridge
	@echo "open $(OUT)/bridge/report.html in a browser"
	@echo 'to type hopscope: export PATH="$$PWD/$(BIN):$$PATH"'

.PHONY: test
test: lint types imports site cover ## lint, types, coverage, and every test that this machine can run
	$(BIN)/pytest tests --ignore=tests/unit $(ALONE:%=--ignore=%) --numprocesses=auto --dist=loadfile
	$(BIN)/pytest $(ALONE)

.PHONY: check
check: lint types imports site unit ## what needs no root: lint, types, contract, site, unit tests

.PHONY: lint
lint: $(VENV)/.tests ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.tests ## mypy, strict
	$(BIN)/mypy

.PHONY: imports
imports: $(VENV)/.tests ## imports point down; the core does no I/O
	$(BIN)/lint-imports

.PHONY: unit
unit: $(VENV)/.tests ## unit and property tests
	$(BIN)/pytest tests/unit --numprocesses=auto

.PHONY: cover
cover: $(VENV)/.tests ## unit tests, and that they cover the pure packages
	$(BIN)/pytest tests/unit --numprocesses=auto $(PURE:%=--cov=hopscope.%) --cov-branch \
		--cov-report=term-missing:skip-covered --cov-fail-under=$(PURE_COVERAGE)

.PHONY: kernel
kernel: $(VENV)/.tests ## tests in real namespaces
	$(BIN)/pytest tests/kernel

.PHONY: e2e
e2e: $(VENV)/.tests ## the command as a subprocess
	$(BIN)/pytest tests/e2e

.PHONY: proofs
proofs: $(VENV)/.tests ## the promises of docs/promises.md at their full size, which takes long
	HOPSCOPE_PROOFS=full $(BIN)/pytest tests/unit tests/proofs tests/kernel/test_any_network.py tests/kernel/test_on_host_change.py

.PHONY: coverage
coverage: $(VENV)/.tests ## branch coverage of the unit tests
	$(BIN)/pytest tests/unit --cov --cov-branch --cov-report=term-missing:skip-covered

.PHONY: bench
bench: $(VENV)/.bench ## ours, the floor in C and the peers, in one run (BENCH="--help" lists options)
	$(BIN)/python bench/run.py --out $(OUT)/bench $(BENCH)

.PHONY: docs
docs: $(VENV)/.tests ## write what the documentation takes from the code: tables, schemas
	$(BIN)/python tools/reference.py

.PHONY: site
site: $(VENV)/.tests ## the documentation as pages to read, in site/; a broken link is an error
	$(BIN)/zensical build --strict -f mkdocs.yml

.PHONY: pictures
pictures: $(VENV)/.tests ## make the documentation's pictures from a run (needs Chromium)
	$(BIN)/python tools/pictures.py

.PHONY: clean
clean: ## remove what the targets made
	rm -rf $(VENV) hopscope-out site .cache .coverage .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
