# A fresh machine needs Python 3.11 or newer and make; everything else comes from PyPI.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
# Parallel test processes, which wait for others half of the time; 0 runs one test after another.
JOBS ?= 3
# More for pytest: make test ARGS="-k budget"
ARGS ?=

.PHONY: help
help: ## Say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name words; do printf '%-22s %s\n' "$$name" "$$words"; done

.PHONY: setup
setup: .venv/ready ## Build .venv with .venv/bin/filmforge

.PHONY: setup-gpu
setup-gpu: .venv/ready-gpu ## Add what the GPU functions need to run on this machine

.PHONY: demo
demo: .venv/ready ## Make a film of five shots on this machine, at no cost
	@$(BIN)/filmforge demo

.PHONY: test
test: lint browser ## Lint, then run every test on the real servers
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore tests/gpu_functions $(ARGS)

.PHONY: test-gpu-functions
test-gpu-functions: .venv/ready-gpu ## Run the GPU functions on this processor, with tiny random models
	$(BIN)/pytest tests/gpu_functions -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: lint
lint: .venv/ready-dev ## Check style, types and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench
bench: .venv/ready-dev ## Measure the speed of orchestration, memory and recovery
	$(BIN)/python -m tests.benchmarks

.PHONY: screenshots
screenshots: .venv/ready-dev browser ## Take the pictures of the pages that stand in docs/
	$(BIN)/python -m tests.browser.screenshots

.PHONY: crash
crash: .venv/ready-dev ## Kill workers at every point of the paid step and count: make crash N=1000
	$(BIN)/python -m tests.crash $(foreach v,N SEED LANES OUT CASE,$(if $($(v)),$(v)=$($(v))))

.PHONY: clean
clean: ## Remove .venv and caches; films and assets in .filmforge stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Python is looked for by version; Debian keeps ensurepip, which venv needs, in a package apart.
.venv/bin/python:
	@python=; \
	for name in python3.11 python3 python3.12 python3.13 python; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			python="$$name"; break; fi; done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer is needed, and none was found on PATH." >&2; \
		echo "Install it (Debian, Ubuntu: apt-get install python3 python3-venv)." >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python cannot make virtual environments: ensurepip is missing." >&2; \
		echo "Install it (Debian, Ubuntu: apt-get install python3-venv)." >&2; exit 1; fi; \
	echo "$$python -m venv .venv"; "$$python" -m venv .venv

.venv/ready: requirements.txt pyproject.toml | .venv/bin/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(BIN)/python -m pip install $(PIP) --require-hashes -r requirements.txt
	$(BIN)/python -m pip install $(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/ready-dev: requirements-dev.txt .venv/ready
	$(BIN)/python -m pip install $(PIP) --require-hashes -r requirements-dev.txt
	@touch $@

# Of torch there is a build for processors and one with gigabytes of CUDA; which of them belongs on a
# machine is for its package index to say, so torch alone has a version and no hash.
.venv/ready-gpu: requirements-gpu.txt requirements-gpu.in .venv/ready-dev
	$(BIN)/python -m pip install $(PIP) "$$(grep '^torch==' requirements-gpu.in)"
	$(BIN)/python -m pip install $(PIP) --no-deps --require-hashes -r requirements-gpu.txt
	@touch $@

PIP := --quiet --disable-pip-version-check --no-input

# The review page is tested in a real browser.
.PHONY: browser
browser:
	@get=; for name in chromium chromium-browser google-chrome; do \
		if command -v $$name >/dev/null 2>&1; then exit 0; fi; done; \
	if ! command -v apt-get >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ]; then get=env; \
	elif sudo -n true 2>/dev/null; then get="sudo -n env"; fi; \
	if [ -n "$$get" ] && $$get DEBIAN_FRONTEND=noninteractive apt-get update -q && \
		$$get DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium; \
	then exit 0; fi; \
	echo "The browser tests need Chromium, and it could not be installed from here." >&2; \
	echo "Install chromium or google-chrome, then run make test again." >&2; exit 1

# Pins are compiled by uv from an environment that is thrown away afterwards.
.PHONY: pins
pins: .venv/bin/python ## Compile every requirements file anew
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools" && "$$tools/bin/python" -m pip install $(PIP) uv; \
	for name in requirements requirements-dev; do \
		echo "$$name.in -> $$name.txt"; \
		"$$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header --output-file $$name.txt $$name.in; done; \
	echo "requirements-gpu.in -> requirements-gpu.txt"; \
	printf '%s\n' $(CUDA) > "$$tools/cuda.txt"; \
	"$$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-emit-package torch --excludes "$$tools/cuda.txt" \
		--constraints requirements-dev.txt --output-file requirements-gpu.txt requirements-gpu.in

# What torch brings along for a GPU, as it sees fit.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit triton nvidia-cudnn-cu13 nvidia-cusparselt-cu13 \
	nvidia-nccl-cu13 nvidia-nvshmem-cu13
