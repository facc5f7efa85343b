"""Where the windows of a convolution or pooling lie: output sizes, padding around an image."""

import numpy as np

from scratchnet.errors import expected
from scratchnet.layers.base import Array, Shape

__all__ = [
    "crop",
    "image_output_shape",
    "output_size",
    "pad",
    "padding_amounts",
    "standardize_padding",
]

Sides = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)


def standardize_padding(owner: str, padding: str) -> str:
    """ "valid" or "same", in lower case."""
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise ValueError(expected(owner, "padding 'valid' or 'same'", repr(padding)))
    return padding.lower()


def output_size(size: int, window: int, stride: int, padding: str) -> int:
    """How many windows fit along one axis.

    "valid": (size - window) // stride + 1     "same": ceil(size / stride)
    """
    return -(-size // stride) if padding == "same" else (size - window) // stride + 1


def image_output_shape(
    owner: str,
    input_shape: Shape,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    channels: int | None,
) -> Shape:
    """(N, P, Q, channels) for images (N, H, W, C); raises where a window exceeds the image."""
    sizes: list[int | None] = []
    for n, k, s in zip(input_shape[1:3], window, strides, strict=True):
        if n is not None and (n == 0 or (padding == "valid" and k > n)):
            raise ValueError(
                expected(
                    owner,
                    f"images of at least {window[0]}x{window[1]} pixels",
                    f"{input_shape[1]}x{input_shape[2]}",
                    "Use padding='same', a smaller window or fewer poolings before it.",
                )
            )
        sizes.append(None if n is None else output_size(n, k, s, padding))
    return (input_shape[0], *sizes, channels)


def padding_amounts(
    size: tuple[int, int], window: tuple[int, int], strides: tuple[int, int], padding: str
) -> Sides:
    """How many rows and columns to add: as few as needed, the odd one at the bottom or right.

    source    TensorFlow's rule for "SAME" (tf.nn, "Notes on padding"); other frameworks differ
    """
    sides = []
    for n, k, s in zip(size, window, strides, strict=True):
        total = max((output_size(n, k, s, padding) - 1) * s + k - n, 0) if padding == "same" else 0
        sides.append((total // 2, total - total // 2))
    return sides[0], sides[1]


def pad(x: Array, sides: Sides, value: float = 0.0) -> Array:
    """x (N, H, W, C) with rows and columns of `value` around each image; x itself for none."""
    (top, bottom), (left, right) = sides
    if not top + bottom + left + right:
        return x
    N, H, W, C = x.shape
    padded = np.full((N, top + H + bottom, left + W + right, C), value, x.dtype)
    padded[:, top : top + H, left : left + W] = x
    return padded


def crop(x: Array, sides: Sides) -> Array:
    """What `pad` added, taken off again."""
    (top, bottom), (left, right) = sides
    if not top + bottom + left + right:
        return x
    _, H, W, _ = x.shape
    return np.ascontiguousarray(x[:, top : H - bottom, left : W - right])
