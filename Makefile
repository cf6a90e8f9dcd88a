# Counterfoil: `make demo` shows it, `make test` proves it. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench stop venv venv-run lock lock-jars clean

BIN := .venv/bin
# More options for pytest, for example: make test ARGS="--kills 200 tests/faults"
ARGS ?=
# Two tests at a time, where there are two cores; a worker that is idle takes over what waits.
BESIDE := -n auto --maxprocesses 2 --dist worksteal

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: venv-run ## a week of a small law firm, captured, searched, verified: embedded, one minute
	@$(BIN)/counterfoil demo

test: lint ## everything, on the real Kafka, S3 and Elasticsearch (started and stopped by the tests)
	$(BIN)/python -m pytest -q $(BESIDE) $(ARGS)

check: lint ## style, types, layers, docs and the fast tests: a few minutes
	$(BIN)/python -m pytest -q $(BESIDE) -m "not real and not slow" $(ARGS)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: venv ## the benchmarks on the real servers; writes docs/BENCHMARKS.md
	$(BIN)/python -m tests.bench $(ARGS)

stop: ## stop what `counterfoil run` and `counterfoil stack up` started in the data folder
	@test ! -x $(BIN)/counterfoil || $(BIN)/counterfoil stop
	@test ! -x $(BIN)/counterfoil || $(BIN)/counterfoil stack down

venv: ## .venv with everything, from requirements.lock
	@bash .ci/venv full

venv-run:
	@bash .ci/venv run

# Needs uv on the PATH (pip install uv), and nothing else does. Versions stay as they are unless
# pyproject.toml asks for others or LOCK="--upgrade" does. No registry's address is written.
LOCK ?=
UV_LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url $(LOCK)
lock: ## resolve requirements.lock and requirements-run.lock anew
	echo 'setuptools>=77' | $(UV_LOCK) --all-extras --output-file requirements.lock pyproject.toml -
	echo 'setuptools>=77' | $(UV_LOCK) --extra export --constraint requirements.lock --output-file requirements-run.lock pyproject.toml -

lock-jars: venv ## resolve the pinned Java libraries anew (infra/stack/jars.lock)
	$(BIN)/python -m infra.stack.jars

clean: ## remove what can be made again; data folders stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
