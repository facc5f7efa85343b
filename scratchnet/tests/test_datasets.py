"""The data sets: where they are found, what they hold, and what is refused."""

import hashlib
import http.server
import os
import pickle
import threading
import zipfile

import numpy as np
import pytest

from scratchnet import datasets
from scratchnet.datasets import digits, folder, make_digits, mnist
from scratchnet.datasets.idx import read_idx, write_idx

NAMES = list(folder.IDX_NAMES.values())
REAL = os.environ.get("SCRATCHNET_DATA")  # before any test changes it


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "y_train": np.array([5, 0, 4, 1, 9], dtype=np.uint8),
        "x_test": rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        "y_test": np.array([7, 2, 1], dtype=np.uint8),
    }


@pytest.fixture
def four(tmp_path, arrays):
    place = tmp_path / "four"
    place.mkdir()
    for key, name in folder.IDX_NAMES.items():
        write_idx(place / name, arrays[key])
    return place


@pytest.fixture
def archive(tmp_path, arrays):
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, **arrays)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No SCRATCHNET_DATA, an empty cache, MNIST of five and three digits, and a dead address."""
    monkeypatch.delenv("SCRATCHNET_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mnist, "COUNTS", (5, 3))
    monkeypatch.setattr(mnist, "TIMEOUT", 5.0)
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:9/mnist.npz")  # nobody listens on port 9
    return tmp_path / "keras" / "datasets"


def assert_is(data, arrays):
    (x_train, y_train), (x_test, y_test) = data
    got = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for key, array in got.items():
        assert array.dtype == np.uint8
        assert array.flags.writeable
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, arrays[key])


# digits


def test_digits_have_the_form_of_mnist():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1437, 28, 28), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 28, 28), (360,))
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
    assert x_train.min() == 0
    assert x_train.max() == 255


def test_digits_leave_a_margin_of_four_black_pixels():
    (x_train, _), (x_test, _) = digits.load_data()
    for x in (x_train, x_test):
        frame = x.copy()
        frame[:, 4:24, 4:24] = 0
        assert not frame.any()
        assert x[:, 4, :].any()
        assert x[:, 23, :].any()


def test_digits_classes_are_equally_common_in_both_parts():
    (_, y_train), (_, y_test) = digits.load_data()
    assert set(np.bincount(y_test)) <= {35, 36, 37}
    assert np.bincount(y_train).min() >= 139
    assert np.bincount(y_train).max() <= 147


def test_digits_are_the_same_on_every_machine():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    total = hashlib.sha256()
    for array in (x_train, y_train, x_test, y_test):
        total.update(array.tobytes())
    assert total.hexdigest() == "7334bd348fc8ff998ddca3232045de1eaf368a5ea4c7c4407e9dc0d1016c0f3e"


def test_digits_parts_share_no_digit_and_lose_none():
    (x_train, _), (x_test, _) = digits.load_data()
    together = sorted(image.tobytes() for image in (*x_train, *x_test))
    assert together == sorted(image.tobytes() for image in digits._enlarge(read_idx(digits.IMAGES)))


def test_enlarging_is_bilinear_between_pixel_centres():
    weights = digits._weights()
    np.testing.assert_array_equal(weights.sum(axis=1), 10)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])  # left as right
    # pixel 3 of 20 has its centre at (4*3 - 3)/10 = 0.9 of 8
    np.testing.assert_array_equal(weights[3], [1, 9, 0, 0, 0, 0, 0, 0])
    flat = digits._enlarge(np.full((1, 8, 8), 16, dtype=np.uint8))
    np.testing.assert_array_equal(flat[0, 4:24, 4:24], 255)


def test_nearest_class_mean_reads_four_digits_in_five():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x.reshape(len(x), -1).astype(float) for x in (x_train, x_test))
    means = np.stack([x_train[y_train == k].mean(axis=0) for k in range(10)])
    nearest = ((x_test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == y_test).mean() > 0.85


def test_embedded_digits_are_those_of_scikit_learn(tmp_path, monkeypatch):
    source = pytest.importorskip("sklearn.datasets").load_digits()
    np.testing.assert_array_equal(read_idx(digits.IMAGES), source.images)
    np.testing.assert_array_equal(read_idx(digits.LABELS), source.target)
    monkeypatch.setattr(make_digits, "IMAGES", tmp_path / "images.gz")
    monkeypatch.setattr(make_digits, "LABELS", tmp_path / "labels.gz")
    make_digits.main()
    np.testing.assert_array_equal(read_idx(tmp_path / "images.gz"), read_idx(digits.IMAGES))
    np.testing.assert_array_equal(read_idx(tmp_path / "labels.gz"), read_idx(digits.LABELS))


# a folder


def test_a_folder_of_four_files_is_read(four, arrays):
    assert_is(datasets.load(four), arrays)
    assert_is(datasets.load(str(four)), arrays)


@pytest.mark.parametrize("dotted", [False, True])
def test_packed_files_and_both_spellings_are_found(tmp_path, arrays, dotted):
    for key, name in folder.IDX_NAMES.items():
        name = name.replace("-idx", ".idx") if dotted else name
        write_idx(tmp_path / f"{name}.gz", arrays[key])
    assert_is(datasets.load(tmp_path), arrays)


def test_an_archive_and_the_folder_it_lies_in_are_read(archive, arrays):
    assert_is(datasets.load(archive), arrays)
    assert_is(datasets.load(archive.parent), arrays)


def test_arrays_in_fortran_order_come_back_in_c_order(tmp_path, arrays):
    path = tmp_path / "mnist.npz"
    np.savez(path, **{key: np.asfortranarray(array) for key, array in arrays.items()})
    assert_is(datasets.load(path), arrays)


def test_the_names_digits_and_mnist_are_understood(four, home, arrays, monkeypatch):
    assert datasets.load("digits")[0][0].shape == (1437, 28, 28)
    monkeypatch.setenv("SCRATCHNET_DATA", str(four))
    assert_is(datasets.load("mnist"), arrays)


def test_an_unknown_place_is_refused():
    with pytest.raises(FileNotFoundError, match='expected "digits", "mnist" or a folder that exi'):
        datasets.load("mnits")
    with pytest.raises(
        FileNotFoundError, match=r"Data 'mnits': expected a folder or an \.npz file"
    ):
        folder.load("mnits")


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"'cifar10': expected .* Known: digits, mnist\."):
        datasets.cifar10  # noqa: B018


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"expected the four IDX files or mnist\.npz, got none"
    ):
        datasets.load(tmp_path)


def test_a_missing_file_is_named(four):
    (four / NAMES[3]).unlink()
    message = r"all four IDX files, got only 3\. Put t10k-labels-idx1-ubyte beside them"
    with pytest.raises(FileNotFoundError, match=message):
        datasets.load(four)


WRONG_ARRAYS = {
    "exchanged": (
        "x_test",
        np.zeros(3, np.uint8),
        r"got uint8 of shape \(3,\)\. Check that images",
    ),
    "size": ("x_test", np.zeros((3, 32, 32), np.uint8), r"\(N, 28, 28\).*, got .*\(3, 32, 32\)"),
    "dtype": ("y_test", np.zeros(3, np.int32), r"expected uint8 of shape \(N,\).*, got int32"),
    "none": (
        "x_test",
        np.zeros((0, 28, 28), np.uint8),
        r"N from 1 to 1000000, got .*\(0, 28, 28\)",
    ),
    "labels": ("y_test", np.array([1, 2, 26], np.uint8), r"labels 0 to 9, got 26\. These are not"),
    "count": (
        "y_train",
        np.zeros(4, np.uint8),
        r"5 labels, one for each image, got 4\. The two do",
    ),
}


@pytest.mark.parametrize("case", WRONG_ARRAYS)
@pytest.mark.parametrize("packed", [False, True], ids=["idx", "npz"])
def test_arrays_of_another_form_are_refused(four, archive, arrays, case, packed):
    key, array, message = WRONG_ARRAYS[case]
    if packed:
        np.savez(archive, **(arrays | {key: array}))
        place, owner = archive, f"Archive '{archive}', array {key}: "
    else:
        place = four
        write_idx(four / folder.IDX_NAMES[key], array)
        owner = f"IDX file '{four / folder.IDX_NAMES[key]}': "
    with pytest.raises(ValueError, match=message) as error:
        datasets.load(place)
    assert str(error.value).startswith(owner)


# an archive that is not what it says


def rewrite(path, key, data, compression=zipfile.ZIP_DEFLATED):
    """The same archive with other bytes for one array."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members[f"{key}.npy"] = data
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in members.items():
            new.writestr(name, content)


