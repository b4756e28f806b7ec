"""A small recording set in the generic layout, written by the tests that read it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.io import wavfile

SFREQ = 1000
TRAIN, TEST = {"s10": 0.6, "s2": 0.43, "s1": 0.5}, {"t1": 0.37, "s3": 0.7}
DURATIONS = TRAIN | TEST
TRIALS = [("words", "s1", 1.0), ("words", "t1", 2.0), ("words", "s10", 3.5), ("words", "s3", 5.0), ("words", "t1", 6.5)]
SPIKES = [("u10", 1.01), ("u2", 1.2), ("u2", 2.111), ("u10", 6.6), ("u2", 0.2), ("u2", -0.5), ("u10", 3.5)]


def write_sounds(
    path: Path, name: str = "words", train: dict[str, float] = TRAIN, test: dict[str, float] = TEST
) -> None:
    rng = np.random.default_rng(1)
    for part, sounds in (("train", train), ("test", test)):
        folder = path / "stimuli" / name / part
        folder.mkdir(parents=True)
        for i, seconds in sounds.items():
            samples = rng.integers(-(2**15), 2**15, round(seconds * SFREQ)).astype(np.int16)
            wavfile.write(folder / f"{i}.wav", SFREQ, samples)


def write_csv_session(
    path: Path,
    session: str,
    trials: Sequence[tuple[str, str, float]] = TRIALS,
    spikes: Sequence[tuple[str, float]] = SPIKES,
    units: Sequence[str] = (),
    suffix: str = ".csv",
) -> Path:
    folder = path / "sessions" / session
    folder.mkdir(parents=True)
    columns = ["stimulus_set", "stimulus", "onset"]
    pd.DataFrame(list(trials), columns=columns).to_csv(folder / f"trials{suffix}", index=False)
    pd.DataFrame(list(spikes), columns=["unit", "time"]).to_csv(folder / f"spikes{suffix}", index=False)
    if units:
        pd.DataFrame({"unit": list(units)}).to_csv(folder / f"units{suffix}", index=False)
    return folder


def write_nwb_session(
    path: Path,
    session: str,
    trials: Sequence[tuple[Any, ...]] = TRIALS,
    spikes: Sequence[tuple[str, float]] = SPIKES,
    *,
    columns: Sequence[str] = ("stimulus_set", "stimulus", "start_time"),
    intervals: str = "trials",
    label: str | None = "unit_name",
    subject: str | None = "m1",
    areas: Sequence[str] = ("A1", "A1"),
    observed: Sequence[Sequence[tuple[float, float]]] | None = None,
    units: bool = True,
) -> Path:
    """Units are in the order of their first spikes."""
    import pynwb

    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    nwb = pynwb.NWBFile("test", session, start)
    if subject is not None:
        nwb.subject = pynwb.file.Subject(subject_id=subject, species="Macaca mulatta", sex="U", age="P4Y")
    device = nwb.create_device(name="probe")
    for k, area in enumerate(areas):
        group = nwb.create_electrode_group(name=f"g{k}", description="one", location=area, device=device)
        nwb.add_electrode(group=group, location=area)
    if label is not None:
        nwb.add_unit_column(label, "label")
    for k, name in enumerate(dict.fromkeys(unit for unit, _ in spikes) if units else ()):
        details: dict[str, Any] = {} if label is None else {label: name}
        if observed is not None:
            details["obs_intervals"] = list(observed[k])
        nwb.add_unit(spike_times=sorted(t for unit, t in spikes if unit == name), **details)
    table = pynwb.epoch.TimeIntervals(name=intervals, description="what was played")
    for column in columns:
        if column not in table.colnames:
            table.add_column(column, "of the trial")
    for trial in trials:
        row = dict(zip(columns, trial, strict=True))
        row = {"start_time": 0.0} | row
        table.add_row(stop_time=row["start_time"] + 0.1, **row)
    if intervals == "trials":
        nwb.trials = table
    else:
        nwb.add_time_intervals(table)
    file = path / "sessions" / f"{session}.nwb"
    file.parent.mkdir(exist_ok=True, parents=True)
    with pynwb.NWBHDF5IO(file, "w") as io:
        io.write(nwb)
    return file
