"""Pictures of digits, from any program, as the networks want them."""

import struct
import zlib

import numpy as np
import pytest

from scratchnet.datasets import digits
from scratchnet.utils.images import as_text, load_digit

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def seven():
    """A digit of 28x28 as the networks know it."""
    (_, _), (x, y) = digits.load_data()
    return x[y == 7][0]


@pytest.fixture
def save(tmp_path):
    def write(picture, name="picture.png", **options):
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def scene(digit, size=300, shape=(400, 600), corner=(30, 100)):
    """The digit, enlarged, somewhere in a larger black picture."""
    picture = Image.new("L", shape[::-1], 0)
    large = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    picture.paste(large, corner[::-1])
    return np.asarray(picture)


def assert_like(a, b):
    """The same digit but for resampling: correlated, and its centre of mass within a pixel."""
    assert np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1] > 0.9
    np.testing.assert_allclose(centre(a), centre(b), atol=0.75)


def centre(image):
    mass = image.astype(float)
    return [
        mass.sum(axis=1) @ np.arange(28) / mass.sum(),
        mass.sum(axis=0) @ np.arange(28) / mass.sum(),
    ]


@pytest.fixture(scope="module")
def reference(seven, tmp_path_factory):
    """The seven after MNIST's own preparation."""
    path = tmp_path_factory.mktemp("reference") / "seven.png"
    Image.fromarray(scene(seven)).save(path)
    return load_digit(path)


def test_a_picture_of_28x28_is_taken_as_it_is(save, seven):
    image = load_digit(save(seven))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, seven)


def test_a_bright_background_is_inverted(save, seven):
    np.testing.assert_array_equal(load_digit(save(255 - seven)), seven)


def test_the_result_is_prepared_as_mnist_was(reference, seven):
    assert reference.shape == (28, 28)
    assert reference.dtype == np.uint8
    assert reference.max() == 255
    rows, columns = np.flatnonzero(reference.any(axis=1)), np.flatnonzero(reference.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    np.testing.assert_allclose(centre(reference), 14, atol=0.55)
    moved = np.roll(seven, [round(14 - c) for c in centre(seven)], axis=(0, 1))
    assert_like(reference, moved)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.webp", "a.pgm", "a.tiff"])
def test_every_common_format_is_read(save, seven, reference, name):
    assert_like(load_digit(save(255 - scene(seven), name)), reference)


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "CMYK", "RGBA", "LA"])
def test_every_kind_of_colour_is_read(save, seven, reference, mode):
    picture = Image.fromarray(255 - scene(seven)).convert(mode)
    assert_like(load_digit(save(picture, "a.tiff" if mode == "CMYK" else "a.png")), reference)


def test_sixteen_bits_are_scaled_not_clipped(save, seven):
    picture = seven.astype(np.uint16) * 257
    np.testing.assert_array_equal(load_digit(save(picture)), seven)


@pytest.mark.parametrize("ink", [0, 255], ids=["dark", "bright"])
def test_transparent_paper_contrasts_with_the_ink(save, seven, ink):
    picture = np.full((28, 28, 4), ink, dtype=np.uint8)
    picture[..., 3] = seven
    np.testing.assert_array_equal(load_digit(save(picture)), seven)
    hidden = picture.copy()  # the colour of what cannot be seen does not matter
    hidden[seven == 0, :3] = 255 - ink
    np.testing.assert_array_equal(load_digit(save(hidden)), seven)


def test_a_transparent_colour_of_a_palette_is_paper(save, seven):
    sharp = np.where(scene(seven) > 90, 0, 255).astype(np.uint8)
    picture = Image.fromarray(sharp).convert("P")
    picture.putpalette(bytes(3 * 256))  # ink and paper both black
    assert picture.getpixel((0, 0)) == 255
    np.testing.assert_array_equal(
        load_digit(save(picture, transparency=255)), load_digit(save(sharp, "opaque.png"))
    )


def test_a_photograph_with_grey_uneven_paper_is_read(save, seven, reference):
    picture = (255 - scene(seven)) * 0.6 + 60
    picture = picture + np.linspace(-25, 25, picture.shape[1])
    picture += np.random.default_rng(0).normal(0, 4, picture.shape)
    assert_like(load_digit(save(picture.clip(0, 255).astype(np.uint8))), reference)


def test_the_place_and_size_of_the_digit_do_not_matter(save, seven, reference):
    assert_like(load_digit(save(scene(seven, size=150, corner=(220, 400)))), reference)


