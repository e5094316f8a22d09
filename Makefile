# Two commands do everything: `make serve` and `make test`. Each creates the virtual
# environment it needs from the locked, hashed requirements.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: serve test check demo proto chaos chaos-blobs fuzz autobahn bench bench-compare lock clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements/serve.txt | $(BIN)/python
	$(BIN)/pip install -q --require-hashes -r requirements/serve.txt
	touch $@

$(VENV)/.dev: requirements/dev.txt | $(BIN)/python
	$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	touch $@ $(VENV)/.serve

serve: $(VENV)/.serve  ## run the server on the embedded store
	$(BIN)/python -m realtime serve $(ARGS)

test: $(VENV)/.dev  ## every test, the real-process ones included
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

check: $(VENV)/.dev  ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests bench examples fuzz
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m rpc.codegen --check
	$(BIN)/python -m rpc.codegen --check --proto examples/own_service

demo: $(VENV)/.dev  ## people at a real server, on lines that break, and proof of what arrived
	$(BIN)/python -m realtime demo $(ARGS)

proto: $(VENV)/.dev  ## regenerate the modules beside the .proto files
	$(BIN)/python -m rpc.codegen
	$(BIN)/python -m rpc.codegen --proto examples/own_service

chaos: $(VENV)/.dev  ## 50 seeded rounds of each fault against real processes, for hours
	$(BIN)/python -m tests.chaos $(ARGS)

chaos-blobs: $(VENV)/.dev  ## three nodes of Cassandra that are killed, stopped and damaged
	SUNWIRE_TEST_CASSANDRA=own $(BIN)/python -m tests.chaos.blobs --rounds 12 $(ARGS)

fuzz: $(VENV)/.dev  ## throws mutated websocket streams at the codec, for a minute unless told
	$(BIN)/python fuzz/websocket_codec.py $(ARGS)

autobahn: $(VENV)/.dev  ## the Autobahn suite (on a Python 2.7) against the websocket codec
	$(BIN)/python -m tests.autobahn.run $(ARGS)

bench: $(VENV)/.dev  ## measures this machine and writes bench/figures.md
	$(BIN)/python bench/figures.py $(ARGS)

bench-compare: $(VENV)/.dev  ## beside other servers, an hour: writes bench/compare/results.*
	$(BIN)/python -m bench.compare $(ARGS)

lock:  ## resolve the requirements again (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate pyproject.toml -o requirements/serve.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate pyproject.toml --extra full -c requirements/serve.txt \
	  -o requirements/full.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate pyproject.toml --extra dev -c requirements/full.txt \
	  -o requirements/dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache
