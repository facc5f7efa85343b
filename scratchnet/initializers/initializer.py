"""What every initializer is: something that is called with a shape and gives an array."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from scratchnet import registry
from scratchnet.errors import expected

__all__ = ["Initializer"]

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = Sequence[int]


class Initializer(registry.Configurable):
    """Base of all initializers: `__call__(shape, dtype=None)` gives an array."""

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        """A new array of this shape; dtype None means `config.floatx()`."""
        raise NotImplementedError(
            expected(type(self).__name__, "a __call__(shape, dtype=None)", "none", "Define it.")
        )

    def clone(self) -> "Initializer":
        """One more with the same config; if the seed was drawn, the clone draws its own."""
        return type(self).from_config(self.get_config())  # type: ignore[no-any-return]
