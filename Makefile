# Everything a person does with this project. `make` alone lists it.
# Needs Python 3.11 or newer and make; the rest is installed into .venv.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
COMPOSE := docker compose
CODE := auth_server mcp_server shared dev tests
# Which tests: make test T=tests/auth_server, T="tests -k pkce"
T ?= tests
# How many files of tests at once: one for each core, but one after another when they are picked or share a store.
JOBS ?= $(if $(or $(TEST_REDIS_URL),$(filter-out tests,$(T))),0,auto)
PYTEST := $(PY) -m pytest --numprocesses $(JOBS) --dist loadfile
CALLS ?= 1000

.DEFAULT_GOAL := help

##@ Run it

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z0-9-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## Start everything on this computer, with the Val Town sandbox (LIVE=1: the real Val Town)
	@$(PY) -m dev.run

demo: setup ## Show the whole flow, step by step
	@$(PY) -m dev.demo

compliance: setup ## Check a deployment: TEST_SERVER_URL=https://… VAL_TOWN_API_TOKEN=…
	@$(PY) -m dev.compliance

keys: ## Print the commands that make the signing key pair and the encryption key
	@printf '%s\n' \
		'# The encryption key, 32 bytes, for OAUTH_ENCRYPTION_KEY:' \
		'openssl rand -base64 32' \
		'' \
		'# A signing key pair. Only needed to bring your own: without it the server makes one and keeps it sealed.' \
		'openssl genrsa -out private.pem 2048' \
		'openssl rsa -in private.pem -pubout -out public.pem' \
		'' \
		'# Each as one line, for OAUTH_JWT_PRIVATE_KEY and OAUTH_JWT_PUBLIC_KEY:' \
		"awk 'NF {sub(/\\r/, \"\"); printf \"%s\\\\n\", \$$0}' private.pem" \
		"awk 'NF {sub(/\\r/, \"\"); printf \"%s\\\\n\", \$$0}' public.pem"

setup: $(INSTALLED) ## Create .venv and install what is needed
	@:

##@ Containers

up: ## Build and start all containers, at http://localhost:8080 unless HTTP_PORT says otherwise
	$(COMPOSE) up --build --detach --wait

down: ## Stop the containers; their data stays
	$(COMPOSE) down

logs: ## Follow the containers' logs
	$(COMPOSE) logs --follow

##@ Work on it

test: setup ## Run all tests against a real store (T=path picks)
	@$(PYTEST) $(T)

test-fast: setup ## Run the tests that start neither processes nor containers
	@$(PYTEST) -m "not e2e" $(T)

e2e: setup ## Run only the tests that start real processes or containers
	@$(PYTEST) -m e2e $(T)

isolation: setup ## 50 people make 1,000 calls each at once, and nobody gets another's answer (CALLS=…)
	@ISOLATION_CALLS=$(CALLS) $(PY) -m pytest -q tests/e2e/test_isolation.py

conformance: setup ## Run the official MCP suite, from npm, and write docs/conformance.md
	@$(PY) -m dev.conformance

interop: setup ## Run real MCP clients against two replicas of each service, and write docs/interop.md (ARGS="ts-v2 …")
	@$(PY) -m dev.interop $(ARGS)

storms: setup ## Many clients with one code, refresh token or assertion at the same moment, on four replicas
	@$(PY) -m dev.storms $(ARGS)

chaos: setup ## Break one thing at a time under load, with real processes (ARGS=--write: docs/reliability.md)
	@$(PY) -m dev.chaos $(ARGS)

rolling: setup ## Restart every replica five times under load, with a key rotation and a failover in it
	@$(PY) -m dev.rolling $(ARGS)

soak: setup ## Half an hour of use with small faults all the time, and whether anything grows (ARGS="--minutes 5")
	@$(PY) -m dev.soak $(ARGS)

revocation: setup ## How long a revoked token is still accepted: three replicas, 1,000 calls a second, busy cores
	@$(PY) -m dev.revocation_lag $(ARGS)

rotation: setup ## Rotate the signing key every 5 s under load, on three replicas of each service
	@$(PY) -m dev.rotation $(ARGS)

mutation: setup ## Break each rule, one change at a time, and see whether a test notices (ARGS="--only …")
	@$(PY) -m dev.mutation $(ARGS)

overload: setup ## More than a replica can serve, and 5,000 clients that all refresh at once
	@$(PY) -m dev.overload $(ARGS)

bench: setup ## Measure against bare uvicorn, FastMCP, the SDK, oidc-provider, on one core each (ARGS=--quick)
	@$(PY) -m dev.bench $(ARGS)

profile: setup ## Draw where a worker's time goes under load, as a flame graph (ARGS="refresh --out …")
	@$(PY) -m dev.bench.profiling $(ARGS)

check: lint types imports spell ## Everything a machine can say about the code without running it

fmt: setup ## Format the code and fix what can be fixed by itself
	@$(PY) -m ruff check --fix-only --quiet $(CODE)
	@$(PY) -m ruff format $(CODE)

lint: setup ## Style and common mistakes
	@$(PY) -m ruff check $(CODE)
	@$(PY) -m ruff format --check $(CODE)

types: setup ## Types, strictly
	@$(PY) -m mypy

imports: setup ## Who may import whom
	@$(PY) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())'

spell: setup ## Spelling
	@$(PY) -m codespell_lib

docs: setup ## Write the documents that are made from code
	@$(PY) -m dev.docs

lock: setup ## Write requirements/ from pyproject.toml (UPGRADE=1: newest versions)
	@for set in auth auth-otel mcp mcp-otel dev interop bench; do \
		echo "requirements/$$set.txt"; \
		$(PY) -m uv pip compile pyproject.toml $$(printf -- '--extra %s ' $$(echo $$set | tr - ' ')) --output-file requirements/$$set.txt \
			--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
			$(if $(UPGRADE),--upgrade) || exit 1; \
	done

clean: ## Remove what was built, started or cached here; .env and the data in .run stay
	rm -rf $(VENV) build dist *.egg-info .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache mutants .artefacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Every target that help lists.
.PHONY: $(shell awk -F: '/^[a-z][a-z0-9-]*:.*## / { print $$1 }' $(firstword $(MAKEFILE_LIST)))

# The environment is completed when the pinned requirements change, and made again when its Python is gone.
ifeq ($(wildcard $(PY)),)
.PHONY: $(INSTALLED)
endif
$(INSTALLED): requirements/dev.txt
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "Python 3.11 or newer is needed, and there is no $(PYTHON) here."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, and $(PYTHON) is older; name another: make PYTHON=python3.13"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python cannot make virtual environments here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PY) -c '' 2>/dev/null || { echo "Creating $(VENV) …"; "$(PYTHON)" -m venv --clear $(VENV); }
	@echo "Installing the pinned requirements (about a minute the first time) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@
