"""CSV files as the published code writes them, with made-up numbers: what it does, not what this package does.

Each run appends a frame per session, files of layers are concatenated, and normalisers are put in afterwards.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

SMALL = {180413: 3, 190726: 2, 200318: 2}
"""Channels of some published sessions; the second heard no vocalisations."""
WITHOUT_CALLS = (190726, 200213)
LAYERS = {
    "wav2letter_modified": ["conv"] * 14,
    "wav2vec2": ["conv"] * 7 + ["transformer"] * 14,
    "speech2text": ["conv"] * 2 + ["transformer"] * 12,
    "whisper_tiny": ["conv"] * 2 + ["transformer"] * 4,
    "whisper_base": ["conv"] * 2 + ["transformer"] * 6,
    "deepspeech2": ["conv"] * 2 + ["rnn"] * 5,
}
"""Of the six networks of the paper's main figures, the type of each of their 70 layers."""
TAGS = ("wavlet", "coch", "mel", "mel_wh", "mel_ds", "mel_lib")


class PublishedFiles:
    """A writer of such files.

    Parameters
    ----------
    folder
        Where to.
    channels
        Number of channels by session.
    later
        Whether normalisers and nulls are put in.
    """

    def __init__(self, folder: Path, channels: dict[int, int] = SMALL, *, later: bool = True, seed: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.channels, self.later = folder, channels, later
        self._rng = np.random.default_rng(seed)
        self._reliability: dict[tuple[str, int], dict[int, np.ndarray]] = {}

    def network(
        self,
        name: str,
        layers: list[int],
        *,
        stimuli: str = "timit",
        reset: str = "",
        end: str = "ahmed_25",
        bw: int = 50,
    ) -> pd.DataFrame:
        """Write a merged file of some layers."""
        run = f"ucsf_{reset}{stimuli}_trf_lags200_bw{bw}_{end}"
        parts = [self._session(session, n, stimuli, bw) for session, n in self._heard(stimuli)]
        frame = pd.concat(
            [self._of_layer(part, layer, stimuli) for layer in layers for part in parts], ignore_index=True
        )
        return self._write(f"{name}_{run}", self._finish(frame, stimuli, LAYERS.get(name)))

    def spectrogram(self, tag: str, *, stimuli: str = "timit", bw: int = 50) -> pd.DataFrame:
        """Write the file of a spectrogram."""
        parts = []
        for session, n in self._heard(stimuli):
            part = self._session(session, n, stimuli, bw)
            r = self._r(n)
            own, other = ("test_cc_raw", "mVocs_test_cc_raw")[:: 1 if stimuli == "timit" else -1]
            part |= {own: r, other: np.zeros(n), "num_freqs": 80, "tmin": 0, "tmax": 200, "lmbda": self._lmbda(n)}
            part |= {"delay": 0.0}
            parts.append(pd.DataFrame(part))
        columns = ["session", "bin_width", "delay", "channel", "test_cc_raw", "mVocs_test_cc_raw"]
        frame = pd.concat(parts, ignore_index=True)[[*columns, "num_freqs", "tmin", "tmax", "lmbda"]]
        name = f"STRF_freqs80_{tag}_ucsf_{stimuli}_trf_lags200_bw{bw}_ahmed_25"
        return self._write(name, self._finish(frame, stimuli, None))

    def lowpass(self, name: str, layer: int, cuts: list[int]) -> pd.DataFrame:
        """Write the merged file of low-passed features, fitted at 20 ms; its bin widths are the cut-offs."""
        parts = [self._session(session, n, "timit", cut) for cut in cuts for session, n in self._heard("timit")]
        frame = pd.concat([self._of_layer(part, layer, "timit") for part in parts], ignore_index=True)
        frame = self._finish(frame, "timit", LAYERS[name], norm_bin_width=20)
        return self._write(f"{name}_ucsf_timit_trf_lags200_ahmed_25_LPF_20", frame)

    def bootstrap(
        self, name: str, layer: int, draw: str, percents: list[int], trials: list[int] | None = None
    ) -> pd.DataFrame:
        """Write one draw of each percentage: of the training stimuli, or with trials of the test ones."""
        parts = []
        for percent in percents:
            for k in trials or [None]:
                for session, n in list(self._heard("timit"))[:2]:
                    part = self._of_layer(self._session(session, n, "timit", 50), layer, "timit")
                    part.insert(4, "percent_duration", percent)
                    part["n_test_trials"] = k
                    parts.append(part.drop(columns=["delay", "N_sents"]))
        kind = "bootstrap_test" if trials else "bootstrap"
        frame = pd.concat(parts, ignore_index=True)
        return self._write(f"{name}_ucsf_timit_trf_lags200_bw50_{kind}_{draw}", frame)

    def _heard(self, stimuli: str) -> list[tuple[int, int]]:
        return [(s, n) for s, n in self.channels.items() if stimuli == "timit" or s not in WITHOUT_CALLS]

    def _session(self, session: int, n: int, stimuli: str, bw: int) -> dict[str, object]:
        return {"session": [session] * n, "channel": list(range(n)), "bin_width": [bw] * n}

    def _r(self, n: int) -> np.ndarray:
        r = self._rng.normal(0.4, 0.2, n)
        r[self._rng.random(n) < 0.1] = np.nan  # as where a prediction overflows
        return r

    def _lmbda(self, n: int) -> np.ndarray:
        return self._rng.integers(-5, 16, n).astype(float)

    def _of_layer(self, part: dict[str, object], layer: int, stimuli: str) -> pd.DataFrame:
        n = len(part["session"])
        r, zeros = self._r(n), np.zeros(n)
        timit, calls = (r, zeros) if stimuli == "timit" else (zeros, r)
        return pd.DataFrame(
            {
                "session": part["session"],
                "layer": layer,
                "channel": part["channel"],
                "bin_width": part["bin_width"],
                "delay": 0,
                "test_cc_raw": timit,
                "normalizer": 0.0,
                "mVocs_test_cc_raw": calls,
                "mVocs_normalizer": 0.0,
                "opt_lag": 200,
                "opt_lmbda": self._lmbda(n),
                "N_sents": 500,
            }
        )

    def _finish(
        self, frame: pd.DataFrame, stimuli: str, types: list[str] | None, norm_bin_width: int | None = None
    ) -> pd.DataFrame:
        """Put in normalisers and nulls, as the published analyses do once the distributions are there."""
        if not self.later:
            return frame
        prefix = "" if stimuli == "timit" else "mVocs_"
        for bw in frame["bin_width"].unique():
            measured = self._measured(stimuli, norm_bin_width or int(bw))
            rows = frame["bin_width"] == bw
            values = np.array(
                [measured[s][c] for s, c in zip(frame["session"][rows], frame["channel"][rows], strict=True)]
            )
            for k, name in enumerate(("normalizer", "null_mean", "null_std")):
                frame.loc[rows, prefix + name] = values[:, k]
        if types is not None:
            frame["layer_type"] = [types[layer] for layer in frame["layer"]]
        with np.errstate(all="ignore"):
            frame[prefix + "normalized_test_cc"] = frame[prefix + "test_cc_raw"] / np.sqrt(frame[prefix + "normalizer"])
        return frame

    def _measured(self, stimuli: str, bw: int) -> dict[int, np.ndarray]:
        """Normaliser, mean and standard deviation of the null of each channel; one of them 0, some below."""
        if (stimuli, bw) not in self._reliability:
            found = {
                s: self._rng.normal([0.1, 0.0, 0.05], [0.1, 0.01, 0.001], (n, 3)) for s, n in self.channels.items()
            }
            found[next(iter(found))][0] = 0.0  # a channel that never fires
            self._reliability[stimuli, bw] = found
        return self._reliability[stimuli, bw]

    def _write(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame.to_csv(self.folder / f"{name}_corr_results.csv", index=False)
        return frame


def small_folder(folder: Path, *, later: bool = True) -> PublishedFiles:
    """Write files of every kind."""
    files = PublishedFiles(folder, later=later)
    for stimuli in ("timit", "mVocs"):
        for reset in ("", "reset_"):
            files.network("wav2letter_modified", [0, 3, 13], stimuli=stimuli, reset=reset)
        files.spectrogram("coch", stimuli=stimuli)
        files.spectrogram("mel_wh", stimuli=stimuli)
    files.network("whisper_tiny", [0, 5])
    files.network("whisper_tiny", [0, 5], bw=20)
    files.network("whisper_tiny", [0, 5], reset="reset_", end="ahmed_25_permuted")
    files.network("their_own", [0, 1])
    files.lowpass("whisper_base", 2, [20, 40, 800])
    return files


def published_size() -> dict[int, int]:
    """Channels of the 41 published sessions."""
    from distributed_trf.recordings.ucsf.metadata import SITES

    return {int(site.session): site.channels for site in SITES}


def word_errors(folder: Path) -> pd.DataFrame:
    """Write the table of word error rates as the published code fills it, one cell after another.

    The rates are read off the published figure S5.
    """
    rates = {
        "speech2text": [8.6, 3.4, 15.5, 36.5, 21.1],
        "wav2vec2": [9.4, 3.6, 14.0, 36.1, 21.5],
        "whisper_base": [14.1, 5.9, 6.0, 22.4, 10.3],
        "whisper_tiny": [19.5, 8.6, 7.7, 31.6, 12.9],
        "deepspeech2": [30.0, 11.0, 35.6, 64.1, 49.6],
        "wav2letter_modified": [58.6, 30.8, 59.9, 86.1, 81.3],
    }
    benchmarks = ["librispeech-test-other", "librispeech-test-clean", "tedlium", "common-voice", "voxpopuli"]
    frame = pd.DataFrame()
    for network, row in rates.items():
        for benchmark, rate in zip(benchmarks, row, strict=True):
            if benchmark not in frame.columns:
                frame[benchmark] = np.nan
            frame.loc[network, benchmark] = rate
    frame.to_csv(folder / "pretrained_networks_WERs.csv")
    return frame
