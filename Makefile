# `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
PORT ?= 5000
NODES ?= 4
WORKERS ?= 5
RUNTIMES := 2.3.2 2.2.1 2.0.0
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
SOURCES := apps clio_portal clio_portal_cli demo stack chaos $(wildcard bench)

.PHONY: help install install-dev demo demo-stop run test stack-test check format bench bench-history bench-scale chaos soak audit lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Settings: PORT=$(PORT) NODES=$(NODES) (demo), ARGS=… (run, test, bench), WORKERS=$(WORKERS) (test)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=python3.11, say."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements.txt constraints.txt | $(BIN)/python
	$(PIP) install --quiet -r requirements.txt -c constraints.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt requirements-ldap.txt $(RUN_STAMP)
	$(PIP) install --quiet -r requirements-dev.txt -c constraints.txt
	@# Needs a compiler and libldap: where that is missing, the tests with a directory skip.
	@$(PIP) install --quiet -r requirements-ldap.txt -c constraints.txt > $(VENV)/ldap.log 2>&1 || \
		echo "python-ldap can't be built here (Debian: libldap2-dev libsasl2-dev); see $(VENV)/ldap.log"
	@touch $@

install: $(RUN_STAMP) ## Make .venv with what the portal runs on

install-dev: $(DEV_STAMP) ## The same, with what tests and checks need

demo: $(RUN_STAMP) ## A real cluster on this machine with the portal on it (PORT=, NODES=)
	@exec $(BIN)/python -m demo --port $(PORT) --nodes $(NODES)

demo-stop: $(RUN_STAMP) ## Stop every process of the demo
	@exec $(BIN)/python -m demo stop

run: $(RUN_STAMP) ## The portal for the configured cluster (ARGS="--port 5000")
	@exec $(BIN)/python -m clio_portal $(ARGS)

test: $(DEV_STAMP) ## All tests, with real runtimes (ARGS="-k name")
	@# Before the first test that needs one: each test has its own limit of time. Where a
	@# release has no wheel, its tests skip.
	-@$(BIN)/python -m demo.runtimes $(RUNTIMES)
	@# The tests that start runtimes and browsers stay on one worker, which begins with them. They
	@# start hundreds of processes of the portal: those must not compile it anew each time.
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) --dist loadgroup --durations=20 --durations-min=5 $(ARGS)

stack-test: $(DEV_STAMP) ## Build the images, run docker-compose.yml with Podman, try it, take it down
	@# As root, with Debian's podman, runc, netavark, aardvark-dns, iptables and debootstrap.
	@exec $(BIN)/python -m stack test $(ARGS)

check: $(DEV_STAMP) ## Lint, format, types, layers, migrations, insecure patterns, vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(SOURCES) tests .ci/audit.py
	$(BIN)/lint-imports
	$(BIN)/python manage.py check
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(SOURCES)
	$(BIN)/python .ci/audit.py

format: $(DEV_STAMP) ## Write the format that check asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## Speed against the documented dashboard's figures, as ratios
	@exec $(BIN)/python -m bench $(ARGS)

# NODES has a default for the demo: only what is given on the command line counts here.
bench-history: $(DEV_STAMP) ## Room and speed of history on both databases (NODES= DAYS= RAW_HOURS=)
	@exec $(BIN)/python -m bench.history $(if $(filter command,$(origin NODES)),--nodes $(NODES)) \
		$(if $(DAYS),--days $(DAYS)) $(if $(RAW_HOURS),--raw-hours $(RAW_HOURS)) $(ARGS)

bench-scale: $(DEV_STAMP) ## The stack over 1,000 simulated nodes with 100 viewers (ARGS="--memory 1800")
	@exec $(BIN)/python -m bench.scale $(ARGS)

chaos: $(DEV_STAMP) ## Kill, stop and starve every part, on real nodes (ARGS="node-killed silent")
	@exec $(BIN)/python -m chaos $(ARGS)

soak: $(DEV_STAMP) ## Kills every minute on real nodes; then all must hold (SECONDS=1800)
	@exec $(BIN)/python -m chaos soak --seconds $(or $(SECONDS),1800) $(ARGS)

audit: $(DEV_STAMP) ## Known vulnerabilities of all packages; fails also where none can be looked up
	$(BIN)/python .ci/audit.py --required $(ARGS)

lock: $(DEV_STAMP) ## Write constraints.txt from what is installed now
	{ echo "# Exact versions of everything that the requirements bring. Written by make lock."; \
	  $(PIP) freeze --exclude-editable --exclude pip --exclude setuptools; } > constraints.txt

clean: demo-stop ## Stop the demo and delete its data, the installed runtimes and caches
	rm -rf var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
