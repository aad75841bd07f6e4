# Each target sets up what it needs: a virtual environment in .venv, and servers that listen on 127.0.0.1 only.
# Needs Python 3.11 or newer and make; neither root nor Docker.

VENV ?= .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed
TOOLS := $(VENV)/.tools
# Three processes, each with servers of its own; most tests wait. A server that is given is not shared by several.
SIDE_BY_SIDE := $(if $(ALTERD_TEST_MYSQL_URL),,-n 3 --dist loadfile --no-loadscope-reorder)

.DEFAULT_GOAL := help
.PHONY: help setup tools demo test test-all lint format bench bench-scheduler clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'

setup: $(SETUP) ## A virtual environment with everything in it

$(SETUP): pyproject.toml constraints.txt scripts/make-venv
	@scripts/make-venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

tools: $(TOOLS) ## gh-ost, pt-online-schema-change and spirit, where they can be had; tests of those that cannot are skipped

# spirit's own script: its plugin is a distribution of its own
$(TOOLS): $(SETUP) scripts/get-pt-osc scripts/get-gh-ost plugins/spirit/scripts/get-spirit
	@for get in $(filter-out $(SETUP),$^); do $$get $(BIN)/python >/dev/null || echo "without it its tests are skipped"; done
	@touch $@

demo: $(SETUP) ## A table of 500,000 rows is altered under load, every row proven; SABOTAGE=drop, double or change
	@$(BIN)/alterd demo $(if $(SABOTAGE),--sabotage $(SABOTAGE))

test: $(SETUP) $(TOOLS) ## All tests but the slow ones, on real NATS and MySQL
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow"

test-all: $(SETUP) $(TOOLS) ## All tests
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

lint: $(SETUP) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(SETUP) ## Puts the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(SETUP) ## Times beside gh-ost and MySQL's own ALTER, and of a submission; BENCH="--rows 100000" for less
	$(BIN)/python -m tests.bench.submission_latency
	$(BIN)/python -m tests.bench.peers $(BENCH)

bench-scheduler: $(SETUP) ## 10 migrations on each of 1,000 shards beside 1,000,000 done ones; BENCH="--done 10000 --shards 100" for less
	$(BIN)/python -m tests.bench.scheduler $(BENCH)

clean: ## Removes the virtual environment and what tools left
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
