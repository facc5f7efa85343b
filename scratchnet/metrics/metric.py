"""What every metric is: sums that grow batch by batch, a result computed from them, and a reset.

The sums are float64 whatever the metric's dtype, and the result is rounded to that dtype once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import config, initializers
from scratchnet.errors import expected
from scratchnet.registry import Configurable
from scratchnet.utils.naming import auto_name

__all__ = ["Metric"]


class Metric(Configurable):
    """A quantity measured over many batches. Subclasses write `update_state` and `result`.

    State is made by `self.total = self.add_variable(...)`, changed in place: `self.total += x`.
    A subclass that sets `_direction` to "up" or "down" tells the callbacks which way is better; one
    whose sums are of whole numbers, the same however the batches are cut, may set `counts`.
    """

    counts = False

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(expected(type(self).__name__, "name as a str or None", repr(name)))
        self.name = name or auto_name(type(self).__name__)
        self._dtype = config.standardize_dtype(dtype)
        self._variables: list[NDArray[Any]] = []

    @property
    def dtype(self) -> str:
        """The float type of the result."""
        return self._dtype

    @property
    def variables(self) -> list[NDArray[Any]]:
        """The sums, as the very arrays that grow."""
        return list(self._variables)

    def add_variable(
        self,
        shape: Sequence[int] = (),
        initializer: Any = "zeros",
        dtype: Any = "float64",
        name: str | None = None,
    ) -> NDArray[Any]:
        """A new array of zeros that `reset_state` will empty; `name` is accepted and not kept."""
        if not isinstance(initializers.get(initializer), initializers.Zeros):
            raise ValueError(
                expected(
                    self._owner(),
                    'initializer "zeros"',
                    repr(initializer),
                    "reset_state sets every sum to zero, so they must start there.",
                )
            )
        variable = np.zeros(shape, dtype)
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = "zeros",
        dtype: Any = "float64",
        name: str | None = None,
    ) -> NDArray[Any]:
        """The older name of `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name)

    def reset_state(self) -> None:
        """Start again: every sum becomes zero."""
        for variable in self._variables:
            variable[...] = 0

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add one batch to the sums."""
        raise NotImplementedError(
            expected(self._owner(), "a method update_state", "a class without one", "Write it.")
        )

    def result(self) -> Any:
        """The value for everything seen since the last reset."""
        raise NotImplementedError(
            expected(self._owner(), "a method result", "a class without one", "Write it.")
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`update_state`, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that every metric has."""
        return {"name": self.name, "dtype": self.dtype}

    def _owner(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def _rounded(self, value: Any) -> Any:
        """A float64 value in the metric's dtype; what is too large for float32 becomes infinity."""
        with np.errstate(over="ignore"):
            return np.asarray(value, dtype=self._dtype)[()]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
