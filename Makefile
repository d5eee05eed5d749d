# What you can do here: `make help`. Nothing but make and python3 (3.11 or later) is needed to begin.
PYTHON ?= python3
BIN := .venv/bin
INSTANCE ?= dev
# Four processes for two cores, because tests wait; the tests of one file run in one of them, in the order that tests/support/selection.py gives.
PYTEST_OPTIONS ?= -n 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations 10

# Where it is set, each of the processes would compile every test again, which is half the time until the first one.
unexport PYTHONDONTWRITEBYTECODE

# Jitter is no secret, an address that is compared is not listened on, and the name of a parameter is no password: ruff's S104,
# S105 and S311 hold each with its reason.
NOT_IN_WORKER := B104,B105,B311
# deploy/ starts servers' programs, and its demonstration asserts; its one name in SQL is a constant, held by ruff's S608.
NOT_IN_DEPLOY := B101,B404,B603,B607,B608
SECRETS := $(BIN)/detect-secrets-hook --no-verify
# Hashes of packages, and recorded sessions.
NO_SECRET_FILES := ':!*.lock' ':!*package-lock.json' ':!samples' ':!tests/bench'
# Passwords of examples and of servers that listen on the loopback address, words
# that are no password, and names of Kubernetes' secrets.
NO_SECRET := '^(guest|password|wrong|scram-sha-256|\.\.\.|session-store-[a-z-]+)$$'
# Tests make up passwords and ids; keys and tokens that somebody gave out are found there too.
MADE_UP := --disable-plugin BasicAuthDetector --disable-plugin KeywordDetector \
    --disable-plugin HexHighEntropyString --disable-plugin Base64HighEntropyString

.DEFAULT_GOAL := help
.PHONY: help setup demo docs pictures unit test test-all test-versions check check-types check-code check-secrets fmt chaos soak rolling lost-moves test-citus test-kubernetes test-containers test-systemd bench bench-scale up down status urls audit dist schema lock clean

help: ## List the targets
	@echo "make <target>:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/stamp ## Install packages into .venv, and the servers' programs; free when nothing changed
	@$(PYTHON) -m deploy.local install

demo: setup ## Replay the samples on private servers and check the result
	@$(BIN)/python -m deploy.demo

docs: .venv/stamp .venv-docs/stamp ## Build the site of the documentation; a broken link, anchor or picture is an error
	$(BIN)/python -m deploy.site.pages .local/pages
	node deploy/site/pictures.mjs .local/pages
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --config-file deploy/site/mkdocs.yaml
	@echo "the site is .local/site/index.html"

pictures: setup ## Draw the demo, the status page and `top` for the docs; needs Chromium; OPTIONS="--seconds 60"
	@$(BIN)/python -m deploy.pictures $(OPTIONS)

unit: .venv/stamp ## Run the tests that need no server, in less than a minute; OPTIONS="-k words"
	$(BIN)/pytest tests/unit $(PYTEST_OPTIONS) --hypothesis-profile fast $(OPTIONS)

test: setup check ## Check, then run on private servers what every change must pass; OPTIONS="tests/faults -k words"
	@$(PYTHON) -m deploy.local install --for-tests
	$(BIN)/pytest $(PYTEST_OPTIONS) -m "not long" $(OPTIONS)

test-all: setup check ## Check, then run everything: long tests, both layouts of the sessions, more examples
	@$(PYTHON) -m deploy.local install --for-tests
	SESSIONS_LAYOUT=both PROGRAMS=executed $(BIN)/pytest $(PYTEST_OPTIONS) --hypothesis-profile all $(OPTIONS)

fmt: .venv/stamp ## Format the code and the pages, and fix the findings that the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files -z '*.md' ':!CHANGELOG.md' | xargs -0 $(BIN)/python -m tests.support.lines

check: .venv/stamp ## Format, lint, types, import rules, dependencies, spelling, prose, links, migrations, security, secrets
	@$(MAKE) --no-print-directory --jobs 2 --output-sync check-types check-code check-secrets

check-types:
	$(BIN)/mypy

check-code:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/deptry contracts --config contracts/pyproject.toml
	$(BIN)/codespell
	$(BIN)/pytest --quiet tests/unit/test_prose.py tests/unit/test_site.py
	$(BIN)/squawk sql/migrations/*.sql sql/functions/*.sql sql/functions/*/*.sql
	$(BIN)/bandit --quiet --recursive --skip $(NOT_IN_WORKER) worker contracts sql
	$(BIN)/bandit --quiet --recursive --skip $(NOT_IN_DEPLOY) deploy

check-secrets:
	@git ls-files -z ':!tests' ':!*.svg' $(NO_SECRET_FILES) | xargs -0 $(SECRETS) --exclude-secrets $(NO_SECRET) --exclude-secrets '^name: '
	@git ls-files -z tests $(NO_SECRET_FILES) | xargs -0 $(SECRETS) $(MADE_UP)

test-versions: setup ## The suite's parts on the servers that users have; OPTIONS='"Debian 13" --parts topology --page'
	@$(PYTHON) -m deploy.local install --for-tests
	@$(BIN)/python -m tests.versions $(OPTIONS)

test-kubernetes: .venv/stamp ## The base on the cluster of kubectl's context, a new one such as kind's; OPTIONS="--image NAME:TAG --keep"
	@$(BIN)/python -m tests.kubernetes $(OPTIONS)

