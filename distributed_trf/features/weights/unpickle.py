"""Reading the content of a pickle without executing it.

A pickle is a programme for a stack: it names functions, calls them, and fills and changes what they return. Python's
own reader does all of that, and with a few bytes a file can make it fill memory, or recurse until it crashes. Here the
standard library decodes the operations, which are carried out only on lists, tuples, and dicts with text keys: each
takes one or two microseconds and some hundred bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pickle import UnpicklingError
from pickletools import genops
from typing import IO, Any


class _Inert:
    """Replaces every foreign class and function, and whatever they would make."""

    def __repr__(self) -> str:
        return "a pickled object"


INERT = _Inert()
MOST = 500_000
"""Largest number of operations: a tensor takes some thirty, so published files have less than a third of that."""
MEMO = 2**32
"""Number of memo entries: as many as the binary format can number."""
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_FOREIGN = frozenset(("EMPTY_SET", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"))
_NOTHING = frozenset(("PROTO", "FRAME", "READONLY_BUFFER"))
_OF_MARK = frozenset(
    ("POP_MARK", "LIST", "TUPLE", "DICT", "APPENDS", "SETITEMS", "ADDITEMS", "FROZENSET", "INST", "OBJ")
)


def unpickle(stream: IO[bytes], names: Mapping[tuple[str, str], Any], reference: Callable[[Any], Any]) -> Any:
    """Read one pickle, of any protocol, to its end.

    Parameters
    ----------
    stream
        Positioned at the pickle; nothing beyond its end is read.
    names
        Meaning of (module, name): a function, which is called with the pickle's arguments, or a value. Every other name
        is inert, as is whatever it would make.
    reference
        Returns the object of a persistent reference.

    Returns
    -------
    object
        Numbers, texts, bytes, lists, tuples, results of functions and references, and dicts, of which only entries with
        text keys are kept; sets and everything else are ``INERT``.

    Raises
    ------
    Exception
        Of many kinds, if the stream holds no pickle or ends within it.
    """
    stack: list[Any] = []
    below: list[list[Any]] = []
    """The stack below each mark."""
    memo: dict[int, Any] = {}
    arg: Any
    for n, (operation, arg, _) in enumerate(genops(stream)):
        if n > MOST:
            raise UnpicklingError(f"its pickle has more than {MOST} operations")
        name = operation.name
        if name in _OF_MARK:
            above, stack = stack, below.pop()
            _do_with_marked(name, above, stack, arg, names)
            continue
        match name:
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                if arg >= MEMO:
                    raise UnpicklingError("it uses a memo number beyond the largest one")
                memo[arg] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[arg])
            case "MARK":
                below.append(stack)
                stack = []
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack[-int(name[-1]) :] = [tuple(_top(stack, int(name[-1])))]
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "GLOBAL":
                stack.append(names.get(tuple(arg.split(" ", 1)), INERT))
            case "STACK_GLOBAL":
                stack[-2:] = [_named(names, *_top(stack, 2))]
            case "REDUCE" | "NEWOBJ":
                stack[-2:] = [_called(*_top(stack, 2))]
            case "NEWOBJ_EX":
                stack[-3:] = [_called(*_top(stack, 3)[:2])]
            case "BUILD":  # sets the state of an object; no object here has one
                stack.pop()
            case "BINPERSID":
                stack.append(reference(stack.pop()))
            case "PERSID":
                stack.append(reference(arg))
            case "SETITEM":
                _set(stack[-3], _top(stack, 2))
                del stack[-2:]
            case "APPEND":
                _append(stack[-2], stack[-1:])
                stack.pop()
            case "POP":
                if stack:
                    stack.pop()
                else:
                    stack = below.pop()
            case "DUP":
                stack.append(stack[-1])
            case "STOP":
                return stack.pop()
            case _ if name in _VALUES:
                stack.append(_VALUES[name])
            case _ if name in _FOREIGN:
                stack.append(INERT)
            case _ if name not in _NOTHING:  # numbers, texts and bytes
                stack.append(arg)
    raise UnpicklingError("it ends before its pickle does")


def _do_with_marked(name: str, above: list[Any], stack: list[Any], arg: Any, names: Mapping[Any, Any]) -> None:
    """Carry out an operation on all values above a mark."""
    match name:
        case "SETITEMS":
            _set(stack[-1], above)
        case "APPENDS":
            _append(stack[-1], above)
        case "TUPLE":
            stack.append(tuple(above))
        case "LIST":
            stack.append(above)
        case "DICT":
            stack.append({})
            _set(stack[-1], above)
        case "FROZENSET":
            stack.append(INERT)
        case "INST":
            stack.append(_called(names.get(tuple(arg.split(" ", 1)), INERT), tuple(above)))
        case "OBJ":
            stack.append(_called(above[0], tuple(above[1:])))


def _top(stack: list[Any], n: int) -> list[Any]:
    if len(stack) < n:
        raise UnpicklingError("it takes from an empty stack")
    return stack[-n:]


def _named(names: Mapping[tuple[str, str], Any], module: Any, name: Any) -> Any:
    return names.get((module, name), INERT) if type(module) is type(name) is str else INERT


def _called(function: Any, arguments: Any) -> Any:
    if not callable(function):
        return INERT
    if type(arguments) is not tuple:
        raise UnpicklingError(f"it calls a function with a {type(arguments).__name__}, expected a tuple")
    return function(*arguments)


def _set(target: Any, items: list[Any]) -> None:
    if type(target) is dict:
        # Other keys name no tensor, and some take for ever to look up.
        target.update((key, value) for key, value in zip(items[::2], items[1::2], strict=True) if type(key) is str)
    elif target is not INERT:
        raise UnpicklingError(f"it sets items of a {type(target).__name__}")


def _append(target: Any, values: list[Any]) -> None:
    if type(target) is list:
        target.extend(values)
    elif target is not INERT:
        raise UnpicklingError(f"it appends to a {type(target).__name__}")
