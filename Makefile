# webstat. `make` alone lists what there is.
VENV := .venv
PYTHON := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run demo test lint bench bench-store forecast-report screenshots agent-zipapp setup setup-dev clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1@\2/p' Makefile | column -t -s @

run: setup  ## agent, collector and page: on webstat.toml, else the local qstat, else demo clusters
	@$(PYTHON) -m scripts.run

demo: setup  ## agent, collector and page on three simulated clusters
	@$(PYTHON) -m scripts.run --demo

test: setup-dev lint  ## everything: style, types, import contracts, all tests
	@$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --timeout 600 -m "not alone"
	@$(PYTHON) -m pytest -m alone

lint: setup-dev  ## style, types, import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

bench: setup-dev  ## measure, side by side with what it is compared to
	@$(PYTHON) -m bench

bench-store: setup-dev  ## make a store of years to measure with: 10 million jobs, or BENCH_JOBS=100000 and others
	@$(PYTHON) -m bench.years

forecast-report: setup  ## how often forecasts held: of webstat.toml's store, else of demo clusters, or TRACES="a.swf b.swf"
	@$(PYTHON) -m scripts.forecast_report $(TRACES)

screenshots: setup-dev  ## docs/images, from the demo clusters
	@$(PYTHON) -m scripts.screenshots

agent-zipapp:  ## dist/webstat-agent.pyz: the agent as one file, for a login node
	@python3 -m scripts.agent_zipapp

setup:
	@python3 scripts/setup.py

setup-dev:
	@python3 scripts/setup.py --dev

clean:  ## remove what setup made
	rm -rf $(VENV) assets/vendor node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
