# One command for everything. `make` lists the targets; each prepares what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Another virtual environment, active in the caller's shell, must not reach ours.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

python := .venv/bin/python
code := src tests tools $(wildcard bench)

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: venv ## watch two projects get machines and fail to hear each other
	@[ "$$(id -u)" -ne 0 ] || tools/system-packages lab || echo "going on without Open vSwitch" >&2
	@.venv/bin/hil lab demo

.PHONY: test
test: venv ## run the test suite (installs PostgreSQL, Open vSwitch and QEMU when missing; starts no service)
	@tools/system-packages test
	@tools/peers
	@only=(); tools/can-ovs || { [ $$? -eq 1 ] || exit 1; only=(-m "not ovs"); }; \
	[ -n "$${only[*]-}" ] || tools/can-ovs machines || { [ $$? -eq 1 ] || exit 1; only=(-m "not machines"); }; \
	$(python) -m pytest -q -n auto --dist worksteal "$${only[@]}" $(PYTEST)

.PHONY: check
check: venv ## everything that can be judged without running HIL: format, lint, types, arrows, structure, pages
	@$(python) -m ruff format --check --quiet --diff $(code)
	@$(python) -m ruff check --quiet $(code)
	@$(python) -m mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo >build/arrows.txt 2>&1 || { cat build/arrows.txt; exit 1; }
	@$(python) tools/generate.py --check
	@$(python) -m pytest -q tests/structure
	@tools/docs

.PHONY: fmt
fmt: venv ## format the code and renew generated files
	@$(python) -m ruff check --quiet --fix-only --select I $(code)
	@$(python) -m ruff format --quiet $(code)
	@$(python) tools/generate.py

.PHONY: soak
soak: venv ## run the tests that gain from time, for long
	@tools/system-packages test
	@HIL_SOAK=1 $(python) -m pytest -q -m soak -n auto --dist worksteal --timeout 0 $(PYTEST)

.PHONY: bench
bench: venv ## measure, and print the ratios
	@tools/system-packages test
	@$(python) -m bench

.PHONY: docs
docs: venv ## build the pages into build/site
	@tools/docs
	@echo "build/site/index.html"

.PHONY: venv
venv: ## make .venv hold what requirements/dev.txt locks
	@mkdir -p build
	@tools/venv

.PHONY: lock
lock: venv ## renew requirements/ after a change of pyproject.toml (UPGRADE=1: newest of everything)
	@tools/lock $(if $(UPGRADE),--upgrade)
	@tools/venv

.PHONY: clean
clean: ## remove everything that was made
	@rm -rf .venv .venv-peers .venv-witness build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