def npy(shape, descr="'|u1'"):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\1\0" + len(text.encode()).to_bytes(2, "little") + text.encode()


def test_no_pickle_is_ever_loaded(archive):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    rewrite(archive, "y_test", npy((1,), "'|O'") + pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"array y_test: expected uint8 .*, got object"):
        datasets.load(archive)


def test_an_archive_that_claims_much_is_refused_before_it_is_read(archive):
    rewrite(archive, "x_train", npy((900_000, 28, 28)))
    with pytest.raises(ValueError, match=r"array x_train: expected 705600\d+ bytes, got \d\d\."):
        datasets.load(archive)


def test_an_archive_that_unpacks_to_much_is_refused_before_it_is_read(archive, monkeypatch):
    rewrite(archive, "x_train", npy((5, 28, 28)) + bytes(20_000_000))
    monkeypatch.setattr(np.lib.format, "read_array", lambda *a, **k: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=r"array x_train: expected 39\d\d bytes, got 200000"):
        datasets.load(archive)


def test_other_arrays_are_named(tmp_path):
    np.savez(tmp_path / "mnist.npz", images=np.zeros(3))
    with pytest.raises(
        ValueError, match=r"expected the arrays x_train, .*, got images\.npy\. Write"
    ):
        datasets.load(tmp_path)


