"""What every optimizer shares: its state, and the order of an update.

An update is Keras's: clip the gradients, decay the weights, then step. A subclass names its slots
(`_slot_groups`) and calls its formula (`_update`); the formulas are operations of the engine.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import config
from scratchnet.engines import ops
from scratchnet.errors import expected
from scratchnet.optimizers import schedules
from scratchnet.optimizers.clipping import clip_gradients
from scratchnet.optimizers.rate import Rate, current_rate, rate_config, store_rate
from scratchnet.optimizers.validation import (
    check_gradients,
    check_number,
    check_options,
    check_variables,
    not_negative,
)
from scratchnet.registry import Configurable
from scratchnet.utils import memory
from scratchnet.utils.naming import auto_name
from scratchnet.utils.options import LARGEST
from scratchnet.utils.rounding import through_float32

__all__ = ["Optimizer"]

Array = NDArray[np.floating]


def address(variable: Array) -> tuple[int, tuple[int, ...]]:
    """What makes two arrays the same variable: their place in memory, not the Python object."""
    return variable.__array_interface__["data"][0], variable.shape


class Optimizer(Configurable):
    """Base of all optimizers.

    iterations      updates made so far
    learning_rate   the rate of the next update, a float
    slots           name -> one flat array for all variables, in their order and of their dtype
    variables       iterations, the rate (if it is a float), each variable's slots in Keras's order
    errors          ValueError or TypeError before anything has changed

    `apply(grads, variables)` updates arrays in place, one by one; `apply_flat(gradients,
    parameters)` updates a model's whole buffer with one call of the engine, to the same bits.
    """

    def __init__(
        self,
        learning_rate: Rate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(expected(type(self).__name__, "name as a str or None", repr(name)))
        self.name = auto_name(type(self).__name__) if name is None else name
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.weight_decay = weight_decay
        if kwargs.pop("decay", None) is not None:
            warnings.warn(
                "Argument `decay` is no longer supported and will be ignored.", stacklevel=3
            )
        if kwargs:
            hint = "Argument(s) not recognized; the rate is `learning_rate`, not `lr`."
            raise ValueError(self._expected("only Keras 3's arguments", f"{kwargs}", hint))
        check_options(self)
        self._learning_rate = store_rate(self._owner, learning_rate)
        self._iterations = np.zeros((), dtype=np.int64)
        self._excluded: list[Array] = []
        self._excluded_names: re.Pattern[str] | None = None
        self.slots: dict[str, Array] = {}
        self.built = False

    # what a subclass writes

    def _slot_groups(self) -> list[tuple[str, ...]]:
        """The names of the slots; those of a group stand side by side, variable by variable."""
        return []

    def _initial_slot_value(self) -> float:
        return 0.0

    def _update(
        self, parameters: Array, gradients: Array, slots: dict[str, Array], learning_rate: float
    ) -> None:
        """The formula, on 1-D arrays, in place."""
        raise NotImplementedError(
            self._expected("a method _update", "none", "Write it in the subclass.")
        )

    # state

    @property
    def iterations(self) -> int:
        """The number of updates made so far."""
        return int(self._iterations)

    @property
    def learning_rate(self) -> float:
        """The rate of the next update. A number can be set where it was made with a number."""
        return current_rate(self._owner, self._learning_rate, self.iterations)

    @learning_rate.setter
    def learning_rate(self, learning_rate: Rate) -> None:
        if callable(learning_rate):
            self._learning_rate = learning_rate
            return
        if not isinstance(self._learning_rate, np.ndarray):
            raise TypeError(
                self._expected(
                    "a schedule or a function in place of the one it was made with",
                    repr(learning_rate),
                    "This optimizer was created with a `LearningRateSchedule` or a function: its "
                    "learning rate is not settable: give the constructor a float instead.",
                )
            )
        self._check("learning_rate", learning_rate, "a finite number", lambda x: abs(x) <= LARGEST)
        self._learning_rate[...] = learning_rate

    def build(self, variables: Sequence[Array], names: Sequence[str] | None = None) -> None:
        """Allocate the slots for these arrays. A second call does nothing, as in Keras.

        names: of the variables, for `exclude_from_weight_decay(var_names=...)`.
        """
        if self.built:
            return
        variables = list(variables)
        check_variables(self._owner, variables)
        if names is not None and len(names) != len(variables):
            raise ValueError(self._expected(f"{len(variables)} names", f"{len(names)}"))
        if names is None and self._excluded_names is not None:
            self._names_are_missing()
        ends = np.cumsum([0] + [v.size for v in variables]).tolist()
        self._spans = [slice(a, b) for a, b in pairwise(ends)]
        self._size = ends[-1]
        self._dtype = variables[0].dtype if variables else np.dtype(config.floatx())
        # Keras's Constant initializer casts the Python float
        initial = through_float32(self._initial_slot_value())
        slots = [slot for group in self._slot_groups() for slot in group]
        self.slots = {slot: memory.aligned(self._size, self._dtype) for slot in slots}
        for slot in self.slots.values():
            slot[:] = initial
        self._clipped: Array | None = None  # where apply_flat puts clipped gradients
        self._trainable_variables, self._names = variables, names
        self.built = True

    @property
    def variables(self) -> list[NDArray[Any]]:
        """The state in Keras's order and shapes, as views: writing to them sets it."""
        state: list[NDArray[Any]] = [self._iterations]
        if isinstance(self._learning_rate, np.ndarray):
            state.append(self._learning_rate)
        if self.built:
            for group in self._slot_groups():
                for variable, span in zip(self._trainable_variables, self._spans, strict=True):
                    state += [self.slots[slot][span].reshape(variable.shape) for slot in group]
        return state

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the whole state, given in the order of `variables`."""
        if not self.built:
            hint = "You are calling `set_weights()` too early: call build(variables) first."
            raise ValueError(self._expected("a built optimizer", "one without slots", hint))
        state, arrays = self.variables, [np.asarray(weight) for weight in weights]
        wanted, got = [v.shape for v in state], [a.shape for a in arrays]
        if wanted != got:
            raise ValueError(self._expected(f"weights of shapes {wanted}", f"{got}"))
        for variable, array in zip(state, arrays, strict=True):
            variable[...] = array

    # updates

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Array]]) -> int:
        """`apply` for pairs (gradient, variable); returns `iterations`."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[Array] | None = None
    ) -> None:
        """Update the variables in place, one by one; the first call builds.

        A gradient may be None (its variable stays, with a warning); floats of another dtype are
        cast. Gradients are never written to. An empty list does nothing.
        """
        grads = list(grads)
        if not grads:
            return
        if trainable_variables is not None:
            variables = list(trainable_variables)
        elif self.built:
            variables = self._trainable_variables
        else:
            hint = "Call build(variables) first."
            raise ValueError(self._expected("variables, or a built optimizer", "neither", hint))
        checked = check_gradients(self._owner, grads, variables)
        learning_rate = self.learning_rate
        if not self.built:
            self.build(variables)
        indices = self._indices(variables)
        indices = [i for i, g in zip(indices, checked, strict=True) if g is not None]
        parameters = [self._trainable_variables[i].reshape(-1) for i in indices]
        gradients = self._clip_gradients([g for g in checked if g is not None])
        for i, w in zip(indices, parameters, strict=True):
            if self._decays(i):
                self._decay(w, learning_rate)
        for i, w, g in zip(indices, parameters, gradients, strict=True):
            slots = {name: slot[self._spans[i]] for name, slot in self.slots.items()}
            self._update(w, g, slots, learning_rate)
        self._iterations.fill(self.iterations + 1)  # a tenth of what += takes

    def apply_flat(self, gradients: Array, parameters: Array) -> None:
        """Update all parameters of a model at once, in place.

        shapes   gradients, parameters (n,): what `build` saw, end to end, and of its dtype
        errors   RuntimeError before `build`; ValueError where shape or dtype do not fit
        """
        if not self.built:
            raise RuntimeError(self._expected("build(variables) before apply_flat", "no build"))
        what = (self._size,), self._dtype
        for argument, array in (("gradients", gradients), ("parameters", parameters)):
            if (array.shape, array.dtype) != what:
                wanted = f"{argument} of shape ({self._size},) and dtype {self._dtype}"
                raise ValueError(self._expected(wanted, f"{array.shape} and {array.dtype}"))
        learning_rate = self.learning_rate
        if self.clipnorm or self.global_clipnorm or self.clipvalue:
            if self._clipped is None:
                self._clipped = np.empty(self._size, self._dtype)
            self._clip_gradients(
                [gradients[span] for span in self._spans],
                [self._clipped[span] for span in self._spans],
            )
            gradients = self._clipped
        decayed: list[slice] = []
        if self.weight_decay is not None:
            decayed = [span for i, span in enumerate(self._spans) if self._decays(i)]
        if decayed and len(decayed) == len(self._spans):
            decayed = [slice(None)]
        for span in decayed:
            self._decay(parameters[span], learning_rate)
        self._update(parameters, gradients, self.slots, learning_rate)
        self._iterations.fill(self.iterations + 1)  # a tenth of what += takes

    def _indices(self, variables: list[Array]) -> list[int]:
        """Where these variables stand in the list that `build` saw."""
        known = {address(v): i for i, v in enumerate(self._trainable_variables)}
        for v in variables:
            if address(v) not in known:
                got, hint = f"an unknown one of shape {v.shape}", "Make a new optimizer for it."
                raise ValueError(self._expected("variables it was built with", got, hint))
        return [known[address(v)] for v in variables]

    def _clip_gradients(
        self, grads: list[Array], clipped: list[Array] | None = None
    ) -> list[Array]:
        """The clipped gradients, one for each variable, written to `clipped` where given."""
        return clip_gradients(grads, self.clipnorm, self.global_clipnorm, self.clipvalue, clipped)

    # weight decay

    def exclude_from_weight_decay(
        self, var_list: Sequence[Array] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leave out these arrays, and those in whose name one of these patterns occurs."""
        if var_names and self.built and self._names is None:
            self._names_are_missing()
        self._excluded = list(var_list or ())
        self._excluded_names = re.compile("|".join(var_names)) if var_names else None

    def _names_are_missing(self) -> None:
        hint = "Call build(variables, names=[...])."
        raise ValueError(self._expected("names to match var_names with", "none", hint))

    def _decays(self, index: int) -> bool:
        if self.weight_decay is None:
            return False
        here = address(self._trainable_variables[index])
        if any(address(variable) == here for variable in self._excluded):
            return False
        if self._excluded_names is None or self._names is None:
            return True
        return self._excluded_names.search(self._names[index]) is None

    def _decay(self, parameters: Array, learning_rate: float) -> None:
        assert self.weight_decay is not None
        ops.weight_decay_update(parameters, learning_rate, through_float32(self.weight_decay))

    # errors and config

    @property
    def _owner(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    def _expected(self, wanted: str, got: str, hint: str = "") -> str:
        return expected(self._owner, wanted, got, hint)

    def _check(
        self,
        argument: str,
        value: Any,
        wanted: str = "a finite number of 0 or more",
        holds: Callable[[float], bool] = not_negative,
    ) -> None:
        check_number(self._owner, argument, value, wanted, holds)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras writes them."""
        return {
            "name": self.name,
            "learning_rate": rate_config(self._owner, self._learning_rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Optimizer":
        """The optimizer that `get_config` described, without its state."""
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config = config | {"learning_rate": schedules.deserialize(rate)}
        return cls(**config)
