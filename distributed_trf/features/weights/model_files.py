"""The small files that describe a model: ``config.json``, how sounds are prepared, and the licence of the weights.

They come from a folder or from the Hugging Face hub, without any weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

from distributed_trf.errors import FeatureError, MissingExtraError, shown
from distributed_trf.features.weights.preprocessor import FILES, preprocessor_settings
from distributed_trf.features.weights.transformers_internals import transformers_class
from distributed_trf.features.weights.weight_files import error_text, read_json

CONFIG = "config.json"
MOST_SECONDS = 8.0
"""Seconds that the hub has to answer. Limits of the library that asks it are longer, so that this one counts."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LICENCE = re.compile(r"^licen[sc]e:\s*[\"']?([^\"'#\n]+)", re.MULTILINE)

Found = TypeVar("Found")


@dataclass(frozen=True)
class ModelFiles:
    """The files that describe a model."""

    source: str
    """Folder or hub id."""
    commit: str | None
    """Full commit of a hub id; None for a folder."""
    folder: Path
    """Holds the files."""
    config: dict[str, Any]
    """Content of ``config.json``."""
    preprocessor: dict[str, Any] | None
    """Settings of what prepares sounds; None if no file has them."""
    preprocessor_file: Path | None
    licence: str | None
    """Of the weights, as their page, README or LICENSE file says."""


def model_files(source: str, revision: str | None = None) -> ModelFiles:
    """Read the files that describe a model; from the hub they are downloaded first, without weights.

    Parameters
    ----------
    source
        A folder, or a hub id such as ``facebook/hubert-base-ls960``.
    revision
        Commit, branch or tag of a hub id; None takes its newest commit, or offline the one that was downloaded last.

    Raises
    ------
    FeatureError
        If a file is missing or cannot be read, the model runs code of its own, or the hub does not give the files
        within ten seconds.
    MissingExtraError
        If the library that asks the hub is not installed.
    """
    if Path(source).is_file():
        raise FeatureError(f"{source} is a file, expected the folder that holds {CONFIG} and the weights, or a hub id")
    licence: str | None = None
    if Path(source).is_dir():
        folder, commit = Path(source), None
    else:
        folder, commit, licence = _from_hub(source, revision)
    file = folder / CONFIG
    if not file.is_file():
        raise FeatureError(
            f"{folder}: holds no {CONFIG}, which describes a model of transformers; give the folder that "
            "save_pretrained wrote, or describe the network by a table of family module"
        )
    config = read_json(file, "the configuration of a network")
    _check_has_no_code(file, config)
    preprocessor_file, preprocessor = preprocessor_settings(folder)
    return ModelFiles(
        source,
        commit,
        folder,
        config,
        None if preprocessor_file is None else preprocessor,
        preprocessor_file,
        licence or _licence_in(folder),
    )


def _check_has_no_code(file: Path, config: dict[str, Any]) -> None:
    """Refuse a model whose network is in Python files next to its weights."""
    kind = config.get("model_type")
    if "auto_map" in config and kind not in transformers_class("CONFIG_MAPPING"):
        raise FeatureError(
            f"{file}: the network (model_type {shown(kind)}) is in Python files next to its weights (auto_map), which "
            "are never run from here. Convert it to a class that transformers has, or install its code as a package "
            "of yours and describe it by a table of family module"
        )


def _licence_in(folder: Path) -> str | None:
    """Return the licence in the head of README.md, or else the first line of a LICENSE file."""
    readme = folder / "README.md"
    if readme.is_file():
        head = readme.read_text(encoding="utf-8", errors="replace").split("---", 2)
        found = _LICENCE.search(head[1]) if len(head) == 3 and not head[0].strip() else None
        if found:
            return found[1].strip()
    for file in sorted(path for kind in ("LICENSE*", "LICENCE*") for path in folder.glob(kind) if path.is_file()):
        with file.open(encoding="utf-8", errors="replace") as lines:
            line = next((text.strip() for text in lines if text.strip()), None)
        if line:
            return line[:200]
    return None


def _from_hub(source: str, revision: str | None) -> tuple[Path, str, str | None]:
    """Return the folder in the local cache, the commit and the licence of a model of the hub."""
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "models", error) from error
    try:
        if revision is not None and _COMMIT.fullmatch(revision) and (kept := _in_cache(source, revision)) is not None:
            return kept, revision, None
        return _within(MOST_SECONDS, lambda: _download(source, revision))
    except Exception as error:  # from the connection, the hub or the disk
        kept = None if _is_final(error) else _in_cache(source, revision or "main")
        if kept is not None:
            return kept, kept.name, None
        at = "" if revision is None else f" at revision {revision}"
        raise FeatureError(
            f"{source}{at}: {CONFIG} could not be fetched from the hub: {_what_happened(error)}. Download it where "
            f"there is a connection, with `hf download {source}` (or `huggingface-cli download {source}`), and give "
            "that folder as `source`"
        ) from error


def _download(source: str, revision: str | None) -> tuple[Path, str, str | None]:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    info = HfApi().model_info(source, revision=revision, timeout=2 * MOST_SECONDS)
    commit, folder = str(info.sha), None
    for name in (*FILES, CONFIG):
        try:  # a file that the hub does not have leaves a mark in the cache, so that offline this is known as well
            folder = Path(hf_hub_download(source, name, revision=commit, etag_timeout=2 * MOST_SECONDS)).parent
        except EntryNotFoundError:
            if name == CONFIG:
                raise
    assert folder is not None  # the last file is there
    card: Any = info.card_data or {}
    licence = card.get("license")
    return folder, commit, ", ".join(licence) if isinstance(licence, list) else licence


def _in_cache(source: str, revision: str) -> Path | None:
    """Return the folder of a model in the local cache, if it is known of each file whether there is one."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(source, name, revision=revision) for name in (CONFIG, *FILES)]
    paths = [Path(path) for path in found if isinstance(path, str)]
    is_known = isinstance(found[0], str) and (len(paths) > 1 or None not in found)
    return paths[0].parent if is_known else None


def _is_final(error: Exception) -> bool:
    """Tell whether the hub answered that it has no such model for this user, or nobody could have."""
    from huggingface_hub import errors

    final = (
        errors.HFValidationError,
        errors.EntryNotFoundError,
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
    )
    return isinstance(error, final) and not isinstance(error, errors.LocalEntryNotFoundError)


def _what_happened(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, TimeoutError):
        return f"it did not answer within {MOST_SECONDS:g} s"
    if isinstance(error, errors.HFValidationError):
        return "it is neither a folder here nor a hub id, which is written owner/name"
    if isinstance(error, errors.GatedRepoError):
        return "access to it must be granted: ask for it on its page, and log in with `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such model, or it is private (then log in with `hf auth login`)"
    if isinstance(error, errors.RevisionNotFoundError):
        return "there is no such revision"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids it, and it is not in the local cache"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"it has no {CONFIG}, so it is no model of transformers"
    return error_text(error)


def _within(seconds: float, look: Callable[[], Found]) -> Found:
    """Return what a function returns, or raise TimeoutError: a connection may hang however it was opened."""
    found: list[Found] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(look())
        except Exception as error:  # noqa: BLE001 - raised again by the caller
            failed.append(error)

    thread = Thread(target=run, name="asking the hub", daemon=True)  # may be left behind
    end = monotonic() + seconds
    thread.start()
    thread.join(seconds)
    if failed and monotonic() < end:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]
