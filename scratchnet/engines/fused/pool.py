"""The pool: threads that wait for work, and the one that has it.

A region is a function that may run in any number of threads at once (its tasks are drawn from a
counter, see threads.py). Whoever has one writes it on the board, does tasks itself until none is
left, takes the region off the board and waits for helpers that are still inside. A helper that
comes late finds the board empty and goes back: nobody waits for a thread that has not begun. That
makes the pool useful on a busy machine too, where a thread may be kept away for milliseconds;
OpenMP's threads, by contrast, must all have been there before a region ends.

A helper that has nothing to do looks at the board for a fifth of a millisecond, then sleeps: long
enough for the Python between two regions, short enough that an idle program takes no core.

    board    what everybody sees: one number in a cache line of its own for each of the names below
"""

import ctypes
import os
import sys
import threading
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["PARALLEL", "launch"]

PARALLEL = "scratchnet_parallel"  # the name under which compiled code finds `_parallel`

TAKEN, GENERATION, BODY, DATA, SEATS, OPEN, INSIDE, SLEEPERS, SLOTS = range(9)
LINE = 8  # numbers in a cache line
LOOKS = (
    12000  # at the board before a helper sleeps: about 240 microseconds, Python's part of a step
)

_board = np.zeros((SLOTS + 1) * LINE, np.int64)
_lock, _bell = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
for _name, _address in (
    ("scratchnet_board", _board.ctypes.data),
    ("scratchnet_lock", ctypes.addressof(_lock)),
    ("scratchnet_bell", ctypes.addressof(_bell)),
):
    llvm.add_symbol(_name, _address)
_c = ctypes.CDLL(None)
_c.pthread_mutex_init(_lock, None)
_c.pthread_cond_init(_bell, None)

_on_handle = types.int32(types.intp)
_pthread_mutex_lock = types.ExternalFunction("pthread_mutex_lock", _on_handle)
_pthread_mutex_unlock = types.ExternalFunction("pthread_mutex_unlock", _on_handle)
_pthread_cond_broadcast = types.ExternalFunction("pthread_cond_broadcast", _on_handle)
_pthread_cond_wait = types.ExternalFunction(
    "pthread_cond_wait", types.int32(types.intp, types.intp)
)


def _outside(b: ir.IRBuilder, name: str) -> Any:
    """What lies at this name, outside compiled code."""
    known = b.module.globals.get(name)
    if known is None:
        known = ir.GlobalVariable(b.module, ir.IntType(64), name)
        known.linkage = "external"
    return known


def _slot(b: ir.IRBuilder, slot: Any) -> Any:
    return b.gep(_outside(b, "scratchnet_board"), [b.mul(slot, ir.Constant(slot.type, LINE))])


@intrinsic
def _get(typingctx: Any, slot: Any) -> Any:
    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return b.load_atomic(_slot(b, arguments[0]), "seq_cst", 8)

    return types.intp(types.intp), emit


