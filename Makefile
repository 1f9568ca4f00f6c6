# The front door: `make help`. Needs Python 3.11 or newer with venv, and make; nothing else.

VENV := .venv
BIN := $(VENV)/bin
# The first Python on the path that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
COMPILE := $(BIN)/pip-compile --quiet --upgrade --generate-hashes --all-build-deps --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options
# Ctrl-C reaches make and the shell too: they wait for what they run and say nothing.
quietly = trap : INT; $(1); code=$$?; test $$code -eq 130 || exit $$code
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help demo test run check soak bench lock clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## Watch sales of a simulated pool company move cards in a simulated CRM
	@$(call quietly,$(BIN)/pcd demo $(ARGS))

test: $(VENV)/.installed-dev ## Run all tests (ARGS="-k words" for some)
	@$(BIN)/python -m pytest --quiet --numprocesses 4 --dist worksteal $(ARGS)

run: $(VENV)/.installed ## Run the daemon with your config.toml
	@$(call quietly,$(BIN)/pcd run $(ARGS))

check: $(VENV)/.installed-dev ## The gate: format, lint, types, import rules, tests
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }
	@$(MAKE) --no-print-directory test || { \
		echo "Once more, alone, what failed: what fails again fails the gate, what passes is unsteady and worth mending." >&2; \
		$(BIN)/python -m pytest --quiet --last-failed --last-failed-no-failures none --maxfail 3; }

soak: $(VENV)/.installed-dev ## The kill, crash and chaos loops, 50 rounds each (ROUNDS=n for another number)
	@PCD_SOAK_ROUNDS=$(or $(ROUNDS),50) $(BIN)/python -m pytest --quiet tests/acceptance $(ARGS)

bench: $(VENV)/.installed-dev ## Measure speed and memory; prints a table
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.installed-dev ## Pin the newest allowed versions of all dependencies, with their hashes
	@$(COMPILE) --extra otel --output-file requirements.lock pyproject.toml
	@$(COMPILE) --all-extras --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean: ## Remove everything that make has made
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find pcd tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing pcd into $(VENV) ..."
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing the tools for tests and checks into $(VENV) ..."
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@
