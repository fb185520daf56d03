# Two commands on a fresh machine (Python 3.11, make, a C compiler): `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: venv demo dashboard test check lint types policies conformance bench clean

venv: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

# The three nights in order, so that exceptions have a history; a run that stands is not made again.
demo: $(STAMP)
	@$(BIN)/python -m dashboard --sample --prepare --out runs
	@$(BIN)/tieout run samples/firm/2026-10-31 --previous samples/firm/2026-10-30 --out runs || test $$? -eq 1
	@echo "make dashboard   shows these nights in a browser"

dashboard: $(STAMP)
	@$(BIN)/python -m dashboard --sample --out runs

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check engine adapters dashboard tests benchmarks

types: $(STAMP)
	$(BIN)/mypy

policies: $(STAMP)
	$(BIN)/tieout policy check policies

check: lint types policies test

# The published revenue cases (where ../shared holds them) and our own scenarios, by topic.
conformance: $(STAMP)
	$(BIN)/python -m tests.conformance.revenue

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.whole
	$(BIN)/python -m benchmarks.difference
	$(BIN)/python -m benchmarks.revenue
	$(BIN)/python -m benchmarks.reconcile $(if $(DATACOMPY),--datacompy $(DATACOMPY))
	$(BIN)/python -m benchmarks.triage
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.dashboard

clean:
	rm -rf $(VENV) runs build dist
