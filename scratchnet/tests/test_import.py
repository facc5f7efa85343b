"""What `import scratchnet` brings with it."""

import subprocess
import sys

HEAVY = {"tensorflow", "keras", "numba", "matplotlib", "h5py", "rich", "PIL", "click"}


def test_import_brings_in_none_of_the_heavy_libraries():
    code = "import sys, scratchnet; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(result.stdout.split())
    assert "scratchnet" in result.stdout.split()


def test_every_public_name_is_there():
    import scratchnet

    for module in (scratchnet, *(getattr(scratchnet, name) for name in scratchnet.__all__)):
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), (module, name)
