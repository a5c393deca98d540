# The only door; CI goes through it too. `make help` lists what there is.

MESSAGES ?= 3000#   how many messages the demo mailbox holds
MBOX     ?=#        an mbox file, a Maildir, a folder of .eml files or a message to fill it with
HISTORIES ?= 2000#  how many random histories `make torture` runs
MINUTES  ?= 30#    how long `make soak` goes on
STAGE    ?= dev#    the stage of cdk.json that `make synth` writes and `make dashboard` shows

# The first interpreter that really runs; 3.13 is what Lambda runs.
PYTHON ?= $(shell for each in python3.13 "$$HOME"/.pyenv/versions/3.13.*/bin/python3 python3.12 \
	python3.11 python3; do "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && { echo "$$each"; break; }; done)
BIN := .venv/bin
export PYTHONPATH := lambdas:.
# Where it is set, each process of a test run compiles every library anew.
unexport PYTHONDONTWRITEBYTECODE

# A password may hold `$`, which make would expand in what was typed.
ifdef DATABASE_URL
override DATABASE_URL := $(value DATABASE_URL)
export DATABASE_URL
endif
ifdef MIGRATION_DATABASE_URL
override MIGRATION_DATABASE_URL := $(value MIGRATION_DATABASE_URL)
export MIGRATION_DATABASE_URL
endif
ifdef DASHBOARD_DATABASE_URL
override DASHBOARD_DATABASE_URL := $(value DASHBOARD_DATABASE_URL)
export DASHBOARD_DATABASE_URL
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo dev dashboard check quick test torture soak sam migrate synth lock clean

help: ## this list
	@awk -F ' *## *' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@awk -F " *[?]= *|# +" '/^[A-Z]+ *[?]=.*#/ { printf "  %-10s %s\n", $$1, $$NF }' $(MAKEFILE_LIST)

setup: .venv/ready ## the virtual environment, made anew when requirements-dev.txt changed

.venv/ready: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Mailsync needs Python 3.11 or newer; none was found."; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv || { echo "Python lacks venv; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements-dev.txt)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements-dev.txt
	@touch $@

demo: setup ## connect a simulated mailbox, mirror it, change it, mirror that; MESSAGES=N, MBOX=PATH
	@$(BIN)/python -m localdev demo --fresh --data .mailsync/demo --messages $(MESSAGES) $(if $(MBOX),--mbox "$(MBOX)")

dev: setup ## the local stack stays up on :3000, its dashboard on :8288; follows code changes
	@$(BIN)/python -m localdev up --messages $(MESSAGES) $(if $(MBOX),--mbox "$(MBOX)")

dashboard: setup ## the dashboard of a deployed stage on :8288; STAGE=prod, AWS credentials as usual; BODIES=1 shows the text of mail
	@$(BIN)/python -m dashboard --stage $(STAGE) $(if $(BODIES),--show-bodies)

check: setup ## format, lint, types, import contracts, budgets
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy lambdas infra localdev dashboard app.py tests
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.support.budgets

quick: setup ## the tests that need no server: seconds
	@$(BIN)/pytest -n auto tests/unit

test: setup ## every test that finishes in minutes; needs no network
	@$(BIN)/pytest -n auto --dist loadgroup

torture: setup ## kill the sync at every single call, first syncs under faults, random histories; HISTORIES=N
	@$(BIN)/python -m tests.torture --histories $(HISTORIES)

soak: setup ## many mailboxes that change all the time, with failures; MINUTES=N
	@$(BIN)/python -m tests.torture.soak --minutes $(MINUTES)

sam: setup ## each function in a container by `sam local`; SAM=PATH, IMAGE=NAME, FUNCTION=NAME
	@$(BIN)/python -m localdev.containers $(if $(SAM),--sam "$(SAM)") $(if $(IMAGE),--image "$(IMAGE)") \
		$(if $(FUNCTION),--function "$(FUNCTION)")

migrate: setup ## bring your database up to date; DATABASE_URL=postgresql://..., PLAN=1 only says how
	@$(BIN)/python -m mailsync.migrate $(if $(PLAN),--plan)

synth: setup ## cdk.out, with cdk-nag, without an AWS account; offline from the second time on
	@STAGE=$(STAGE) $(BIN)/python app.py

lock: setup ## pin requirements-dev.txt anew; lambdas/requirements.lock says how it is made
	@$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate -q \
		requirements-dev.in -o requirements-dev.txt

clean: ## remove everything that was made here, the demo's data too
	rm -rf .venv .mailsync build cdk.out node_modules .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
