# The two commands of the README are `make run` and `make test`; each works alone on a machine
# that has Python >= 3.11, make and a package index.
PYTHON ?= python3
# Processes of pytest, of a whole `make test`.
PROCESSES ?= 8
VENV   := .venv
BIN    := $(VENV)/bin

# No command here may reach a paid service because a variable was left in the shell. And bytecode is kept: each process
# that the tests start would compile the package again.
CLEAN_ENV := env -u WebPubSubConnectionString -u PYTHONDONTWRITEBYTECODE \
  $(shell env | sed -n 's/^\(LOCUST_[A-Za-z0-9_]*\)=.*/-u \1/p')

.PHONY: run test unit coverage check sample schema bench clean

run: $(VENV)/.installed
	$(CLEAN_ENV) $(BIN)/wps-load run

# Most of a test that starts programs is waiting: eight at once keep two cores busy. Those of one shared run stay together.
test: check
	$(CLEAN_ENV) $(BIN)/python -m pytest -n $(PROCESSES) --dist loadscope

# In a minute: what starts no program and no browser.
unit: $(VENV)/.installed-test
	$(CLEAN_ENV) $(BIN)/python -m pytest -n 5 --dist loadscope -m "not program"

# What the tests run of the package, line by line and branch by branch. Tests that start programs are left out. It fails
# where less is run than was before: of the package (pyproject.toml), or of a room that decides alone (.ci/covered.py).
coverage: $(VENV)/.installed-test
	$(CLEAN_ENV) $(BIN)/python -m pytest -n 2 --dist loadscope -m "not program" --cov --cov-report= --cov-fail-under=0
	$(BIN)/python -m coverage report --skip-covered --fail-under=0
	$(BIN)/python .ci/covered.py

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $(VENV)/.installed $@

# One real run of each kind, kept in the repository: what a reader of the README sees.
sample: $(VENV)/.installed
	rm -rf reports/sample reports/sample-capacity build/sample
	$(CLEAN_ENV) $(BIN)/locust --config configs/small-group.conf --wps-report-dir build/sample
	mv build/sample/*/ reports/sample
	$(CLEAN_ENV) $(BIN)/locust --config configs/capacity.conf --wps-report-dir build/sample \
	  --wps-capacity rate:100..3000 --wps-emulator-faults service-rate=900 -t 4m
	mv build/sample/*/ reports/sample-capacity

# The JSON Schema of summary.json, from the types in wps_load/report/document.py.
schema: $(VENV)/.installed
	$(BIN)/python -m wps_load.report.schema

# Beside peers, some 12 minutes; see docs/performance.md.
bench: $(VENV)/.installed-test
	$(CLEAN_ENV) $(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV)
