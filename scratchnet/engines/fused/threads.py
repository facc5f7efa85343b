"""Threads: how work is cut, and who does it.

Work is cut by the data alone: a task is a fixed piece, say sixteen images, whatever the number of
threads. The threads draw numbers from one counter, so that a thread which the machine holds up
simply does fewer tasks. No two tasks write to the same place; what has to be added over tasks is
added afterwards, in their order. So the same bits come out with one thread, two or five.

    @tasks
    def double_tasks(counter, x):
        i = draw(counter)
        while i < x.size:
            x[i] *= 2
            i = draw(counter)

    @compiled
    def double(x, workers):
        share(workers, double_tasks, (np.zeros(1, np.intp), x))

Numba's own `prange` is not used for this: it compiles three times as long, and its regions end only
when every thread has been there (pool.py). Work that would be done before a helper wakes is done by
one thread.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import cgutils, compiler, types
from numba.extending import intrinsic

from scratchnet.engines.fused.pool import PARALLEL, launch
from scratchnet.engines.fused.tile import pointer
from scratchnet.engines.threads import get_num_threads
from scratchnet.errors import expected

__all__ = ["compiled", "draw", "inner", "share", "tasks", "workers_for"]

# Work that takes about as long as waking a thread, in multiply-adds.
ALONE = 500_000
FLUSH = 0x8040  # of the modes: results below the smallest normal number are 0, and operands too


FAILED = expected(
    "Engine 'fused'", "memory for every task", "none: a task ended early", "Try smaller batches."
)

# without the interpreter's lock; without the functions that C code, and Python, would call
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
UNSEEN: dict[str, Any] = {"no_cpython_wrapper": True}


def digest_of(folders: Iterable[Path]) -> str:
    """One number for all that stands in the Python files of these folders."""
    files = [file for folder in folders for file in sorted(folder.glob("*.py"))]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


HERE = Path(__file__).parent
SOURCES = digest_of([HERE, HERE.with_name("loops")])


def compiled(function: Any) -> Any:
    """A kernel: its machine code is kept on disk.

    Numba compiles anew when the file of the kernel has changed. A kernel is made of much that
    stands in other files, so here it is compiled anew when any of these has changed.
    """
    kernel = numba.njit(cache=True, **OPTIONS)(function)
    kept = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    if kept is not None:  # Numba's private names, which a test stands for
        kept._source_stamp = (kept._source_stamp, SOURCES)
        # and a process that reads while another one writes never takes old code for new
        kept._data_name_pattern = f"{SOURCES[:8]}.{kept._data_name_pattern}"
    return kernel


def tasks(function: Any) -> Any:
    """What the threads of a region run, from compiled code alone: nothing else is made for it."""
    return numba.njit(**OPTIONS, **UNSEEN)(function)


def inner(function: Any) -> Any:
    """A part of kernels, put in place of each call: on its own it would be compiled once more."""
    return numba.njit(inline="always", **OPTIONS)(function)


def workers_for(multiply_adds: int) -> int:
    """How many threads to set to work of this size: one, or all."""
    if multiply_adds < ALONE:
        return 1
    threads = get_num_threads()
    launch(threads)
    return threads


@intrinsic
def draw(typingctx: Any, counter: Any) -> Any:
    """The number in counter[0], which goes up by one, in one step that no thread can cut in two."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        data = pointer(context, b, signature, arguments, 0)
        return b.atomic_rmw("add", data, ir.Constant(data.type.pointee, 1), "monotonic")

    return types.intp(counter), emit


def _compile_beside(context: Any, tasks: Any, arguments: tuple[Any, ...]) -> Any:
    """Put the function `tasks` for these types into the library that is being made.

    A library of its own, as Numba makes for a function that calls another one, would be optimized
    and turned to machine code twice: there, and again where it is called.
    """
    flags: Any = compiler.Flags()
    tasks.targetdescr.options.parse_as_flags(flags, tasks.targetoptions)
    flags.no_compile = True
    library = context.active_code_library
    result = compiler.compile_extra(
        context.typing_context, context, tasks.py_func, arguments, None, flags, {}, library
    )
    function = library.get_function(result.fndesc.mangled_name)
    function.linkage = "linkonce_odr"  # a second kernel may bring the same tasks
    return result.fndesc


