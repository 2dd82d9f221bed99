# Two commands set everything up on a fresh machine: `make demo` runs the main job, `make test` passes every test.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test faults hostile check lint types install servers servers-down clean

demo: install
	$(BIN)/ringtrue demo

test: install check
	PYTHON=$(BIN)/python deploy/local/with-servers $(BIN)/pytest --cov --cov-report=term

# The whole fault list on a real broker, with a table of what was injected and what was seen. Takes its time.
faults: install
	PYTHON=$(BIN)/python RINGTRUE_TEST_REQUIRE_SERVERS=1 deploy/local/with-servers $(BIN)/pytest tests/faults --faults all

# Every hostile file under the limits of production, with a table of how it ended, and 10,000 damaged recordings.
hostile: install
	$(BIN)/pytest tests/hostile --hostile all

check: lint types

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

install: .venv/installed

# constraints.txt holds the versions that were tested together; pyproject.toml what Ringtrue needs.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Ringtrue needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv \
	  || { echo "no virtual environment: on Debian install the package python3-venv"; exit 2; }
	@echo "installing (about 5 GB, most of it torch; a few minutes the first time)"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	touch $@

# Kafka, MinIO and PostgreSQL to work with; the tests start some of their own. eval "$(make -s servers)"
servers:
	@$(PYTHON) deploy/local/servers up

servers-down:
	@$(PYTHON) deploy/local/servers down

clean:
	@$(PYTHON) deploy/local/servers reset --state .servers/plain
	@$(PYTHON) deploy/local/servers reset --state .servers/secure
	rm -rf .venv .servers ringtrue-data