def test_a_header_that_is_not_numpys_is_refused(archive):
    rewrite(archive, "x_train", b"not an array")
    with pytest.raises(
        ValueError, match=r"array x_train: expected a plain \.npy header, got the mag"
    ):
        datasets.load(archive)
    rewrite(archive, "x_train", b"\x93NUMPY\3\0" + bytes(80))
    with pytest.raises(
        ValueError, match=r"array x_train: expected a plain \.npy header, got version"
    ):
        datasets.load(archive)


def test_a_compression_that_numpy_does_not_write_is_refused(archive, arrays):
    rewrite(archive, "x_train", npy((5, 28, 28)) + bytes(3920), zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match=r"expected members stored or deflated, got method 14"):
        datasets.load(archive)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign"])
def test_a_damaged_archive_is_refused(archive, damage):
    data = bytearray(archive.read_bytes())
    if damage == "cut":
        del data[-100:]
    elif damage == "flipped":
        data[2000] ^= 0xFF
    else:
        data = b"<!DOCTYPE html>"
    archive.write_bytes(data)
    with pytest.raises(
        ValueError, match=r"mnist\.npz': expected a whole \.npz archive, got .*damaged"
    ):
        datasets.load(archive)


# where MNIST is found


def test_mnist_is_found_in_the_folder_of_the_environment(home, four, arrays, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_DATA", str(four))
    assert mnist.locate() == four
    assert_is(mnist.load_data(), arrays)


def test_mnist_is_found_in_an_archive_of_the_environment(home, archive, arrays, monkeypatch):
    for value in (archive, archive.parent):
        monkeypatch.setenv("SCRATCHNET_DATA", str(value))
        assert mnist.locate() == archive
        assert_is(mnist.load_data(), arrays)


def test_mnist_is_found_in_the_cache_of_keras(home, archive, arrays, monkeypatch):
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    home.mkdir(parents=True)
    archive.rename(home / "mnist.npz")
    assert mnist.locate() == home / "mnist.npz"
    assert_is(mnist.load_data(), arrays)
    # a folder without MNIST is passed over
    monkeypatch.setenv("SCRATCHNET_DATA", str(home.parent))
    assert_is(mnist.load_data(), arrays)


def test_without_keras_home_the_cache_is_in_the_home_folder(home, monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert mnist._cache("mnist.npz") == tmp_path / ".keras" / "datasets" / "mnist.npz"
    assert mnist.locate() is None


def test_a_wrong_place_in_the_environment_is_an_error_not_passed_over(home, four, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_DATA", str(four / "nowhere"))
    with pytest.raises(
        FileNotFoundError, match=r"nowhere': expected a folder or an \.npz file, got no"
    ):
        mnist.load_data()
    assert mnist.locate() is None
    monkeypatch.setenv("SCRATCHNET_DATA", str(four))
    (four / NAMES[0]).unlink()
    with pytest.raises(FileNotFoundError, match="expected all four IDX files, got only 3"):
        mnist.load_data()
    assert mnist.locate() is None


def test_mnist_has_as_many_digits_as_keras_returns(home, four, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_DATA", str(four))
    monkeypatch.setattr(mnist, "COUNTS", (60_000, 10_000))
    with pytest.raises(
        ValueError, match=r"expected 60000 images, as MNIST has, got 5\. Another set"
    ):
        mnist.load_data()


@pytest.mark.parametrize("path", ["", "a/mnist.npz", "/tmp/mnist.npz", "..", None])
def test_the_argument_is_a_name_as_in_keras(home, path):
    with pytest.raises(
        ValueError, match="expected path to be the name of a file in the cache, got"
    ):
        mnist.load_data(path)


# the download


class Server(http.server.BaseHTTPRequestHandler):
    data = b""

    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        data = {"/good": self.data, "/wrong": self.data[::-1], "/cut": self.data[:-50]}[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(home, archive, monkeypatch):
    """serve("/good") makes MNIST's address the one of a server here that answers so."""
    handler = type("Handler", (Server,), {"data": archive.read_bytes()})
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(handler.data).hexdigest())
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield lambda path: monkeypatch.setattr(
        mnist, "URL", f"http://127.0.0.1:{server.server_port}{path}"
    )
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_is_checked_and_kept(serve, home, arrays, capsys):
    serve("/good")
    assert mnist.locate() is None
    assert_is(mnist.load_data(), arrays)
    assert "Downloading MNIST from http://127.0.0.1" in capsys.readouterr().err
    assert [p.name for p in home.iterdir()] == ["mnist.npz"]
    assert mnist.locate() == home / "mnist.npz"
    serve("/missing")
    assert_is(mnist.load_data(), arrays)  # from the cache
    assert capsys.readouterr().err == ""


def test_a_download_with_another_checksum_is_not_kept(serve, home):
    serve("/wrong")
    message = r"wrong': expected SHA-256 \w{64}, got \w{64} \(\d+ of \d+ bytes\)\. Nothing was kept"
    with pytest.raises(ValueError, match=message):
        mnist.load_data()
    assert list(home.iterdir()) == []


def test_a_download_that_breaks_off_is_not_kept(serve, home):
    serve("/cut")
    # which of the two depends on the version of Python's http.client
    with pytest.raises((ValueError, OSError), match=r"expected (SHA-256|MNIST in)"):
        mnist.load_data()
    assert list(home.iterdir()) == []


def test_a_download_is_not_read_without_end(serve, home, monkeypatch):
    serve("/good")
    monkeypatch.setattr(mnist, "MAX_DOWNLOAD", -1)
    monkeypatch.setattr(mnist, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"expected SHA-256 0000.* \(0 of \d+ bytes\)"):
        mnist.load_data()
    assert list(home.iterdir()) == []


ADVICE = "Set SCRATCHNET_DATA to a folder .* or use datasets.digits, which needs no file"


def test_an_answer_of_not_found_says_what_to_do(serve, home):
    serve("/missing")
    with pytest.raises(OSError, match=f"at http.*/missing, got HTTP Error 404: .*{ADVICE}"):
        mnist.load_data()
    assert list(home.iterdir()) == []


def test_no_network_names_all_places(home):
    message = (
        r"in SCRATCHNET_DATA \(not set\) or '.*mnist\.npz' \(no such file\), or at http://127.*"
    )
    with pytest.raises(OSError, match=f"{message}, got .*refused.*{ADVICE}"):
        mnist.load_data()


def test_a_damaged_file_in_the_cache_is_replaced_where_there_is_a_network(serve, home, arrays):
    home.mkdir(parents=True)
    (home / "mnist.npz").write_bytes(b"half a file")
    serve("/missing")
    with pytest.raises(OSError, match=r"mnist\.npz' \(SHA-256 \w{64} instead of \w{64}\), or at"):
        mnist.load_data()
    assert (home / "mnist.npz").read_bytes() == b"half a file"
    serve("/good")
    assert_is(mnist.load_data(), arrays)


def test_a_cache_that_cannot_be_written_is_named(serve, home):
    serve("/good")
    home.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match=f"got .*keras.*{ADVICE}"):
        mnist.load_data()


# the real files

PUBLISHED_MD5 = {  # of the unpacked IDX files, as first published
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.mark.skipif(not REAL, reason="needs SCRATCHNET_DATA, a folder with MNIST")
def test_real_mnist_is_the_published_one(tmp_path):
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    shapes = {key: array.shape for key, array in arrays.items()}
    assert shapes == {
        "x_train": (60000, 28, 28),
        "y_train": (60000,),
        "x_test": (10000, 28, 28),
        "y_test": (10000,),
    }
    for key, array in arrays.items():
        assert array.dtype == np.uint8
        write_idx(tmp_path / key, array)
        digest = hashlib.md5((tmp_path / key).read_bytes(), usedforsecurity=False).hexdigest()
        assert digest == PUBLISHED_MD5[key]
    assert list(y_train[:10]) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert list(y_test[:3]) == [7, 2, 1]
