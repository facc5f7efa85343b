"""A picture of a digit, made into what the networks were trained on; and a digit drawn as text."""

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import expected

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["as_text", "load_digit"]

SIDE, BOX = 28, 20
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")  # EPS and others run programs
MAX_BYTES = 50 << 20
MAX_PIXELS = 64_000_000  # a telephone's 50-megapixel picture passes
FEW_PIXELS = 16_000_000  # for a file of few bytes: more than PACKED pixels a byte are no photograph
PACKED = 16
BAND = 256  # rows
MIN_CONTRAST = 32  # of 255, between background and strongest ink
INK = 64  # of 255, after stretching: below this is paper

BLOCKS = " ▀▄█"  # nothing, upper half, lower half, both
SHADES = " .:-=+*#%@"


def load_digit(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """(28, 28) uint8, a bright digit on black, from a picture in any common format and size.

    1. Transparent parts become white paper under dark ink and black paper under bright ink, told
       by the mean of what is opaque.
    2. Where the background is bright (the outermost pixels' median is above 127), it is inverted.
    3. A picture of 28x28 is returned so. Any other is prepared as MNIST was: what is fainter than
       a quarter of the strongest ink is paper, the bounding box of the ink is fitted into 20x20,
       and its centre of mass put on pixel (14, 14).

    Raises FileNotFoundError, or ValueError where the file is not a picture, is too large, or shows
    nothing.
    """
    path = Path(path)
    owner = f"Picture '{path}'"
    grey = _read_grey(path, owner)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = float(np.median(border))
    if background > 127:
        grey, background = 255 - grey, 255 - background
    contrast = float(grey.max()) - background
    if contrast < MIN_CONTRAST:
        raise ValueError(
            expected(
                owner,
                "a digit that stands out from the background",
                f"a contrast of {max(contrast, 0):.0f} of 255",
                "Write it with a darker pen, or cut the picture closer.",
            )
        )
    if grey.shape == (SIDE, SIDE):
        return grey
    table = np.clip((np.arange(256) - background) * (255 / contrast), 0, 255)
    table[table < INK] = 0
    return _centred(_fitted(table.astype(np.float32)[grey]))


def _read_grey(path: Path, owner: str) -> NDArray[np.uint8]:
    """The picture as (H, W) uint8, upright, on white or black paper where it is transparent."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        got = "something that is not a plain file" if path.exists() else "no such file"
        raise FileNotFoundError(expected(owner, "a picture", got, "Check the path."))
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        got = f"{size} bytes" if size else "an empty file"
        raise ValueError(
            expected(owner, f"a picture of at most {MAX_BYTES} bytes", got, "Save it anew.")
        )
    most = min(MAX_PIXELS, max(FEW_PIXELS, PACKED * size))
    pixels = f"at most {most} pixels in a file of {size} bytes"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own of size: the limit here is stricter
            with Image.open(path, formats=FORMATS) as image:
                shape = (image.width, image.height)
                if image.width * image.height <= most:
                    image.load()
                    return _to_grey(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        known = f"one of {', '.join(FORMATS)}"
        raise ValueError(expected(owner, known, "something else", "Save it as PNG.")) from error
    except Image.DecompressionBombError as error:
        raise ValueError(expected(owner, pixels, f"{error}", "Make it smaller.")) from error
    # decoders raise whatever they stumble over: OSError, SyntaxError, ValueError, struct.error ...
    except Exception as error:
        hint = "The file is damaged; save it anew."
        raise ValueError(expected(owner, "a whole picture", f"{error}", hint)) from error
    got = "{} x {}".format(*shape)
    raise ValueError(expected(owner, pixels, got, "Make it smaller."))


def _to_grey(image: "Image.Image") -> NDArray[np.uint8]:
    if image.mode == "F":
        raise ValueError("floating-point pixels, which have no agreed white")
    if image.mode.startswith("I"):  # 16 bits: convert("L") would clip, not scale
        return (np.clip(np.asarray(image, dtype=np.int32), 0, 65535) // 257).astype(np.uint8)
    if not image.has_transparency_data:
        return np.array(image.convert("L"))
    total = ink = 0
    for grey, alpha in _bands(image):
        total += int(alpha.sum())
        ink += int((grey * alpha).sum())
    paper = 255 if total > 0 and ink < 127.5 * total else 0
    bands = _bands(image)
    return np.concatenate(
        [((g * a + paper * (255 - a) + 127) // 255).astype(np.uint8) for g, a in bands]
    )


def _bands(image: "Image.Image") -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Grey and alpha of some rows at a time: of all at once they would take 20 bytes a pixel."""
    for top in range(0, image.height, BAND):
        rows = image.crop((0, top, image.width, min(top + BAND, image.height)))
        both = np.asarray(rows.convert("RGBA").convert("LA"), dtype=np.int64)
        yield both[..., 0], both[..., 1]


def _fitted(ink: NDArray[np.float32]) -> NDArray[np.float64]:
    """The ink's bounding box, its longer side scaled to 20 pixels, its strongest pixel to 255."""
    from PIL import Image

    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(box.shape)
    height, width = (max(1, round(side * scale)) for side in box.shape)
    picture = Image.fromarray(np.ascontiguousarray(box))
    # bilinear in Pillow averages over all pixels that fall together, so thin lines survive
    small = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float64)
    return small * (255 / small.max())


def _centred(small: NDArray[np.float64]) -> NDArray[np.uint8]:
    """In a black 28x28 frame, the centre of mass as near (14, 14) as whole pixels allow.

    Measured on MNIST's 60,000 training digits: 14.0 on either axis, never more than 0.52 away.
    """
    frame = np.zeros((SIDE, SIDE), dtype=np.uint8)
    corner = []
    for axis in (0, 1):
        mass = small.sum(axis=1 - axis)
        centre = float(mass @ np.arange(len(mass))) / float(mass.sum())
        corner.append(min(max(round(SIDE / 2 - centre), 0), SIDE - len(mass)))
    top, left = corner
    frame[top : top + small.shape[0], left : left + small.shape[1]] = np.rint(small)
    return frame


def as_text(image: NDArray[np.uint8], blocks: bool | None = None) -> str:
    """The digit drawn with characters, two rows of pixels in a line of text: 14 lines for 28x28.

    blocks=True draws with half blocks, False with ten shades of ASCII; None asks what standard
    output can show.
    """
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            expected("as_text", "an image (H, W) of uint8", f"{image.dtype} of shape {image.shape}")
        )
    if blocks is None:
        blocks = _can_write(BLOCKS)
    even = np.pad(image, ((0, image.shape[0] % 2), (0, 0)))
    upper, lower = even[0::2].astype(np.int64), even[1::2].astype(np.int64)
    if blocks:
        picture = np.array(list(BLOCKS))[(upper > 127) + 2 * (lower > 127)]
    else:
        picture = np.array(list(SHADES))[((upper + lower) * (len(SHADES) - 1) + 255) // 510]
    return "\n".join("".join(row).rstrip() for row in picture)


def _can_write(characters: str) -> bool:
    try:
        characters.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
