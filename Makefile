# One command each on a fresh machine: the environment is made and filled when it is needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS := $(VENV)/.docs
SOURCES := pyproject.toml $(wildcard plugins/*/pyproject.toml) constraints.txt

.PHONY: demo sheet test test-gpu lint bench docs

demo: $(READY)
	$(BIN)/python benchmarks/demo.py demo

sheet: $(READY)
	$(BIN)/python benchmarks/sheet.py simulated.png

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not gpu"

test-gpu: $(READY)
	@if $(BIN)/python -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; \
	then $(BIN)/python -m pytest -m gpu; \
	else echo "not measured: no CUDA device"; fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	@for name in startup predict qc simulate; do \
	echo "== $$name" && $(BIN)/python benchmarks/$$name.py || exit 1; done

docs: $(DOCS)
	$(BIN)/mkdocs build --strict

$(READY): $(SOURCES)
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=...')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -e '.[train,simulate,figures,dev]' -e plugins/qrunet -e plugins/hetqc
	@touch $(READY)

$(DOCS): $(READY)
	$(BIN)/pip install -c constraints.txt -e '.[docs]'
	@touch $(DOCS)
