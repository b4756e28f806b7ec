"""Writing a session of the generic layout from arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import ArrayLike

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.layout import SESSIONS, STIMULI, table_file
from distributed_trf.recordings.generic.presentations import SpikeSource
from distributed_trf.recordings.generic.session_files import SESSION_FILE
from distributed_trf.recordings.generic.session_folder import session_folder
from distributed_trf.recordings.generic.session_table import read_session_table
from distributed_trf.recordings.generic.signal_session import SIGNALS
from distributed_trf.recordings.generic.value_session import VALUES
from distributed_trf.store.atomic import new_file, new_folder

Units = pd.DataFrame | Sequence[str] | None


def write_session(
    recordings: str | Path,
    session: str,
    stimulus: Sequence[str],
    onset: ArrayLike | None = None,
    *,
    signals: ArrayLike | str | Path | None = None,
    rate: float | None = None,
    values: ArrayLike | None = None,
    spikes: Mapping[str, ArrayLike] | None = None,
    units: Units = None,
    stimulus_set: str | Sequence[str] | None = None,
    subject: str | None = None,
    area: str | None = None,
) -> Path:
    """Write the folder of one session, of signals, values or spikes; one that is there is replaced.

    The sounds are yours to put beside the sessions, as ``<recordings>/stimuli/<stimulus set>/<stimulus>.wav`` or in
    folders ``train`` and ``test`` there.

    Parameters
    ----------
    recordings
        Folder of the recording set.
    session
        Name of the session, which its folder gets.
    stimulus
        Stimulus of each presentation.
    onset
        Seconds on the session's clock at which each began, shape (presentations,); none for values.
    signals, rate
        Samples of shape (time, channel), the first at second 0, and their rate in hertz. Or a file of them, to which
        the session gets a link: one that MNE reads, without a rate, or an array in ``.npy`` or ``.h5``.
    values
        One value per presentation and unit, shape (presentations, units).
    spikes
        Seconds on the session's clock at which each unit fired, by its label.
    units
        Labels in the order of channels; or a table with a column ``unit`` and any of ``x``, ``y``, ``z``, ``region``
        and ``hemisphere``. By default they are numbered from 0.
    stimulus_set
        Of all presentations, or of each; need not be given where there is one set.
    subject, area
        What ``sessions.csv`` is to say of the session; None leaves what it says.

    Returns
    -------
    Path
        The folder of the session.

    Raises
    ------
    RecordingError
        If what was given could not be read as a session; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> mine = tempfile.mkdtemp()
    >>> folder = write_session(mine, "one", ["a", "b"], values=[[0.1, 2.0], [0.3, 1.5]], units=["v1", "v2"])
    >>> sorted(file.name for file in folder.iterdir())
    ['trials.csv', 'units.csv', 'values.npy']
    """
    given = [name for name, x in (("signals", signals), ("values", values), ("spikes", spikes)) if x is not None]
    if len(given) != 1:
        raise RecordingError(
            f"session {session}: {' and '.join(given) or 'nothing'} given as its responses; expected signals, values "
            "or spikes. Write a session of each"
        )
    if rate is not None and signals is None:
        raise RecordingError(f"session {session}: rate is that of signals, which are not given; leave it out")
    if isinstance(signals, str | Path) and not Path(signals).exists():
        raise RecordingError(f"session {session}: {signals}: there is no such file of signals; correct the path")
    if Path(session).name != session or session.startswith("."):
        raise RecordingError(f"session {session!r}: is no name of a folder; choose another name")
    root = Path(recordings)
    read_session_table(root)  # what is wrong with it is said before anything is written
    trials = _trials(session, list(stimulus), onset, stimulus_set, with_onset=values is None)
    folder = root / SESSIONS / session
    with new_folder(folder) as new:
        trials.to_csv(new / "trials.csv", index=False)
        if spikes is not None:
            _write_spikes(new, spikes)
            units = list(spikes) if units is None else units
        else:
            _write_array(new, SIGNALS if signals is not None else VALUES, values if signals is None else signals)
        if rate is not None:
            (new / SESSION_FILE).write_text(yaml.safe_dump({"rate": float(rate)}), encoding="utf-8")
        if units is not None:
            table = units if isinstance(units, pd.DataFrame) else pd.DataFrame({"unit": list(units)})
            table.to_csv(new / "units.csv", index=False)
        _check(new, folder, _stimulus_sets(root, trials))
    if subject is not None or area is not None:
        _write_row(root, session, {"subject": subject, "area": area})
    return folder


def _trials(
    session: str, stimulus: list[str], onset: ArrayLike | None, of: str | Sequence[str] | None, *, with_onset: bool
) -> pd.DataFrame:
    """Make ``trials.csv``."""
    columns: dict[str, ArrayLike] = {"stimulus": stimulus}
    if of is not None:
        columns["stimulus_set"] = [of] * len(stimulus) if isinstance(of, str) else list(of)
    if with_onset:
        if onset is None:
            raise RecordingError(
                f"session {session}: onset is missing; expected the second at which each of the sounds began"
            )
        columns["onset"] = np.asarray(onset, dtype=np.float64)
    lengths = {name: np.size(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{n} of {name}" for name, n in lengths.items())
        raise RecordingError(f"session {session}: {found}; expected one of each for every presentation")
    return pd.DataFrame(columns)


def _write_array(folder: Path, name: str, array: ArrayLike | str | Path | None) -> None:
    if isinstance(array, str | Path):
        (folder / f"{name}{Path(array).suffix}").symlink_to(Path(array).resolve())
    else:
        np.save(folder / f"{name}.npy", np.asarray(array), allow_pickle=False)


def _write_spikes(folder: Path, spikes: Mapping[str, ArrayLike]) -> None:
    times = {unit: np.asarray(of, dtype=np.float64).ravel() for unit, of in spikes.items()}
    unit = np.repeat(np.array(list(times), dtype=object), [t.size for t in times.values()])
    table = pd.DataFrame({"unit": unit, "time": np.concatenate([np.empty(0), *times.values()])})
    table.to_csv(folder / "spikes.csv", index=False)


def _stimulus_sets(root: Path, trials: pd.DataFrame) -> tuple[str, ...]:
    """The sets whose sounds are there and those that trials name; of one that is not known yet, any name."""
    there = {p.name for p in (root / STIMULI).iterdir() if p.is_dir()} if (root / STIMULI).is_dir() else set()
    named = set(trials["stimulus_set"]) if "stimulus_set" in trials else set()
    return tuple(sorted(there | named)) or ("sounds",)


def _check(new: Path, folder: Path, stimulus_sets: Collection[str]) -> None:
    """Read what was written, as a study will.

    Raises
    ------
    RecordingError
        As reading does; it names the folder that would have been written.
    """
    try:
        source = session_folder(new, tuple(stimulus_sets))
        units = source.contents().units
        if isinstance(source, SpikeSource):
            source.spike_times(units)
    except RecordingError as error:
        raise RecordingError(f"{str(error).replace(str(new), str(folder))}; nothing was written") from error


def _write_row(root: Path, session: str, known: Mapping[str, str | None]) -> None:
    """Say in ``sessions.csv`` what is known of a session; what else the table says stays."""
    file = table_file(root, "sessions")
    table = pd.DataFrame() if file is None else pd.read_csv(file, dtype=str, keep_default_na=False)
    rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    own = next((row for row in rows if row["session"].strip() == session), None)
    if own is None:
        own = {"session": session}
        rows.append(own)
    own.update({name: value for name, value in known.items() if value is not None})
    with new_file(file or root / "sessions.csv") as new:
        pd.DataFrame(rows).to_csv(
            new, index=False, compression="gzip" if file is not None and file.suffix == ".gz" else None
        )
