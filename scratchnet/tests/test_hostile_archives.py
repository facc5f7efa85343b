"""`.keras` archives that a stranger made: refused by name before anything is built."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scratchnet.models import load_model
from scratchnet.tests import hostile

REFUSALS = (ValueError, TypeError, NotImplementedError)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return hostile.archive_bytes(hostile.small_model(), tmp_path_factory.mktemp("good"))


def assert_refused(folder: Path, data: bytes, message: str) -> None:
    """Both readers refuse the file, and leave nothing beside it."""
    path = folder / "m.keras"
    path.write_bytes(data)
    with pytest.raises(REFUSALS, match=message) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"Model file '{path}'")
    assert list(folder.iterdir()) == [path]


def assert_weights_refused(folder: Path, data: bytes) -> None:
    """`load_weights` refuses the archive, too, and the model stays as it was."""
    path = folder / "m.keras"
    path.write_bytes(data)
    model = hostile.small_model()
    assert hostile.outcome(lambda p: hostile.load_weights_or_leave(model, p), path) != "read"


# ------------------------------------------------------------------------------ the zip file


def added(name: str, **about: Any) -> Callable[[dict[str, bytes]], bytes]:
    """The archive with one member more."""

    def change(parts: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO(hostile.zipped(parts))
        with zipfile.ZipFile(buffer, "a") as file:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            for key, value in about.items():
                setattr(info, key, value)
            file.writestr(info, b"x")
        return buffer.getvalue()

    return change


def doubled(parts: dict[str, bytes]) -> bytes:
    return added("second_name")(parts).replace(b"second_name", b"config.json")


def patched(parts: dict[str, bytes], offset: int, value: bytes) -> bytes:
    """Bytes of config.json's entry in the list of members overwritten."""
    data = bytearray(hostile.zipped(parts, zipfile.ZIP_DEFLATED))
    at = data.rindex(b"PK\1\2", 0, data.rindex(b"config.json"))
    data[at + offset : at + offset + len(value)] = value
    return bytes(data)


def many(parts: dict[str, bytes]) -> bytes:
    return hostile.zipped(parts | {str(i): b"" for i in range(1100)})


def packed(name: str, size: int) -> Callable[[dict[str, bytes]], bytes]:
    """One member is so many spaces, which deflate packs a thousandfold."""
    return lambda parts: hostile.zipped(parts | {name: b" " * size}, zipfile.ZIP_DEFLATED)


def wrong_sum(parts: dict[str, bytes]) -> bytes:
    data = hostile.zipped(parts)
    return data.replace(b'"class_name"', b'"class_nbme"', 1)


LINK = (stat.S_IFLNK | 0o777) << 16
ZIPS: dict[str, tuple[Callable[[dict[str, bytes]], bytes], str]] = {
    "upwards": (added("../../evil"), r"plain relative names, got '\.\./\.\./evil'"),
    "inside": (added("a/../b"), r"plain relative names, got 'a/\.\./b'"),
    "absolute": (added("/etc/x"), "plain relative names, got '/etc/x'"),
    "backslash": (added("a\\b"), r"plain relative names, got 'a\\\\b'"),
    "drive": (added("C:x"), "plain relative names, got 'C:x'"),
    "control": (added("a\x1b[2J"), r"plain relative names, got 'a\\x1b"),
    "link": (added("link", external_attr=LINK), "plain files in the archive, got a link or dev"),
    "doubled": (doubled, "each member once, got 'config.json' twice"),
    "encrypted": (lambda p: patched(p, 8, b"\1\0"), "that are not encrypted, got 'config.json'"),
    "packing": (lambda p: patched(p, 10, b"\x0c\0"), "stored or deflated, got method 12 for 'con"),
    "unknown packing": (lambda p: patched(p, 10, b"\x63\0"), "stored or deflated, got method 99"),
    "sum": (wrong_sum, "a whole .keras archive, got config.json: Bad CRC-32"),
    "declared too small": (
        lambda p: patched(p, 24, struct.pack("<I", 20)),
        "a whole .keras archive, got config.json: Bad CRC-32",
    ),
    "declared too large": (
        lambda p: patched(p, 24, struct.pack("<I", 1 << 21)),
        "a whole .keras archive, got config.json",
    ),
    "declared huge": (
        lambda p: patched(p, 24, struct.pack("<I", 0xFFFFFFFE)),
        "config.json of at most 4194304 bytes, got 4294967294",
    ),
    "list of members": (
        lambda p: hostile.zipped(p).replace(b"PK\1\2", b"PK\1\3", 1),
        "a whole .keras archive, got Bad magic number for central directory",
    ),
    "offset": (lambda p: patched(p, 42, b"\xff\xff\xff\x7f"), "a whole .keras archive, got"),
    "members": (many, "at most 1024 members, got 1103 in"),
    "list": (
        lambda p: hostile.zipped(p | {"a" * 60_000 + str(i): b"" for i in range(20)}),
        "at most 1024 members, got 23 in 12",
    ),
    "packed config": (packed("config.json", 1 << 23), "at most 4194304 bytes, got 8388608"),
    "packed weights": (packed("model.weights.h5", 1 << 25), "at most 1677.* bytes, got 33554432"),
    "a zip inside": (
        lambda p: hostile.zipped(p | {"model.weights.h5": hostile.zipped(p)}),
        r"a whole HDF5 file, got a file that begins with b'PK\\x03\\x04",
    ),
    "a zip as config": (
        lambda p: hostile.zipped(p | {"config.json": hostile.zipped(p)}),
        "config.json: expected JSON, got",
    ),
    "without weights": (
        lambda p: hostile.zipped({"config.json": p["config.json"]}),
        "expected model.weights.h5 in the archive, got 'config.json'",
    ),
    "empty": (lambda p: b"", "a whole .keras archive, got an empty file"),
    "no zip": (lambda p: b"\x89HDF" * 100, "a whole .keras archive, got File is not a zip file"),
    "zip64": (
        lambda p: hostile.zipped(p)[:-22] + b"PK\6\7" + bytes(16) + hostile.zipped(p)[-22:],
        "an archive below 4 GB, got one in the zip64 form",
    ),
}


@pytest.mark.parametrize("case", ZIPS)
def test_zip_files_are_measured_before_they_are_read(
    tmp_path: Path, good: bytes, case: str
) -> None:
    change, message = ZIPS[case]
    data = change(hostile.members(good))
    assert_refused(tmp_path, data, message)
    assert_weights_refused(tmp_path, data)


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path, good: bytes) -> None:
    small = hostile.zipped(hostile.members(good), zipfile.ZIP_DEFLATED)
    path = tmp_path / "m.keras"
    for length in range(0, len(small), 3):
        path.write_bytes(small[:length])
        assert hostile.outcome(load_model, path) != "read"


def test_a_file_that_was_packed_anew_is_read(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(hostile.zipped(hostile.members(good), zipfile.ZIP_DEFLATED))
    assert load_model(path).name == "small"