def test_a_picture_that_says_it_lies_on_its_side_is_turned(save, seven, reference):
    turned = Image.fromarray(scene(seven)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    assert_like(load_digit(save(turned, "a.jpg", exif=exif)), reference)


@pytest.mark.parametrize("shape", [(1000, 1000), (3, 900), (900, 3), (1, 2)])
def test_lines_of_any_proportion_survive(save, shape):
    picture = np.zeros(shape, dtype=np.uint8)
    picture[shape[0] // 2, shape[1] // 2 :] = 255
    image = load_digit(save(picture))
    assert image.max() == 255
    assert image.shape == (28, 28)


def test_the_centre_of_mass_comes_to_pixel_fourteen(save):
    picture = np.zeros((300, 400), dtype=np.uint8)
    picture[50:250, 320:350] = 255
    image = load_digit(save(picture))  # 20 x 3 now
    assert list(np.flatnonzero(image.any(axis=0))) == [13, 14, 15]
    assert list(np.flatnonzero(image.any(axis=1))) == list(range(4, 24))


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"nothing\.png': expected a picture, got no such file"
    ):
        load_digit(tmp_path / "nothing.png")
    with pytest.raises(
        FileNotFoundError, match="expected a picture, got something that is not a pla"
    ):
        load_digit(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"a\.png': expected a picture of .*, got an empty file"):
        load_digit(tmp_path / "a.png")


def test_a_file_of_many_bytes_is_refused_unread(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate((50 << 20) + 1)
    with pytest.raises(
        ValueError, match="expected a picture of at most 52428800 bytes, got 52428801"
    ):
        load_digit(tmp_path / "a.png")


# a program, not a picture
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\n"


@pytest.mark.parametrize("data", [EPS, b"<html>", b"\0\0\x08\3"])
def test_a_foreign_file_is_refused(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(
        ValueError, match=r"expected one of PNG, JPEG, .*, got something else\. Save it"
    ):
        load_digit(tmp_path / "a.png")


def png_of_size(width, height):
    """The head of a PNG that claims this size, with hardly any data."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("size", "got"), [((8001, 8000), "8001 x 8000"), ((60_000, 60_000), "Image size")]
)
def test_a_decompression_bomb_is_refused(tmp_path, size, got):
    (tmp_path / "a.png").write_bytes(png_of_size(*size))
    with pytest.raises(
        ValueError, match=f"at most 16000000 pixels in a file of .* bytes, got {got}.* Make it smal"
    ):
        load_digit(tmp_path / "a.png")


def test_a_picture_cut_short_is_refused(save, seven):
    path = save(scene(seven))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match=r"expected a whole picture, got .*damaged; save it anew"):
        load_digit(path)


def test_floating_point_pixels_are_refused(save, seven):
    path = save(seven.astype(np.float32), "a.tiff")
    with pytest.raises(ValueError, match="expected a whole picture, got floating-point pixels"):
        load_digit(path)


@pytest.mark.parametrize("grey", [0, 90, 255])
def test_an_even_picture_shows_nothing(save, grey):
    picture = np.full((50, 40), grey, dtype=np.uint8)
    picture[20:30, 15:20] += 9 if grey < 128 else 0
    with pytest.raises(
        ValueError, match=r"stands out from the background, got a contrast of \d of 255"
    ):
        load_digit(save(picture))
    clear = np.zeros((30, 30, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match="got a contrast of 0 of 255"):
        load_digit(save(clear))


# as_text


def test_half_blocks_show_two_rows_in_one_line():
    image = np.array([[0, 255, 0, 255], [0, 0, 255, 255], [255, 0, 0, 0]], dtype=np.uint8)
    assert as_text(image, blocks=True) == " ▀▄█\n▀"


def test_ascii_shows_ten_shades():
    image = np.repeat(np.linspace(0, 255, 10).astype(np.uint8)[None], 2, axis=0)
    assert as_text(image, blocks=False) == " .:-=+*#%@"


def test_a_digit_takes_fourteen_lines(seven):
    for blocks in (True, False):
        text = as_text(seven, blocks)
        assert len(text.split("\n")) == 14
        assert max(map(len, text.split("\n"))) <= 28


@pytest.mark.parametrize(("encoding", "blocks"), [("utf-8", True), ("ascii", False), (None, False)])
def test_ascii_is_used_where_the_terminal_cannot_do_blocks(monkeypatch, seven, encoding, blocks):
    terminal = type("Terminal", (), {"encoding": encoding})()
    monkeypatch.setattr("sys.stdout", terminal)
    assert as_text(seven) == as_text(seven, blocks)


@pytest.mark.parametrize("image", [np.zeros((28, 28)), np.zeros((1, 28, 28), np.uint8)])
def test_what_is_not_an_image_is_refused(image):
    with pytest.raises(ValueError, match=r"as_text: expected an image \(H, W\) of uint8, got "):
        as_text(image)
