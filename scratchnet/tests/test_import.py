"""What `import scratchnet` brings with it."""

import importlib
import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "numba", "matplotlib", "h5py", "rich", "PIL", "click", "mpi4py"}


def test_import_brings_in_none_of_the_heavy_libraries():
    code = "import sys, scratchnet; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(result.stdout.split())
    assert "scratchnet" in result.stdout.split()


def test_every_public_name_is_there():
    import scratchnet

    for module in (scratchnet, *(getattr(scratchnet, name) for name in scratchnet.__all__)):
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), (module, name)


@pytest.mark.parametrize(
    ("module", "name", "near"),
    [
        ("scratchnet", "Modles", "models"),
        ("scratchnet.layers", "Conv1D", "Conv2D"),
        ("scratchnet.losses", "mean_square_error", "mean_squared_error"),
        ("scratchnet.metrics", "Precison", "Precision"),
        ("scratchnet.optimizers", "Nadam", "Adam"),
        ("scratchnet.callbacks", "EarlyStop", "EarlyStopping"),
        ("scratchnet.distributed", "strat", "start"),
        ("scratchnet.activations", "sigmod", "sigmoid"),
        ("scratchnet.initializers", "GlorotUniforms", "GlorotUniform"),
        ("scratchnet.regularizers", "L1L22", "L1L2"),
        ("scratchnet.config", "floatsx", "floatx"),
        ("scratchnet.networks", "NETWORK", "Network"),
        ("scratchnet.random", "truncate_normal", "truncated_normal"),
        ("scratchnet.optimizers.schedules", "CosinDecay", "CosineDecay"),
    ],
)
def test_a_name_that_is_not_there_is_told_what_is(module, name, near):
    with pytest.raises(AttributeError, match=rf"{module} '{name}': .*Did you mean '{near}'\?"):
        getattr(importlib.import_module(module), name)