@intrinsic
def _set(typingctx: Any, slot: Any, value: Any) -> Any:
    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        b.store_atomic(arguments[1], _slot(b, arguments[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), emit


@intrinsic
def _add(typingctx: Any, slot: Any, value: Any) -> Any:
    """Add to the number; returns what it was before."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return b.atomic_rmw("add", _slot(b, arguments[0]), arguments[1], "seq_cst")

    return types.intp(types.intp, types.intp), emit


@intrinsic
def _exchange(typingctx: Any, slot: Any, value: Any) -> Any:
    """Put another number there; returns what it was before."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return b.atomic_rmw("xchg", _slot(b, arguments[0]), arguments[1], "seq_cst")

    return types.intp(types.intp, types.intp), emit


@intrinsic
def _handle(typingctx: Any, bell: Any) -> Any:
    """The address of the bell, or of the lock."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        lock, bell = (
            b.ptrtoint(_outside(b, name), ir.IntType(64))
            for name in ("scratchnet_lock", "scratchnet_bell")
        )
        return b.select(b.trunc(arguments[0], ir.IntType(1)), bell, lock)

    return types.intp(types.boolean), emit


@intrinsic
def _call(typingctx: Any, function: Any, data: Any) -> Any:
    """Call the function at this address with this address."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte]).as_pointer()
        b.call(b.inttoptr(arguments[0], kind), [b.inttoptr(arguments[1], byte)])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), emit


@intrinsic
def _breathe(typingctx: Any) -> Any:
    """Tell the processor that this loop waits."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        if "x86" in llvm.get_default_triple():
            kind = ir.FunctionType(ir.VoidType(), [])
            b.call(cgutils.get_or_insert_function(b.module, kind, "llvm.x86.sse2.pause"), [])
        elif "aarch64" in llvm.get_default_triple():
            number = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [number])
            hint = cgutils.get_or_insert_function(b.module, kind, "llvm.aarch64.hint")
            b.call(hint, [ir.Constant(number, 1)])
        return context.get_dummy_value()

    return types.void(), emit


@numba.cfunc("void(intp, intp, int32)", cache=True)
def _parallel(body, data, threads):
    """Run body(data) here and in up to threads - 1 helpers; return when nobody is inside."""
    if _exchange(TAKEN, 1) == 1:  # somebody else's region is on the board: nobody can help
        _call(body, data)
        return
    _set(BODY, body)
    _set(DATA, data)
    _set(SEATS, threads - 1)
    _set(OPEN, 1)
    _add(GENERATION, 1)
    if _get(SLEEPERS) > 0:
        _pthread_mutex_lock(_handle(False))
        _pthread_cond_broadcast(_handle(True))
        _pthread_mutex_unlock(_handle(False))
    _call(body, data)
    _set(OPEN, 0)
    while _get(INSIDE) > 0:
        _breathe()
    _set(TAKEN, 0)


@numba.njit("void()", cache=True, nogil=True)
def _help():
    """A helper's life."""
    seen = _get(GENERATION)
    looks = 0
    while True:
        if _get(GENERATION) == seen:
            looks += 1
            if looks < LOOKS:
                _breathe()
                continue
            _pthread_mutex_lock(_handle(False))
            _add(SLEEPERS, 1)
            while _get(GENERATION) == seen:
                _pthread_cond_wait(_handle(True), _handle(False))
            _add(SLEEPERS, -1)
            _pthread_mutex_unlock(_handle(False))
        seen = _get(GENERATION)
        looks = 0
        _add(INSIDE, 1)
        if _get(OPEN) == 1 and _add(SEATS, -1) > 0:
            _call(_get(BODY), _get(DATA))
        _add(INSIDE, -1)


llvm.add_symbol(PARALLEL, _parallel.address)

_helpers: list[threading.Thread] = []
_launching = threading.Lock()
_most = sys.maxsize  # helpers that there can be, as far as is known


def launch(threads: int) -> None:
    """See to it that there are threads - 1 helpers."""
    global _most
    if len(_helpers) >= min(threads - 1, _most):
        return
    with _launching:
        while len(_helpers) < threads - 1:
            name = f"scratchnet-{len(_helpers) + 1}"
            helper = threading.Thread(target=_help, name=name, daemon=True)
            try:
                helper.start()
            except RuntimeError:  # no more threads for this process: a region needs no helper
                _most = len(_helpers)
                return
            _helpers.append(helper)


def _after_fork() -> None:
    """A forked process has this thread alone: the helpers are gone, and the board is clean."""
    global _launching, _most
    _launching = threading.Lock()  # another thread may have held it
    _helpers.clear()
    _most = sys.maxsize
    _board[:] = 0
    _c.pthread_mutex_init(_lock, None)
    _c.pthread_cond_init(_bell, None)


os.register_at_fork(after_in_child=_after_fork)
