# `make quickstart` shows what tff_retail does, `make test` that it works; `make help` lists all.
#
# The clone's folder may have any name: paths are relative, for make cannot handle spaces in
# them, and tools are run as modules (`python -m pytest`), for the first line of a script cannot
# either. Nothing is written outside the clone: a home and a place for temporary files lie in
# .cache.

ARGS ?=
JOBS ?= 2

PYTHON := env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME -u XDG_DATA_HOME \
  HOME="$$PWD/.cache/home" TMPDIR="$$PWD/.cache/tmp" .venv/bin/python
LOCK := uv pip compile --quiet --generate-hashes --python-version 3.11 \
  --python-platform x86_64-manylinux_2_31 --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help venv quickstart demo-remote check test soak fuzz bench peers bazel-test lock sbom \
  audit-dependencies clean

help:  ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

venv:  ## The environment .venv from the lock; GPU=1 adds the CUDA libraries, RAY=1 Ray.
	@GPU=$(GPU) RAY=$(RAY) sh .ci/venv
	@mkdir -p .cache/home .cache/tmp

quickstart: venv  ## Five synthetic stores train one recogniser; ARGS="…" adds flags.
	@$(PYTHON) -m tff_retail.quickstart $(ARGS)

demo-remote: venv  ## Headquarters and five stores as processes, over TLS; one is killed in between.
	@$(PYTHON) -m tff_retail.demo_remote $(ARGS)

check: venv  ## Lint, format and types.
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy

test: RAY := 1
test: check  ## Everything: lint, types, unit and integration tests.
	@$(PYTHON) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

soak: venv  ## The long proofs: kills at random moments, bit for bit the same model.
	@$(PYTHON) -m pytest -m soak $(ARGS)

fuzz: venv  ## The fuzz campaign over every parser, a million inputs; ARGS="--only=… --inputs=…".
	@sh .ci/fuzz-environment
	@PYTHONPATH=. $(PYTHON:.venv/bin/python=.cache/fuzz/bin/python) -m benchmarks.fuzz $(ARGS)

bench: venv  ## The Speed table against the peers (make peers), in under 20 minutes; ARGS="--only=…".
	@$(PYTHON) -m benchmarks.bench $(ARGS)

peers:  ## The environments of the peers that `make bench` times, in .cache/peers.
	@sh benchmarks/peers/environments

bazel-test: venv  ## The same tests as Bazel targets, offline (apt-get install bazel-bootstrap).
	@bazel --output_user_root="$$PWD/.cache/bazel" test //tests/... $(ARGS)

lock:  ## The requirements files from pyproject.toml, by uv; ARGS=--upgrade for newer versions.
	@$(LOCK) --group dev --output-file requirements.txt pyproject.toml $(ARGS)
	@$(LOCK) --group gpu --no-deps --output-file requirements-gpu.txt $(ARGS)
	@$(LOCK) --group ray --no-deps --output-file requirements-ray.txt $(ARGS)
	@$(LOCK) --group audit --output-file requirements-audit.txt $(ARGS)
	@$(LOCK) --group fuzz --output-file requirements-fuzz.txt $(ARGS)

sbom: venv  ## What the lock installs, as CycloneDX JSON: sbom.json, from requirements.txt alone.
	@sh .ci/audit-environment
	@PYTHONPATH=. $(PYTHON) .ci/dependencies.py sbom

audit-dependencies: venv  ## Known vulnerabilities of what the lock installs; fails where it can't know.
	@sh .ci/audit-environment
	@PYTHONPATH=. $(PYTHON) .ci/dependencies.py audit

clean:  ## Removes the environment and every cache; keeps data/ and runs/.
	@find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf .cache .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis bazel-*
