"""Small folders in the layouts of published data sets: their names of files, fields and columns, and made-up numbers.

In each, units of a known kind follow the loudness of the sounds, so that a study of them must predict these units.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy.io import savemat, wavfile

WAV_RATE = 8000
"""Samples per second of the sounds."""


def sound(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Make noise whose loudness changes four times a second, as int16 of shape (n_samples,)."""
    n = round(seconds * WAV_RATE)
    steps = rng.uniform(0.02, 1, int(np.ceil(4 * seconds)) + 2)
    loudness = np.interp(np.arange(n) / WAV_RATE, np.arange(steps.size) / 4, steps)
    return (8000 * loudness * rng.uniform(-1, 1, n)).astype(np.int16)


def loudness(samples: np.ndarray, rate: float, n: int) -> np.ndarray:
    """Return the mean of the absolute samples in ``n`` bins at a rate, shape (n,)."""
    edges = np.minimum(np.round(np.arange(n + 1) * WAV_RATE / rate).astype(int), samples.size)
    total = np.concatenate([[0.0], np.cumsum(np.abs(samples.astype(np.float64)))])
    return np.diff(total[edges]) / np.maximum(np.diff(edges), 1) / 4000


def recording(drive: np.ndarray, n_units: int, delay: int, rng: np.random.Generator, noise: float = 0.3) -> np.ndarray:
    """Make units that follow ``drive`` (time,) after ``delay`` samples, and a last one that does not; (time, unit)."""
    late = np.concatenate([np.zeros(delay), drive[: drive.size - delay]])
    signal = noise * rng.normal(size=(drive.size, n_units))
    signal[:, :-1] += late[:, np.newaxis] * np.linspace(1, 2, n_units - 1)
    return signal


def write_tuckute23(root: Path) -> None:
    """Write 165 sounds, and voxels of both experiments: ``NH2015`` and ``B2021``, which has 27 sounds more."""
    rng = np.random.default_rng(0)
    names = [f"stim{k + 1}_sound_{k}" for k in range(165)]
    wavs = root / "data/stimuli/165_natural_sounds_16kHz"
    wavs.mkdir(parents=True)
    level = np.empty(165)
    for k, name in enumerate(names):
        level[k] = rng.uniform(0.02, 1)
        wavfile.write(wavs / f"{name}.wav", WAV_RATE, (8000 * level[k] * rng.uniform(-1, 1, 3200)).astype(np.int16))
    neural = {target: root / "data/neural" / target for target in ("NH2015", "B2021")}
    for folder in neural.values():
        folder.mkdir(parents=True)
    stimuli = np.zeros(165, dtype=[("filename", "S60"), ("id", "i8")])
    stimuli["filename"], stimuli["id"] = [f"{name}.wav" for name in names], np.arange(165)
    np.save(neural["NH2015"] / "neural_stim_meta.npy", stimuli)

    def voxels(n_sounds: int, n: int) -> np.ndarray:
        drive = np.concatenate([level, rng.uniform(0, 1, n_sounds - 165)])
        found = drive[:, np.newaxis, np.newaxis] + 0.2 * rng.normal(size=(n_sounds, n, 3))
        found[:, ::4] = rng.normal(size=found[:, ::4].shape)  # every fourth does not follow the sounds
        return found

    repeats = np.array([3, 3, 2, 3, 3, 3, 3, 2, 3, 3])
    first = voxels(165, repeats.size)
    first[:, repeats == 2, 2] = np.nan
    known = np.zeros(repeats.size, dtype=[("voxel_id", "i8"), ("subj_idx", "i8"), ("n_reps", "i8")])
    known["voxel_id"], known["n_reps"], known["subj_idx"] = 100 + np.arange(repeats.size), repeats, repeats
    np.save(neural["NH2015"] / "voxel_features_array.npy", first)
    np.save(neural["NH2015"] / "voxel_features_meta.npy", known)
    _voxel_table(known["voxel_id"][repeats == 3]).to_pickle(neural["NH2015"] / "df_roi_meta.pkl")
    np.save(neural["B2021"] / "voxel_features_array.npy", voxels(192, 6))
    np.save(neural["B2021"] / "voxel_features_meta.npy", np.arange(6))
    _voxel_table(np.arange(6)).to_pickle(neural["B2021"] / "df_roi_meta.pkl")


