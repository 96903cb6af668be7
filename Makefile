# Sets the workflow up and runs it. `make` alone lists the targets.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := pip install --quiet --disable-pip-version-check \
	--require-hashes --no-deps --only-binary :all: --no-binary connection-pool --requirement
RESOLVE := ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env env-slurm env-s3 env-rich demo report test test-cluster lint format lock example bench \
	bench-reduce bench-bin bench-map bench-history bench-scale bench-nightly bench-regions \
	bench-publish bench-report golden rulegraph clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: .venv/.installed ## Set up .venv from the lock; at once when it stands already

env-slurm: .venv/.installed-slurm ## Add to .venv what submitting to Slurm needs

env-s3: .venv/.installed-s3 ## Add to .venv what reading raw logs from S3 needs

env-rich: .venv/.installed-rich ## Add to .venv progress bars for the terminal: snakemake --logger rich

demo: .venv/.installed ## Run the workflow, as shipped on the bundled example
	$(BIN)/snakemake --cores all
	@$(BIN)/python -c 'import yaml; c = yaml.safe_load(open("config/config.yaml")); \
		print("Results: {0}/mapped, {0}/published".format(c["results"]))'

report: .venv/.installed ## Make the pages and figures of the configured run
	$(BIN)/snakemake report --cores all
	@$(BIN)/python -c 'import yaml; c = yaml.safe_load(open("config/config.yaml")); \
		print("Open {0}/report/usage.html and {0}/report/run.html".format(c["results"]))'

test: .venv/.installed ## Run the tests; ARGS="-k bin" picks some
	$(BIN)/pytest $(ARGS)

test-cluster: .venv-cluster/.installed ## Run the tests of Slurm and S3; .ci/packages installs Slurm
	.venv-cluster/bin/pytest -m cluster -n 2 $(ARGS)

lint: .venv/.installed ## Check style and form of all code, change nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: .venv/.installed ## Bring all code into the form that lint asks for
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile rules

lock: .venv/.installed ## Resolve envs/*.in into the locks; UPGRADE=1 takes the newest versions
	cd envs && $(RESOLVE) requirements.in --output-file requirements.txt
	cd envs && $(RESOLVE) requirements-dev.in --output-file requirements-dev.txt
	cd envs && $(RESOLVE) requirements-s3.in --output-file requirements-s3.txt
	cd envs && $(RESOLVE) requirements-slurm.in --output-file requirements-slurm.txt
	cd envs && $(RESOLVE) requirements-rich.in --output-file requirements-rich.txt
	cd envs && $(RESOLVE) requirements-cluster.in --output-file requirements-cluster.txt

example: .venv/.installed ## Write the bundled example, tests/example, anew
	$(BIN)/python tests/simulate.py example tests/example

bench: bench-reduce bench-bin bench-map bench-history bench-scale bench-nightly bench-regions bench-publish bench-report ## Run every benchmark

bench-reduce: .venv/.installed ## Measure reduce on a busy day
	$(BIN)/python bench/reduce.py

bench-bin: .venv/.installed ## Measure bin on a busy month; REQUESTS="2e7 1e8" on such months
	$(BIN)/python bench/bin.py

bench-map: .venv/.installed ## Measure route, assign, gather and map on it; takes REQUESTS too
	$(BIN)/python bench/map.py

bench-history: .venv/.installed ## Measure gather and lookup with 84 months behind them
	$(BIN)/python bench/history.py

bench-scale: .venv/.installed ## Measure planning and small nights; DAYS=2588 DANDISETS=1000
	$(BIN)/python bench/scale.py $(if $(DAYS),--days $(DAYS)) $(if $(DANDISETS),--dandisets $(DANDISETS))

bench-nightly: .venv/.installed ## Measure a busy night on a year; REQUESTS=20e6 LINES=5e6
	$(BIN)/python bench/nightly.py $(if $(REQUESTS),--requests $(REQUESTS)) $(if $(LINES),--lines $(LINES))

bench-regions: .venv/.installed ## Measure finding regions; PREDECESSOR_SAMPLE=10000 takes an hour
	$(BIN)/python bench/regions.py

bench-publish: .venv/.installed ## Measure reconciling and publishing; DAYS=2588 DANDISETS=1000 VISITS=2e6
	$(BIN)/python bench/publish.py $(if $(DAYS),--days $(DAYS)) $(if $(DANDISETS),--dandisets $(DANDISETS)) \
		$(if $(VISITS),--visits $(VISITS))

bench-report: .venv/.installed ## Measure the usage page of 1,000 Dandisets; needs chromium
	$(BIN)/python bench/report.py

golden: .venv/.installed ## Write tests/golden anew, what the example shall come to
	$(BIN)/python tests/workflow.py golden

rulegraph: .venv/.installed ## Draw docs/rulegraph.svg anew; needs graphviz
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && \
		$(BIN)/snakemake --directory "$$work" --rulegraph \
		| awk -f docs/rulegraph.awk | dot -Tsvg -o docs/rulegraph.svg

clean: ## Remove what tools leave behind; keeps .venv, results and cache
	rm -rf .pytest_cache .ruff_cache .hypothesis
	find . -path './.venv*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is as old as its install: a changed lock is installed, an unchanged one is not.
.venv/.installed: envs/requirements-dev.txt
.venv-cluster/.installed: envs/requirements-cluster.txt
.venv/.installed .venv-cluster/.installed:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
		"This needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another one: " \
		"make env PYTHON=/path/to/python3.12" % v[:2])'
	@test -x $(@D)/bin/pip || $(PYTHON) -m venv $(@D)
	@echo "Installing $< into $(@D); this takes about half a minute"
	@$(@D)/bin/$(INSTALL) $<
	@touch $@

.venv/.installed-slurm .venv/.installed-s3 .venv/.installed-rich: .venv/.installed-%: envs/requirements-%.txt | .venv/.installed
	@echo "Installing $< into .venv; this takes about half a minute"
	@$(BIN)/$(INSTALL) $<
	@touch $@
