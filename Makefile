# All commands of the project; CI uses them as well. `make help` lists them.

MESSAGES ?= 3000#   number of messages in the demo mailbox
MBOX     ?=#        mbox file, Maildir, folder of .eml files or .eml file that fills the demo mailbox
PROVIDER ?=#        what mailboxes are connected as: graph (Microsoft 365), gmail or imap; default: graph
HISTORIES ?= 2000#  number of random histories of `make torture`
MINUTES  ?= 30#    duration of `make soak` in minutes
STAGE    ?= dev#    stage for `make deploy`, `make synth` and `make dashboard`
SETTINGS ?=#        settings file of the stage, a copy of settings.example.json; synth: default cdk.json
VENV     ?= .venv#  folder of the virtual environment, so that two Pythons can have one each
API_PORT       ?=#  port of `make dev` for the API: 3000, and 0 for any free one
DASHBOARD_PORT ?=#  port of `make dev` and `make dashboard` for the dashboard: 8288
IMAP_PORT      ?=#  port of `make dev` for IMAP with PROVIDER=imap: 9993
AWS_PORT       ?=#  port of `make dev` for the AWS endpoint: 4566
DATABASE_PORT  ?=#  port of `make dev` for Postgres; empty: a socket only
CORS_ORIGINS   ?=#  origins whose pages may use the API of `make dev`, with commas

# The first Python that starts; Lambda runs 3.13.
PYTHON ?= $(shell for each in python3.13 "$$HOME"/.pyenv/versions/3.13.*/bin/python3 python3.12 \
	python3.11 python3; do "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && { echo "$$each"; break; }; done)
BIN := $(VENV)/bin
export PYTHONPATH := lambdas:.
MAILBOX = --messages $(MESSAGES) $(if $(MBOX),--mbox "$$MBOX") $(if $(PROVIDER),--provider "$$PROVIDER")
# If it is set, each process of a test run compiles every library again.
unexport PYTHONDONTWRITEBYTECODE

# A password on the command line can contain `$`, which make would expand.
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),\
	$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

.DEFAULT_GOAL := help
.PHONY: help setup bench demo dev live dashboard check quick test test-long torture soak sam migrate synth deploy lock wheels clean

help: ## print this list
	@awk -F ' *## *' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@awk -F " *[?]= *|# +" '/^[A-Z_]+ *[?]=.*#/ { printf "  %-14s %s\n", $$1, $$NF }' $(MAKEFILE_LIST)

setup: $(VENV)/ready ## create the virtual environment; update it when requirements-dev.txt changed

$(VENV)/ready: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Mailsync needs Python 3.11 or newer; none was found."; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python lacks venv; on Debian: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements-dev.txt)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements-dev.txt
	@touch $@

demo: setup ## connect a simulated mailbox, sync it, change it, sync the changes; MESSAGES=N, MBOX=PATH, PROVIDER=gmail or imap
	@$(BIN)/python -m localdev demo $(MAILBOX)

dev: setup ## run the local stack on :3000 and its dashboard on :8288; reloads changed code; PROVIDER=gmail or imap
	@$(BIN)/python -m localdev up $(MAILBOX) $(if $(IMAP_PORT),--imap-port $(IMAP_PORT)) \
		$(if $(API_PORT),--api-port $(API_PORT)) $(if $(AWS_PORT),--aws-port $(AWS_PORT)) \
		$(if $(DASHBOARD_PORT),--dashboard-port $(DASHBOARD_PORT)) \
		$(if $(DATABASE_PORT),--database-port $(DATABASE_PORT)) \
		$(if $(CORS_ORIGINS),--cors-origins "$(CORS_ORIGINS)")

live: setup ## compare a provider with its simulator, read-only, with your own mailbox; MICROSOFT_CLIENT_ID=ID, or PROVIDER=gmail GOOGLE_CLIENT_ID=ID, or PROVIDER=imap IMAP_ADDRESS=YOU@EXAMPLE.ORG
	@$(BIN)/python -m localdev.live $(or $(PROVIDER),graph)

dashboard: setup ## run the dashboard of a deployed stage on :8288 with your AWS credentials; STAGE=NAME; BODIES=1 shows message bodies
	@$(BIN)/python -m dashboard --stage "$(STAGE)" $(if $(BODIES),--show-bodies) \
		$(if $(DASHBOARD_PORT),--dashboard-port $(DASHBOARD_PORT))

check: setup ## check format, lint, types, import contracts, budgets
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy lambdas infra localdev dashboard benchmarks app.py tests
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.support.budgets

quick: setup ## run the tests that need no server; takes seconds
	@$(BIN)/pytest -n auto tests/unit

test: setup ## run the tests of every part; takes minutes, needs no network
	@$(BIN)/pytest -n auto --dist loadgroup -m "not long"

test-long: setup ## run the other tests: more servers, longer histories, outages, memory; CI runs them as well
	@$(BIN)/pytest -n auto --dist loadgroup -m long

torture: setup ## kill the sync at every call, sync under faults, run random histories; HISTORIES=N, PROVIDER=imap
	@$(BIN)/python -m tests.torture --histories $(HISTORIES) --provider $(or $(PROVIDER),graph)

bench: setup ## measure the first sync beside other ways and the bound; ALL=1 takes hours; PROVIDER=imap
	@$(BIN)/python -m benchmarks.$(or $(PROVIDER),graph) $(if $(ALL),--all)

soak: setup ## sync many changing mailboxes under injected failures; MINUTES=N, PROVIDER=imap
	@$(BIN)/python -m tests.torture.soak --minutes $(MINUTES) --provider $(or $(PROVIDER),graph)

sam: setup ## run each function in a container with `sam local`; SAM=PATH, IMAGE=NAME, FUNCTION=NAME
	@$(BIN)/python -m localdev.containers $(if $(SAM),--sam "$(SAM)") $(if $(IMAGE),--image "$(IMAGE)") \
		$(if $(FUNCTION),--function "$(FUNCTION)")

migrate: setup ## apply pending migrations; DATABASE_URL=postgresql://...; PLAN=1 only lists them
	@$(BIN)/python -m mailsync.migrate $(if $(PLAN),--plan)

synth: setup ## write cdk.out and run cdk-nag, without an AWS account; offline after the first run
	@STAGE="$(STAGE)" $(BIN)/python app.py

deploy: setup ## deploy a stage with your AWS credentials, or update it; STAGE=NAME SETTINGS=settings.json
	@test -n "$$SETTINGS" || { echo "Name the settings file: make deploy STAGE=$(STAGE) SETTINGS=settings.json"; exit 1; }
	@$(BIN)/python -m infra.deploy --stage "$(STAGE)" --settings "$$SETTINGS"

lock: setup ## update the pins of requirements-dev.txt and lambdas/requirements.lock, the latter with hashes
	@$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate -q \
		requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile --python-platform aarch64-manylinux_2_28 --python-version 3.13 --no-config \
		--only-binary :all: --generate-hashes --no-annotate -q --constraint requirements-dev.txt \
		$(foreach each,boto3 botocore s3transfer jmespath,--no-emit-package $(each)) \
		--custom-compile-command 'make lock' lambdas/requirements.txt -o lambdas/requirements.lock

wheels: setup ## ask the package registry for wheels of all locked packages: macOS arm64, Linux x86_64 and aarch64
	@$(BIN)/python -m tests.support.wheels

clean: ## remove all generated files, including the demo's data
	rm -rf .venv* .mailsync build cdk.out node_modules .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
