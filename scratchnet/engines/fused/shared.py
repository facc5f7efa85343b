"""Functions of engines/loops that nothing here makes faster, with their loop shared out.

Numba's `prange` would bring threads of its own: a second pool beside ours, which does not live on
in a forked process. Each of these functions ends in one loop whose iterations are independent
of each other, so it is written anew as tasks, and as a kernel that shares them out (threads.py).
"""

import ast
import inspect
from collections.abc import Callable
from functools import cache
from textwrap import indent
from typing import Any

import numpy as np

from scratchnet.engines import loops
from scratchnet.engines.fused.threads import compiled, draw, share, tasks, workers_for
from scratchnet.errors import expected

__all__ = ["share_out"]

PIECES = 64  # of a loop
WORK = 16  # multiply-adds that one number of the largest array is worth

REWRITTEN = """
def {name}_tasks(_counter, {names}):
{before}
    _size = {size}
    _task = draw(_counter)
    while _task < PIECES:
        _first, _last = _task * _size // PIECES, (_task + 1) * _size // PIECES
        {pieces} = {cuts}
        for {i} in range(_last - _first):
{body}
        _task = draw(_counter)

def {name}({names}, _workers):
    share(_workers, {name}_tasks, (np.zeros(8, np.intp), {names}))
"""


class _Pieces(ast.NodeTransformer):
    """`z[i]`, `z[i, k]` become `_z[i]`, `_z[i, k]`: a compiler knows of a loop from 0 on that it
    never goes below 0, and makes vectors of it."""

    def __init__(self, i: str) -> None:
        self.i, self.arrays = i, set[str]()

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        first, *others = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if ast.unparse(first) != self.i:
            self.generic_visit(node)
            return node
        assert isinstance(node.value, ast.Name)
        self.arrays.add(node.value.id)
        node.value.id = f"_{node.value.id}"
        for other in others:
            self.visit(other)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id == self.i:
            wanted = f"{self.i} as the first index of an array alone"
            raise ValueError(expected("share_out", wanted, "another use of it", "Write a kernel."))
        return node


def _rewritten(function: Any) -> str:
    """The source of a function of engines/loops, and of the kernel, as above."""
    (definition,) = ast.parse(inspect.getsource(function)).body
    assert isinstance(definition, ast.FunctionDef)
    *before, loop = definition.body
    if not isinstance(loop, ast.For) or not ast.unparse(loop.iter).startswith("prange("):
        raise ValueError(expected("share_out", "the loop at the end", ast.unparse(loop)))
    assert isinstance(loop.iter, ast.Call)
    i = ast.unparse(loop.target)
    pieces = _Pieces(i)
    body = [ast.unparse(pieces.visit(statement)) for statement in loop.body]
    arrays = sorted(pieces.arrays)
    return REWRITTEN.format(
        name=definition.name,
        names=", ".join(argument.arg for argument in definition.args.args),
        before=indent("\n".join(map(ast.unparse, before)), 4 * " "),
        size=ast.unparse(loop.iter.args[0]),
        i=i,
        pieces="".join(f"_{array}, " for array in arrays),
        cuts="".join(f"{array}[_first:_last], " for array in arrays),
        body=indent("\n".join(body), 12 * " "),
    )


@cache
def kernel_of(name: str) -> Any:
    """The kernel made of a function of engines/loops."""
    function = getattr(loops, name)
    # in the name of the file that it comes from: the machine code is kept beside it
    code = compile(_rewritten(function), inspect.getsourcefile(function) or "", "exec")
    namespace = {**function.__globals__, "draw": draw, "share": share, "PIECES": PIECES}
    exec(code, namespace)
    namespace[f"{name}_tasks"] = tasks(namespace[f"{name}_tasks"])
    return compiled(namespace[name])


@cache
def share_out(name: str) -> Callable[..., None]:
    """A function of engines/loops on our threads: the same arguments, the same numbers."""

    def shared(*arguments: Any) -> None:
        size = max(a.size for a in arguments if isinstance(a, np.ndarray))
        kernel_of(name)(*arguments, workers_for(WORK * size))

    shared.__name__, shared.__doc__ = name, getattr(loops, name).__doc__
    return shared