def _voxel_table(voxel_id: np.ndarray) -> pd.DataFrame:
    k = np.arange(voxel_id.size)
    columns = {
        "subj_idx": 1 + k % 2,
        "hemi": np.where(k % 2, "rh", "lh"),
        "x_ras": k - 3,
        "y_ras": 2 * k,
        "voxel_id": voxel_id,
        "roi_label_general": np.where(k < 3, "Primary", None),
    }
    return pd.DataFrame(columns).set_index(voxel_id, drop=False)  # an index that does not count from 0


def write_podcast(root: Path, seconds: float = 360.0) -> None:
    """Write one long stereo sound, its transcripts, and the high gamma of two participants in files of MNE."""
    import mne

    rng = np.random.default_rng(1)
    stimuli = root / "ds005574/stimuli"
    (stimuli / "gpt2-xl").mkdir(parents=True)
    samples = sound(seconds, rng)
    wavfile.write(stimuli / "podcast.wav", WAV_RATE, np.stack([samples, samples], axis=1))
    start = np.arange(0.5, seconds - 1, 0.75)
    words = pd.DataFrame({"word": [f"word{k}" for k in range(start.size)], "start": start, "end": start + 0.4})
    words.to_csv(stimuli / "podcast_transcript.csv", index=False)
    tokens = words.assign(word_idx=np.arange(start.size), true_prob=rng.uniform(0.01, 0.9, start.size))
    tokens = pd.concat([tokens, tokens.iloc[1::3]]).sort_values("word_idx", kind="stable").reset_index(drop=True)
    tokens.to_csv(stimuli / "gpt2-xl/transcript.tsv", sep="\t")
    n = round(512 * seconds)
    for subject, names in (("01", ["LGA1", "LGA2", "G3", "DP4"]), ("02", ["PO1", "PO2"])):
        folder = root / f"ds005574/derivatives/ecogprep/sub-{subject}/ieeg"
        folder.mkdir(parents=True)
        info = mne.create_info(names, 512.0, "ecog")
        signal = recording(loudness(samples, 512.0, n), len(names), 51, rng)
        raw = mne.io.RawArray(signal.T, info, verbose="ERROR")
        for k, channel in enumerate(raw.info["chs"]):
            channel["loc"][:3] = [0.01 * k, -0.02, 0.03]
        raw.save(folder / f"sub-{subject}_task-podcast_desc-highgamma_ieeg.fif", verbose="ERROR")


def write_broderick18(root: Path, n_runs: int = 6, seconds: float = 24.0) -> None:
    """Write EEG of two listeners to an audio book, and its envelope and words; no sound is published."""
    rng = np.random.default_rng(2)
    for folder in ("Stimuli/Envelopes", "Stimuli/Text", "EEG/Subject1", "EEG/Subject2"):
        (root / "Natural Speech" / folder).mkdir(parents=True)
    for run in range(1, n_runs + 1):
        n = round(128 * seconds) + run
        envelope = loudness(sound(n / 128 + 1, rng), 128.0, n)
        savemat(root / f"Natural Speech/Stimuli/Envelopes/audio{run}_128Hz.mat", {"env": envelope[:, np.newaxis]})
        onset = np.arange(0.3, seconds - 1, 0.6)[:, np.newaxis]
        words = np.array([f"word{k}" for k in range(onset.size)], dtype=object)[:, np.newaxis]
        text = {"wordVec": words, "onset_time": onset, "offset_time": onset + 0.3}
        savemat(root / f"Natural Speech/Stimuli/Text/Run{run}.mat", text)
        for subject in (1, 2):
            longer = np.concatenate([envelope, np.zeros(3)])  # some samples more than the envelope, as published
            mastoids = rng.normal(size=(longer.size, 2)).astype(np.float32)
            slow = 50 * np.sin(np.arange(longer.size) / 2000)[:, np.newaxis]
            eeg = recording(longer, 5, 13, rng) + mastoids.mean(axis=1, keepdims=True) + slow
            content = {"eegData": eeg.astype(np.float32), "mastoids": mastoids, "fs": 128}
            savemat(root / f"Natural Speech/EEG/Subject{subject}/Subject{subject}_Run{run}.mat", content)


