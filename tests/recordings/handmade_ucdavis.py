"""A tiny UC Davis recording set, written straight from the description of the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

SENTENCES = ["009-unused.wfm", "103-fmjf0_si1254.wfm", "104-mabc0_si1.wfm", "105-fxyz0_si2.wfm", "106-mdef0_si3.wfm"]
TIMIT_USED = {"maleRepeat": [5], "femaleRepeat": [2], "maleUnique": [3], "femaleUnique": [4]}
CALLS = ["01-Cue-01-Coo.wfm", "02-Cue-02-Grunt.wfm", "03-Cue-03-Scream.wfm", "04-Cue-04-Coo.wfm"]
MVOCS_USED = {
    "gruntRepeat": [2],
    "screamRepeat": np.empty(0),
    "cooRepeat": np.empty(0),
    "gruntUnique": np.empty(0),
    "screamUnique": 3.0,
    "cooUnique": [4, 1],
}
N_SAMPLES = {name.removesuffix(".wfm"): 4800 + 480 * k for k, name in enumerate(SENTENCES + CALLS)}
"""0.1 s and more, in steps of 10 ms."""
ONE, TWO = "relayz_2024-10-28b_boilermaker", "relayz_2024-12-26b_boilermaker"

A, B, C, D = (name.removesuffix(".wfm") for name in SENTENCES[1:])
TIMIT_TRIALS = [(A, 10.0), (B, 11.0), (D, 12.0), (C, 13.0), (A, 14.0), (D, 15.0), (A, 16.0), (D, 17.0)]
MVOCS_TRIALS = [("02-Cue-02-Grunt", 30.0), ("04-Cue-04-Coo", 31.0), ("02-Cue-02-Grunt", 32.0)]


def cell(values: list[Any]) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def experiment(kind: str, trials: list[tuple[str, float]]) -> dict[str, Any]:
    """One struct of ``TrialStimData`` with two of its many unused fields."""
    return {
        "Speaker": np.ones(len(trials)),
        "StimulusName": cell([rf"C:\Users\Lab\sounds {kind}\{name}.wfm" for name, _ in trials]),
        "StimulusTimeOn": np.array([onset for _, onset in trials]),
        "StimulusType": cell([kind] * len(trials)),
        "Attenuation": np.zeros(len(trials)),
    }


def struct_array(structs: list[dict[str, Any]]) -> np.ndarray:
    array = np.empty((1, len(structs)), dtype=[(name, object) for name in structs[0]])
    for k, struct in enumerate(structs):
        array[0, k] = tuple(struct.values())
    return array


def tetrodes(*units: dict[int, list[float]]) -> dict[str, Any]:
    """Variables ``WM_1`` to ``WM_4`` from the spike times of each code, the spikes of a tetrode mixed by time."""
    variables = {}
    for k in range(4):
        spikes = sorted((time, code) for code, times in (units[k] if k < len(units) else {}).items() for time in times)
        variables[f"WM_{k + 1}"] = {
            "times": np.array([time for time, _ in spikes]),
            "codes": np.array([code for _, code in spikes], dtype=np.int32),
        }
    return variables


SPIKES = ({1001: [10.05], 101: [14.02, 9.99]}, {201: [30.01, 31.0, 12.0]}, {}, {4002: [1.0], 4001: [16.0, 16.01, 16.5]})


def write_session(path: Path, name: str = ONE, **changes: Any) -> Path:
    """Write a session's file; a change of None takes a variable away."""
    content = tetrodes(*SPIKES)
    content["TrialStimData"] = struct_array([experiment("BMM3", MVOCS_TRIALS), experiment("BMT3", TIMIT_TRIALS)])
    content |= changes
    file = path / "Data" / f"{name}.mat"
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {key: value for key, value in content.items() if value is not None}, oned_as="column")
    return file


def timit_details(names: list[Any] = SENTENCES, **used: Any) -> dict[str, Any]:
    return {"use": np.ones(len(names)), "wfmName": cell(names), "indUsed": TIMIT_USED | used}


def write_sound(path: Path, name: str) -> None:
    """Write a ramp, so that every sound and every sample has its own value."""
    n = N_SAMPLES[name]
    values = (np.arange(n) - n).astype("<i2")
    values[0] = -32_768
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(values.tobytes())


def write_recordings(path: Path) -> Path:
    """Two sessions, of which the second heard sentences only."""
    write_session(path)
    write_session(path, TWO, TrialStimData=struct_array([experiment("BMT12", TIMIT_TRIALS)]))
    savemat(path / "recanzone_timit_details.mat", {"timit": timit_details()})
    savemat(path / "MSL.mat", {"MSL": {"WFMname": cell(CALLS), "indUsed": MVOCS_USED}})
    for name in SENTENCES[1:]:
        write_sound(path / "TIMIT_48000" / name, name.removesuffix(".wfm"))
    for name in CALLS:
        write_sound(path / "NIMH_Mvoc_WFM" / name, name.removesuffix(".wfm"))
    return path