def flush(b: ir.IRBuilder) -> Any:
    """From here on this thread takes numbers below the smallest normal one (1.2e-38 in float32)
    for 0, as TensorFlow's threads do. Returns what the processor did with them before.

    The slots of an optimizer fill with them: a momentum that nothing feeds any more, because its
    pixel is black, is multiplied by 0.9 in each step and never gets to 0, only to the smallest
    number there is. An Intel processor calculates so slowly with these that Adam's step took three
    times as long after an epoch of MNIST.
    """
    if "x86" not in llvm.get_default_triple():  # the others are as fast with these numbers
        return None
    modes = b.alloca(ir.IntType(32), 2)
    changed = b.gep(modes, [ir.Constant(ir.IntType(32), 1)])
    _modes(b, "st", modes)
    b.store(b.or_(b.load(modes), ir.Constant(ir.IntType(32), FLUSH)), changed)
    _modes(b, "ld", changed)
    return modes


def restore(b: ir.IRBuilder, modes: Any) -> None:
    """Undo `flush`."""
    if modes is not None:
        _modes(b, "ld", modes)


def _modes(b: ir.IRBuilder, way: str, place: Any) -> None:
    """Store the modes of this thread's floating-point unit at this place, or load them."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte])
    function = cgutils.get_or_insert_function(b.module, kind, f"llvm.x86.sse.{way}mxcsr")
    b.call(function, [b.bitcast(place, byte)])


@intrinsic
def share(typingctx: Any, workers: Any, tasks: Any, arguments: Any) -> Any:
    """Run tasks(*arguments) in so many threads at once, and come back when all have returned.

    Raises MemoryError where a task has ended early: what they allocate is all that they can miss.
    """

    def emit(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        inner = types.void(*signature.args[2])
        descriptor = _compile_beside(context, signature.args[1].dispatcher, inner.args)

        # what a thread is given: the address of one function, and of the arguments with a flag
        flag = ir.IntType(64)
        packed = cgutils.alloca_once(b, ir.LiteralStructType([values[2].type, flag]))
        b.store(values[2], cgutils.gep_inbounds(b, packed, 0, 0))
        failed = cgutils.gep_inbounds(b, packed, 0, 1)
        b.store(ir.Constant(flag, 0), failed)
        byte = ir.IntType(8).as_pointer()
        body_type = ir.FunctionType(ir.VoidType(), [byte])
        body = ir.Function(b.module, body_type, b.module.get_unique_name(PARALLEL + "_body"))
        body.linkage = "internal"
        inside = ir.IRBuilder(body.append_basic_block())
        here = inside.bitcast(body.args[0], packed.type)
        given = inside.load(cgutils.gep_inbounds(inside, here, 0, 0))
        each = [inside.extract_value(given, i) for i in range(len(inner.args))]
        modes = flush(inside)
        status, _ = context.call_internal_no_propagate(inside, descriptor, inner, each)
        restore(inside, modes)
        with inside.if_then(status.is_error, likely=False):
            told = cgutils.gep_inbounds(inside, here, 0, 1)
            inside.store_atomic(ir.Constant(flag, 1), told, "monotonic", 8)
        inside.ret_void()

        data = b.bitcast(packed, byte)
        alone = b.icmp_signed("<=", values[0], ir.Constant(values[0].type, 1))
        with b.if_else(alone) as (then, otherwise):
            with then:
                b.call(body, [data])
            with otherwise:
                place, count = ir.IntType(64), ir.IntType(32)
                parallel = b.module.globals.get(PARALLEL)
                if parallel is None:
                    kind = ir.FunctionType(ir.VoidType(), [place, place, count])
                    parallel = ir.Function(b.module, kind, PARALLEL)
                where = b.ptrtoint(body, place), b.ptrtoint(data, place)
                b.call(parallel, [*where, b.trunc(values[0], count)])
        with b.if_then(b.icmp_unsigned("!=", b.load(failed), ir.Constant(flag, 0)), likely=False):
            context.call_conv.return_user_exc(b, MemoryError, (FAILED,))
        return context.get_dummy_value()

    return types.void(types.intp, tasks, arguments), emit