def write_li23(root: Path) -> None:
    """Write the demonstration's blocks: sentences once each, ten repeated ones, onsets and high gamma at 100 Hz."""
    rng = np.random.default_rng(3)
    timit, results = root / "asccd/data/timit", root / "asccd/preanalysis_results"
    timit.mkdir(parents=True)
    results.mkdir()
    sentences = {f"f{k:03d}_si{1000 + k}": sound(1.2 + 0.1 * (k % 5), rng) for k in range(16)}
    for name, samples in sentences.items():
        wavfile.write(timit / f"{name}.wav", WAV_RATE, samples)
    repeated = list(sentences)[:3]
    for block in (2, 3, 4):
        (timit / f"TIMIT{block}.txt").write_text(" \n".join(sentences))
    for name, number, order in (("B9", 1, list(sentences)), ("B10", 5, repeated * 4)):
        (timit / f"TIMIT{number}.txt").write_text(" \n".join(order))
        onset = 2.0 + 2.5 * np.arange(len(order))
        drive = np.zeros(round(100 * (onset[-1] + 4)))
        for start, sentence in zip(onset, order, strict=True):
            n = sentences[sentence].size * 100 // WAV_RATE
            drive[round(100 * start) : round(100 * start) + n] = loudness(sentences[sentence], 100.0, n)
        missed = np.where(np.arange(len(order)) == 4, -1.0, onset)  # not found in the recording
        savemat(results / f"HS11_{name}_times.mat", {"times": missed[np.newaxis]})
        savemat(results / f"HS11_{name}_100hz_hg.mat", {"hg": recording(drive, 6, 12, rng).T})


def write_out_structure(file: Path, wavs: Path) -> None:
    """Write responses to wav files as laboratories do, in a structure ``out`` of one element for each sentence."""
    rng, out = np.random.default_rng(4), []
    for k, wav in enumerate(sorted(wavs.glob("*.wav"))):
        _, samples = wavfile.read(wav)
        quiet = np.zeros(50)
        drive = np.concatenate([quiet, loudness(samples, 100.0, samples.size * 100 // WAV_RATE), quiet])
        repeats = [recording(drive, 6, 12, rng).T for _ in range(4 if k < 3 else 1)]
        resp = np.stack(repeats, axis=2) if len(repeats) > 1 else repeats[0]
        out.append({"name": wav.stem, "resp": resp, "dataf": 100.0, "befaft": np.array([0.5, 0.5])})
    savemat(file, {"out": out})


def write_lebel23(root: Path) -> None:
    """Write stories and the BOLD of two subjects, from the tenth volume on; one story has its repeats as well."""
    rng, tr = np.random.default_rng(5), 2.0045
    folder = root / "ds003020"
    (folder / "stimuli").mkdir(parents=True)
    for subject in ("UTS01", "UTS02"):
        (folder / "derivative/preprocessed_data" / subject).mkdir(parents=True)
    for k, story in enumerate(("adollshouse", "avatar", "legacy", "souls", "wheretheressmoke")):
        n_volumes = 44 + 2 * k
        seconds = tr * (n_volumes - 5) - 10 + 3  # silence of 10 s, then the story, and some volumes after it
        samples = _story(seconds, rng)
        wavfile.write(folder / f"stimuli/{story}.wav", WAV_RATE, samples)
        heard = np.concatenate([np.zeros(10 * WAV_RATE, np.int16), samples, np.zeros(20 * WAV_RATE, np.int16)])
        drive = loudness(heard, 1 / tr, n_volumes)
        for subject in ("UTS01", "UTS02"):
            runs = [recording(8 * drive, 260, 2, rng)[10:-5] for _ in range(3)]
            with h5py.File(folder / f"derivative/preprocessed_data/{subject}/{story}.hf5", "w") as file:
                file["data"] = np.mean(runs, axis=0) if story == "wheretheressmoke" else runs[0]
                if story == "wheretheressmoke":
                    file["individual_repeats"] = np.stack(runs)


def _story(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Noise whose loudness changes every two seconds."""
    n = round(seconds * WAV_RATE)
    steps = np.repeat(rng.uniform(0.02, 1, int(seconds / 2) + 1), 2 * WAV_RATE)[:n]
    return (8000 * steps * rng.uniform(-1, 1, n)).astype(np.int16)
