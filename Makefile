# One command per thing to do. Needs python3.11, Java 17 or later and Maven; everything else goes into .venv and .byoc.

PYTHON ?= python3.11
SEED ?= 1
ROUNDS ?= 20
MINUTES ?= 1
ARGS ?=
PYTEST_ARGS ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
READY := .venv/.compiled
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
FAST_TESTS := $(wildcard tests/unit tests/property tests/architecture tests/golden)

.DEFAULT_GOAL := help
.PHONY: help demo test check coverage static fault fuzz mutants bench proto format docs clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: $(READY) ## Play a day of conversations through the whole system: make demo ARGS="--events 20000 --rate 2000"
	$(BIN)/byoc demo $(ARGS)

test: static ## Everything, on a real Kafka; what CI runs
	REQUIRE_BROKER=1 $(BIN)/python -m pytest $(PYTEST_ARGS)

check: static ## Format, lint, types, import contracts and the fast tests
	$(BIN)/python -m pytest $(FAST_TESTS) $(PYTEST_ARGS)

coverage: $(READY) ## Which lines the unit and property tests run; shown, not a gate
	$(BIN)/coverage run -m pytest tests/unit tests/property $(PYTEST_ARGS)
	$(BIN)/coverage report

static: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fault: $(READY) ## Kill, pause and restart the parts under load, then count: make fault SEED=1 ROUNDS=20
	$(BIN)/byoc fault --seed $(SEED) --rounds $(ROUNDS) $(ARGS)

fuzz: $(READY) ## Give foreign inputs to the code that reads them: make fuzz MINUTES=30
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) --seed $(SEED) $(ARGS)

mutants: $(READY) ## Take every guard out, one at a time, and see a test turn red: make mutants ARGS="core --only routing"
	$(BIN)/python -m tests.mutation $(ARGS)

bench: $(READY) ## Measure; results in bench/results/latest.json
	$(BIN)/python -m bench $(ARGS)

format: $(INSTALLED) ## Put the code into the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(INSTALLED) ## Generate the code of schemas/proto/pubsub_api.proto
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I . \
		--python_out=. --mypy_out=. --grpc_python_out=. schemas/proto/pubsub_api.proto

docs: $(INSTALLED) ## Write docs/configuration.md from the keys that the code declares
	$(BIN)/python -m connectors.runtime.config_page > docs/configuration.md

# mypyc turns these into machine code in place, where there is a C compiler; without one they run as they are (ADR 12).
COMPILED := schemas/codec/flat.py schemas/codec/nested.py

$(READY): $(INSTALLED) $(COMPILED)
	@find schemas -name '*.so' -delete
	@rm -rf build
	@for file in $(COMPILED); do \
		MYPYC_OPT_LEVEL=3 $(BIN)/mypyc $$file > .venv/mypyc.log 2>&1 && echo "compiled $$file" \
		|| echo "$$file stays uncompiled, which costs speed and nothing else: see .venv/mypyc.log"; done
	@touch $@

clean: ## Stop the Kafka of `byoc kafka up`, delete all that was installed, cached or stored
	@if test -x $(BIN)/byoc; then $(BIN)/byoc kafka down; fi
	rm -rf .byoc .coverage .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find schemas -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Hashes make the installation the same everywhere; the stamp makes it instant when nothing changed.
$(INSTALLED): requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "make: $(PYTHON) is missing; install Python 3.11 or later, or run make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "creating .venv"; $(PYTHON) -m venv .venv; }
	@echo "installing requirements/dev.txt into .venv"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
