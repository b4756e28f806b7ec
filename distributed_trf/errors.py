"""The exceptions that users see: each names the value found, what was expected and what to do."""

from __future__ import annotations

from pathlib import Path
from reprlib import Repr

_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 3, 100, 100, 100
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = 12


def shown(value: object, length: int = 80, *, quoted: bool = True) -> str:
    """Write a value for a message, in bounded time and length however large it is.

    Parameters
    ----------
    value
        The value to show.
    length
        Largest number of characters.
    quoted
        Whether text is put in quotes. Unprintable characters are escaped in either case.

    Examples
    --------
    >>> shown([50, "a"]), shown("x" * 500, 10), shown("name", quoted=False)
    ("[50, 'a']", "'xxxxxx...", 'name')
    """
    text = value[: length + 1] if isinstance(value, str) and not quoted else _SHORT.repr(value)
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def counted(n: int, one: str) -> str:
    """Write how many there are of something, thousands apart.

    Examples
    --------
    >>> counted(1, "session"), counted(1718, "unit")
    ('1 session', '1,718 units')
    """
    return f"{n:,} {one if n == 1 else one + 's'}"


class DistributedTRFError(Exception):
    """Base of every error that this package raises on purpose.

    Such an error is about the input, so trying again changes nothing: a work item that raises one is not retried.
    """


class ConfigError(DistributedTRFError, ValueError):
    """A study, recipe or network file holds an unusable field or value."""


class DataError(DistributedTRFError, ValueError):
    """Arrays do not fit together, or hold values that no fit can use."""


class RecordingError(DistributedTRFError, ValueError):
    """A recording set on disk is missing or damaged, or does not follow its format."""


class FeatureError(DistributedTRFError, RuntimeError):
    """A network cannot be built, or returns other features than its table says."""


class StoreError(DistributedTRFError, RuntimeError):
    """A store on disk is of another version, damaged or incomplete."""


class ResultsFileError(DistributedTRFError, ValueError):
    """A file of published results cannot be read, or results cannot be written in that layout."""


class DamagedError(StoreError):
    """Part of a store on disk is torn, missing or not what was written; a run writes it again.

    Parameters
    ----------
    message
        The message for the user.
    path
        The file, array or group of arrays that is damaged.
    """

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[type[DamagedError], tuple[str, Path]]:
        """Return how to make a copy, as when a worker sends the error."""
        return DamagedError, (str(self), self.path)


class StoreBusyError(StoreError):
    """Another run is writing to the same store."""


class DeviceError(DistributedTRFError, RuntimeError):
    """A requested device does not exist on this machine."""


class DeviceLostError(DistributedTRFError, RuntimeError):
    """A worker's GPU no longer answers: its process must end, and its item goes to another worker."""


class WorkersLostError(DistributedTRFError, RuntimeError):
    """Every worker of a cluster was lost and none came back."""


class SubmissionError(DistributedTRFError, RuntimeError):
    """The queue of a recipe accepts none of its jobs."""


class SchedulerLostError(DistributedTRFError, RuntimeError):
    """The scheduler of a cluster has ended or can no longer be reached."""


class MissingExtraError(DistributedTRFError, ImportError):
    """An optional dependency is not installed, or is installed and cannot be imported.

    Parameters
    ----------
    package
        Import name of the dependency.
    extra
        The extra of ``distributed_trf`` that installs it.
    error
        The error of importing it, if that was tried; its text describes a broken installation.
    """

    def __init__(self, package: str, extra: str, error: ImportError | None = None) -> None:
        install = f"pip install 'distributed_trf[{extra}]'"
        if error is None or is_absent(package, error):
            super().__init__(f"{package} is not installed; install it with: {install}")
        else:
            super().__init__(f"{package} is installed, but cannot be imported: {error}; repair it, or: {install}")


def is_absent(package: str, error: ImportError) -> bool:
    """Tell whether a package could not be imported because it is not installed, rather than broken."""
    return isinstance(error, ModuleNotFoundError) and error.name == package


def in_one_line(error: Exception) -> str:
    """Return what a library found wrong with a file, on one line, without NumPy's advice to load pickles."""
    text = "no array in NumPy's format" if "allow_pickle" in str(error) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"


class NothingToDrawError(DistributedTRFError, ValueError):
    """A figure needs numbers that do not exist; the message says which, and how to get them."""
