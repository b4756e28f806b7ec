"""The exceptions that users see: each names what was found, what was expected and what to do."""

from __future__ import annotations

from pathlib import Path
from reprlib import Repr

_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 3, 100, 100, 100
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = 12


def shown(value: object, length: int = 80, *, quoted: bool = True) -> str:
    """Write a value as messages show it, in a bounded time and length however large it is.

    Parameters
    ----------
    value
        What was found.
    length
        Characters at most.
    quoted
        Whether text is put in quotes. What cannot be printed is escaped either way.

    Examples
    --------
    >>> shown([50, "a"]), shown("x" * 500, 10), shown("name", quoted=False)
    ("[50, 'a']", "'xxxxxx...", 'name')
    """
    text = value[: length + 1] if isinstance(value, str) and not quoted else _SHORT.repr(value)
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= length else f"{text[: length - 3]}..."


class DistributedTRFError(Exception):
    """Base of every error that this package raises on purpose.

    Such an error says something about the input, so trying again changes nothing: a work item that raises one is
    not retried.
    """


class ConfigError(DistributedTRFError, ValueError):
    """A study, recipe or network file holds something that cannot be used."""


class DataError(DistributedTRFError, ValueError):
    """Arrays that do not fit together or hold values no fit can use."""


class RecordingError(DistributedTRFError, ValueError):
    """A recording set on disk is missing, damaged or not what its format promises."""


class FeatureError(DistributedTRFError, RuntimeError):
    """A network could not be built, or did not return the features it should."""


class StoreError(DistributedTRFError, RuntimeError):
    """A store on disk is of another version, damaged or incomplete."""


class ResultsFileError(DistributedTRFError, ValueError):
    """A file of published results cannot be read, or results cannot be written in that layout."""


class DamagedError(StoreError):
    """Part of a store on disk is torn, missing or not what was written; a run makes it anew.

    Parameters
    ----------
    message
        What a user reads.
    path
        The file, array or group of arrays that is damaged.
    """

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[type[DamagedError], tuple[str, Path]]:
        """Say how a copy is made, as where a worker hands it over."""
        return DamagedError, (str(self), self.path)


class StoreBusyError(StoreError):
    """Another run is writing to the same store."""


class DeviceError(DistributedTRFError, RuntimeError):
    """A device was asked for that this machine cannot give."""


class DeviceLostError(DistributedTRFError, RuntimeError):
    """A worker's GPU answers no more: its process must end, and what it was at goes to another worker."""


class WorkersLostError(DistributedTRFError, RuntimeError):
    """Every worker of a cluster was lost and none came back."""


class SubmissionError(DistributedTRFError, RuntimeError):
    """The queue of a recipe takes none of its jobs."""


class SchedulerLostError(DistributedTRFError, RuntimeError):
    """The scheduler of a cluster ended or cannot be reached any more."""


class MissingExtraError(DistributedTRFError, ImportError):
    """A feature needs an optional dependency that is not installed, or is but cannot be imported.

    Parameters
    ----------
    package
        The import name of what is needed.
    extra
        The extra of ``distributed_trf`` that brings it.
    error
        What importing it raised, if that was tried: a broken installation is told by its own words.
    """

    def __init__(self, package: str, extra: str, error: ImportError | None = None) -> None:
        install = f"pip install 'distributed_trf[{extra}]'"
        if error is None or is_absent(package, error):
            super().__init__(f"{package} is not installed; install it with: {install}")
        else:
            super().__init__(f"{package} is installed, but cannot be imported: {error}; mend it, or: {install}")


def is_absent(package: str, error: ImportError) -> bool:
    """Tell whether a package could not be imported because it is not there, and not because it is broken."""
    return isinstance(error, ModuleNotFoundError) and error.name == package


class NothingToDrawError(DistributedTRFError, ValueError):
    """A figure needs numbers that are not there; the message says which, and how to get them."""
