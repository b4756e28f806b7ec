"""Tensors of checkpoints that are known by name, shape and place, and read only where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from distributed_trf.errors import FeatureError, shown
from distributed_trf.features.weights.pickled import read_pickled
from distributed_trf.features.weights.unpickle import INERT
from distributed_trf.features.weights.weight_files import Found, State, Stored, error_text, shards_of

INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WHOLE = ("model.safetensors", "pytorch_model.bin")
HOLDERS = ("state_dict", "model")
"""Keys under which files hold the dict of tensors, where none is named."""

Content = TypeVar("Content")


def tensor_names(source: Path) -> list[str]:
    """Return the names of the tensors in a file or folder; of a folder with an index no other file is opened.

    Raises
    ------
    FeatureError
        As ``stored_tensors`` does.
    """
    index = _index(source)
    return list(stored_tensors(source)) if index is None else list(shards_of(index))


def stored_tensors(
    source: Path, *, key: str = "", ignore: Sequence[str] = (), names: Collection[str] | None = None
) -> dict[str, Stored]:
    """Return the tensors of a checkpoint by name, of which only names, shapes and kinds of numbers are read.

    Parameters
    ----------
    source
        A file of safetensors or of ``torch.save``, or a folder as ``save_pretrained`` writes it.
    key
        Where in a file of ``torch.save`` the dict of tensors is, as dotted keys of nested dicts; empty for the file
        itself, or its ``state_dict`` or ``model``.
    ignore
        Patterns of the names of tensors that are left out, such as ``ema.*``.
    names
        Those that are wanted; files of a folder's index that hold none of them are not opened, and need not be there.

    Raises
    ------
    FeatureError
        If there is no such file, it holds no tensors by name, or none that a pattern is for.
    """
    found: dict[str, Stored] = {}
    for file in _files(source, names):
        tensors = _in_file(file, key)
        found |= {name: tensor for name, tensor in tensors.items() if names is None or name in names}
    for pattern in ignore:
        matching = [name for name in found if fnmatchcase(name, pattern)]
        if not matching:
            raise FeatureError(
                f"{source}: no tensor's name fits the pattern {shown(pattern)}, which `ignore` leaves out; its names "
                f"are {some([*found])}; correct or remove the pattern in the network's table"
            )
        found = {name: tensor for name, tensor in found.items() if name not in set(matching)}
    return found


def read_tensors(state: Found) -> State:
    """Read stored tensors onto the CPU, each file once; those that are in memory stay as they are.

    Raises
    ------
    FeatureError
        If a file is damaged.
    """
    tensors: dict[str, Any] = {name: tensor for name, tensor in state.items() if not isinstance(tensor, Stored)}
    by_file: dict[Path, dict[str, Stored]] = {}
    for name, tensor in state.items():
        if isinstance(tensor, Stored):
            by_file.setdefault(tensor.file, {})[name] = tensor
    for file, wanted in by_file.items():
        tensors |= _readable(file, lambda file=file, wanted=wanted: _numbers(file, wanted))  # type: ignore[misc]  # bound early
    return {name: tensors[name] for name in state}


def some(names: Sequence[str]) -> str:
    """List the first of some names, and say how many more there are."""
    return ", ".join(shown(name, 200, quoted=False) for name in names[:8]) + (
        f" and {len(names) - 8} more" if len(names) > 8 else ""
    )


def _numbers(file: Path, wanted: Mapping[str, Stored]) -> dict[str, Any]:
    if file.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(tensor.path[0]) for name, tensor in wanted.items()}
    content = read_pickled(file)
    tensors = {}
    for name, tensor in wanted.items():
        inner = content
        for step in tensor.path:
            inner = inner[step]
        tensors[name] = inner
    return tensors


def _in_file(file: Path, key: str) -> dict[str, Stored]:
    """Return the tensors of one file."""
    import torch

    if not file.is_file():
        raise FeatureError(f"{file}: there is no such file or folder; give the trained weights as `source`")
    if file.suffix == ".safetensors":
        if key:
            raise FeatureError(
                f"{file}: `key` is {key!r} in the network's table, but a file of safetensors holds tensors alone; "
                "leave it out"
            )
        return _readable(file, lambda: _in_safetensors(file))
    content, path = _readable(file, lambda: read_pickled(file, numbers=False)), tuple(key.split(".") if key else ())
    for step in path:
        if not isinstance(content, dict) or step not in content:
            keys = [*content] if isinstance(content, dict) else []
            raise FeatureError(
                f"{file}: holds nothing at {key!r}, where the network's table says its tensors are (`key`); there is "
                f"no {step!r} among {some(keys) or 'no keys'}"
            )
        content = content[step]
    for step in () if key else HOLDERS:
        if isinstance(content, dict) and isinstance(content.get(step), dict):
            content, path = content[step], (step,)
            break
    if not isinstance(content, dict):
        kind = "pickled object" if content is INERT else type(content).__name__
        raise FeatureError(
            f"{file}: holds one {kind}, expected tensors by name; save what state_dict() of the network returns"
        )
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        nested = [name for name, value in content.items() if isinstance(value, dict)]
        hint = f"; if they are deeper, name the way as `key`, such as {shown(nested[0])}" if nested else ""
        raise FeatureError(f"{file}: holds no tensors by name; its keys are {some([*content]) or 'none'}{hint}")
    return {
        name: Stored(tuple(value.shape), value.is_floating_point(), file, (*path, name))
        for name, value in tensors.items()
    }


def _in_safetensors(file: Path) -> dict[str, Stored]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        found = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - it has no other way
        return {
            name: Stored(tuple(piece.get_shape()), piece.get_dtype().startswith(("F", "BF")), file, (name,))
            for name, piece in found.items()
        }


def _readable(file: Path, read: Callable[[], Content]) -> Content:
    try:
        return read()
    except Exception as error:  # a damaged file may make its reader raise anything
        raise FeatureError(f"{file}: cannot be read as a checkpoint: {error_text(error)}; fetch it again") from error


def _index(source: Path) -> Path | None:
    return next((source / name for name in INDICES if (source / name).is_file()), None) if source.is_dir() else None


def _files(source: Path, names: Collection[str] | None) -> list[Path]:
    """Return the files of a checkpoint that hold the wanted tensors."""
    if not source.is_dir():
        return [source]
    index = _index(source)
    if index is not None:
        return sorted({file for name, file in shards_of(index).items() if names is None or name in names})
    for name in WHOLE:
        if (source / name).is_file():
            return [source / name]
    raise FeatureError(
        f"{source}: holds neither {' nor '.join(WHOLE)}; give the folder of the trained weights as `source` in the "
        "study"
    )
