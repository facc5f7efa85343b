"""Writes the small good files that fuzzing starts from: `python fuzz/make_corpus.py`."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

import scratchnet as sn
from scratchnet.datasets.folder import IDX_NAMES
from scratchnet.datasets.idx import write_idx
from scratchnet.tests import hostile, test_legacy

HERE = Path(__file__).parent / "corpus"


def main() -> None:
    models = {
        "small": hostile.small_model(),
        "plain": hostile.small_model(compiled=False),
        "dense": sn.Sequential([sn.Input((3,)), sn.layers.Dense(2), sn.layers.ReLU()]),
    }
    models["dense"].compile("adam", "mse")
    models["dense"].build_optimizer()
    for name, model in models.items():
        path = HERE / "archive" / f"{name}.keras"
        model.save(path)
        # packed, so that the repository stays small; Keras reads such, too
        path.write_bytes(hostile.zipped(hostile.members(path.read_bytes()), zipfile.ZIP_DEFLATED))
    hostile.tiny_model().save_weights(HERE / "weights" / "tiny.weights.h5")
    rewrite(HERE / "weights" / "newer.weights.h5", libver="v108")
    packed = {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": True}
    rewrite(HERE / "weights" / "packed.weights.h5", **packed)
    test_legacy.write(HERE / "legacy" / "old.h5")
    digits = np.arange(4 * 784, dtype=np.uint8).reshape(4, 28, 28)
    labels = np.arange(4, dtype=np.uint8)
    write_idx(HERE / "data" / "images", digits)
    write_idx(HERE / "data" / "labels.gz", labels)
    arrays = {key: digits if key.startswith("x") else labels for key in IDX_NAMES}
    np.savez(HERE / "data" / "plain.npz", **arrays)
    np.savez_compressed(HERE / "data" / "packed.npz", **arrays)
    picture = Image.fromarray(digits[0])
    for kind in ("png", "jpeg", "bmp", "gif", "webp", "ppm", "tiff"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        (HERE / "picture" / f"digit.{kind}").write_bytes(buffer.getvalue())


def rewrite(path: Path, libver: str | None = None, **options: object) -> None:
    """The small weights file in another form of HDF5."""
    with (
        h5py.File(HERE / "weights" / "tiny.weights.h5") as old,
        h5py.File(path, "w", libver=libver) as new,
    ):

        def copy(name: str, thing: object) -> None:
            if isinstance(thing, h5py.Dataset):
                extra = options if thing.shape else {}
                new.create_dataset(name, data=thing[()], **extra)
            else:
                new.require_group(name)

        old.visititems(copy)


if __name__ == "__main__":
    main()