chaos: setup ## Kill workers, database and broker under load; OPTIONS="--seed 1 --events 120000"
	@$(BIN)/python -m tests.faults.chaos $(OPTIONS)

soak: setup ## Ten minutes of steady load, and the slope of the worker's memory; OPTIONS="--minutes 10"
	@$(BIN)/python -m tests.faults.soak $(OPTIONS)

rolling: setup ## Restart three replicas one after the other under load; OPTIONS="--restarts 100 --surge"
	@$(BIN)/python -m tests.faults.rolling $(OPTIONS)

lost-moves: setup ## Play sessions on engines over HTTP and print the moves that were lost; OPTIONS="--engines 1 2 4"
	@$(PYTHON) -m deploy.local install --for-tests
	@$(BIN)/python -m tests.engine $(OPTIONS)

test-citus: setup ## The order law and a small benchmark on a Citus database that is empty: CITUS_DSN=postgresql://…
	CITUS_DSN='$(CITUS_DSN)' $(BIN)/pytest -n 0 tests/citus

test-containers: setup ## The image and the stack on a container engine, by the commands of the docs; skipped with a reason
	$(BIN)/pytest -x -n 0 -s --timeout 3600 -p no:cacheprovider tests/containers/trial.py $(OPTIONS)

test-systemd: setup ## The printed steps on a Debian with systemd, in a container; as root; skipped with a reason
	$(BIN)/pytest -x -n 0 -s --timeout 3600 -p no:cacheprovider tests/systemd/trial.py $(OPTIONS)

bench: setup .venv-bench/stamp ## Measure the worker beside its peers, and EARLIER=<commit>; or BASE=<commit> alone; OPTIONS="--only storing"
	@test -z "$(BASE)$(EARLIER)" || { rm -rf .local/bench-base && git clone -q . .local/bench-base \
	    && git -C .local/bench-base checkout -q $(BASE)$(EARLIER) && $(MAKE) -C .local/bench-base .venv/stamp; }
	@$(BIN)/python -m tests.bench $(if $(BASE),--base .local/bench-base) $(if $(EARLIER),--earlier .local/bench-base) $(OPTIONS)

bench-scale: setup ## Measure one broker node beside three, and a pooler beside none; OPTIONS="--rounds 3 --events 3000"
	@$(BIN)/python -m tests.bench.scale $(OPTIONS)

up: setup ## Leave PostgreSQL, RabbitMQ and a worker running; prints how to use them
	@$(PYTHON) -m deploy.local up --worker --instance $(INSTANCE)

down: ## Stop the servers of `make up` and `make demo`; stored sessions stay
	@for instance in $(INSTANCE) demo; do $(PYTHON) -m deploy.local down --instance $$instance; done

status: ## Show which servers run, where, and where their logs are
	@$(PYTHON) -m deploy.local status --instance $(INSTANCE)

urls: ## Print DATABASE_URL and AMQP_URL of the running servers
	@$(PYTHON) -m deploy.local urls --instance $(INSTANCE)

audit: setup .venv-release/stamp ## Ask the vulnerability databases about the locked packages; exit 75 when they are not reachable
	@$(BIN)/python -m deploy.release.audit

dist: setup .venv-release/stamp ## Build wheels, sdists, npm package, lists of their parts and checksums into dist
	@test -d contracts/typescript/node_modules || npm --prefix contracts/typescript install --silent --no-save
	@$(BIN)/python -m deploy.release.build dist

schema: setup ## Write sql/schema.sql, the result of the migrations on an empty database
	@$(BIN)/python -m deploy.schema

lock: ## Resolve the dependencies and write the lock files (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra traces --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header -o requirements-traces.lock
	uv pip compile pyproject.toml --extra parquet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header -o requirements-parquet.lock
	uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header -o requirements-dev.lock
	uv pip compile --group release --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header -o requirements-release.lock
	uv pip compile --group docs --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header -o requirements-docs.lock
	uv pip compile tests/bench/requirements.in --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header -o tests/bench/requirements.lock

clean: ## Remove .venv, caches, and the servers with their data
	@for directory in .local/*/; do \
	    case $$directory in '.local/*/' | .local/test-*) ;; \
	    *) $(PYTHON) -m deploy.local erase --instance "$$(basename $$directory)" ;; esac; \
	done
	@$(PYTHON) -c 'from tests.support.servers.slots import clear_abandoned; clear_abandoned()'
	rm -rf .venv .venv-bench .venv-docs .venv-release .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian has what makes a `venv` in a package of its own, which is installed with the servers.
.venv/stamp: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 setup")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(PYTHON) -m deploy.local install
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv-release/stamp: requirements-release.lock
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-release.lock
	@touch $@

.venv-docs/stamp: requirements-docs.lock deploy/site/package-lock.json
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	npm --prefix deploy/site ci --silent --no-audit --no-fund
	@touch $@

# A peer that cannot be installed is absent from the benchmark, which says so.
.venv-bench/stamp: tests/bench/requirements.lock tests/bench/peers/node/package-lock.json
	$(PYTHON) -m venv .venv-bench
	-.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/bench/requirements.lock
	-cd tests/bench/peers/node && npm install --silent --no-audit --no-fund --no-save
	@touch $@
