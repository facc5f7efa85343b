# make demo    installs what it needs and compares the six networks with Keras, then trains both
# make test    installs what it needs and runs everything that must pass
PYTHON ?= python3
DATA ?= digits
BIN := .venv/bin

.PHONY: demo test lint types golden bench kernels training clean clean-cache

demo: .venv/keras
	$(BIN)/scratchnet compare --data $(DATA)

# the comparison with a live Keras on one side, everything else beside it, and what of the comparison
# makes both sides about as long: two cores, half the time
BESIDE := parity_tests/test_interchange.py parity_tests/test_race.py parity_tests/test_saving.py
test: .venv/dev
	@( $(BIN)/python -m pytest -q scratchnet/tests && \
	   NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q scratchnet/tests && \
	   $(BIN)/python -m pytest -q parity_tests --golden && \
	   $(BIN)/python -m pytest -q benchmarks $(BESIDE) ) > .test.log 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest parity_tests $(addprefix --ignore=,$(BESIDE)); live=$$?; \
	wait $$beside; rest=$$?; cat .test.log; \
	test $$live -eq 0 && test $$rest -eq 0

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

golden: .venv/dev
	$(BIN)/python -m keras_ref.golden

BENCH := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m pytest --benchmark-only
bench: .venv/dev
	$(BENCH)

# which fraction of the roofline each kernel of the engine reaches
kernels: .venv/dev
	mkdir -p .benchmarks
	$(BENCH) benchmarks/test_kernels.py benchmarks/test_steps.py --benchmark-columns=median -k fused \
	   > .benchmarks/kernels.log || { cat .benchmarks/kernels.log; exit 1; }
	sed -n '/engine fused against/,/^-.*benchmark /p' .benchmarks/kernels.log | sed '1d;/^-/d;/^$$/d' \
	   > benchmarks/results/kernels.txt
	cat benchmarks/results/kernels.txt

# every network in every engine, Keras, PyTorch and scikit-learn, on digits; ten minutes
training: .venv/dev
	mkdir -p .benchmarks
	$(BENCH) benchmarks/test_training.py --benchmark-json=.benchmarks/training.json
	$(BIN)/pytest-benchmark compare .benchmarks/training.json --columns=min,median,rounds \
	   --sort=mean --group-by=group --name=short > .benchmarks/training.log
	sed 's/ *$$//; s/ (g)//' .benchmarks/training.log > benchmarks/results/training.txt

clean-cache:
	find . -name '*.nb[ic]' -not -path './.venv/*' -delete

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
