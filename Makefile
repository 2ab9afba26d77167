# make up      everything set up, then the reference project's dev environment for real
# make down    takes it away again
# make check   what a change must pass: linters, types, import contracts, fast tests
# make test    sets up everything, then check, then every test (this is what CI runs)
# make fix     repairs what a tool can
# make setup   only the set-up; with nothing to do it is over in a moment

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
BIN := .venv/bin
TYPED := $(foreach folder,orchestrator tests tools bench,$(if $(wildcard $(folder)/*.py),$(folder)))
STEP := tools/step
PROFILE ?= quick

.PHONY: up down setup venv check static test fix
.NOTPARALLEL:

up: setup
	@$(BIN)/orchestrator store init
	@$(BIN)/orchestrator up dev --yes

down: venv
	@$(BIN)/orchestrator destroy dev --yes

setup: venv
	@$(BIN)/python -m orchestrator.setup --fix --light-hosts

venv:
	@test -n "$(PYTHON)" || { echo "no python3 found; Debian: apt-get install -y python3-venv"; exit 1; }
	@$(PYTHON) tools/venv.py

static: venv
	@$(STEP) "ruff" $(BIN)/ruff check -q .
	@$(STEP) "ruff format" $(BIN)/ruff format -q --check .
	@$(STEP) "mypy" $(BIN)/mypy $(TYPED)
	@$(STEP) "import contracts" $(BIN)/lint-imports --no-logo

check: static
	@$(BIN)/pytest -q -m "not real and not slow" --hypothesis-profile=$(PROFILE)

# What is missing here is skipped by name; in CI it is an error, at once.
test: venv
	@$(BIN)/python -m orchestrator.setup --fix --light-hosts --tests || test -z "$$CI"
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest -q --hypothesis-profile=thorough

fix: venv
	@$(BIN)/ruff check -q --fix . || true
	@$(BIN)/ruff format -q .
