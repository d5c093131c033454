# Two commands do everything on a fresh machine: `make run` and `make test`.

MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
FLOW ?= support
ARGS ?=
MINUTES ?=
RATE ?= 30
SEED ?=
# For pip; for example TORCH_INDEX=https://download.pytorch.org/whl/cpu for torch without CUDA.
TORCH_INDEX ?=
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	-c deploy/constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: run test crash soak check docs pictures bench accuracy overload fuzz debian clean help
.DEFAULT_GOAL := help

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: $(VENV)/.run ## talk to the bot in this terminal (FLOW=support ARGS='--set …')
	@$(BIN)/chatbot run $(FLOW) $(ARGS)

test: $(VENV)/.test debian ## run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

crash: $(VENV)/.test debian ## kill, freeze and cut off everything, everywhere (minutes)
	$(BIN)/python -m pytest -m crash --numprocesses 2 --dist loadfile $(ARGS)

check: $(VENV)/.check ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs ## build the documentation's site in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

pictures: $(VENV)/.test ## make the pictures of the docs anew (two minutes)
	@$(BIN)/python -m tests.pictures

bench: $(VENV)/.test ## measure, beside what people would use instead (ARGS='--only w1,w4')
	@$(BIN)/python -m tests.benchmarks $(ARGS)

accuracy: $(VENV)/.test ## see how right classification is (DATA=folder of sets ARGS='--only spam')
	@$(BIN)/python -m tests.benchmarks.accuracy $(DATA) $(ARGS)

overload: $(VENV)/.test ## see what a burst of 100,000 messages does (ARGS='--count 20000')
	@$(BIN)/python -m tests.benchmarks.overload $(ARGS)

fuzz: $(VENV)/.test ## search for input that breaks a decoder (MINUTES=10 ARGS='--only flow_file')
	@$(PIP_INSTALL) -e '.[nlp,onnx,test,fuzz]' || echo "atheris cannot be installed here" >&2
	@nice -n 15 $(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),10) $(ARGS)

soak: $(VENV)/.test ## kill, freeze and restart everything (MINUTES=2 SEED=… RATE=30)
	@PYTHONPATH=tests/plugin $(BIN)/python -m tests.soak --minutes $(or $(MINUTES),2) --rate $(RATE) \
		$(if $(SEED),--seed $(SEED))

debian: ## install the IRC servers, services and clients that the tests use
	@for program in ngircd inspircd atheme-services ii irssi tmux; do command -v $$program >/dev/null || missing=yes; done; \
	if [ -n "$$missing" ]; then \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$sudo apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq \
			ngircd inspircd atheme-services ii irssi tmux >/dev/null; \
	fi

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml deploy/constraints.txt | $(VENV)/bin/python
	@echo "installing (once; the language model's libraries take a minute or two)" >&2
	@$(PIP_INSTALL) -e '.[nlp,onnx]'
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@$(PIP_INSTALL) -e '.[nlp,onnx,test]'
	@touch $@

$(VENV)/.check: $(VENV)/.test
	@$(PIP_INSTALL) -e '.[nlp,onnx,test,check]'
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	@$(PIP_INSTALL) -e '.[nlp,docs]'
	@touch $@

clean: ## remove the virtual environment and what tools left
	rm -rf $(VENV) .bench build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
