"""The family of features of one's own: a network whose features are read from files instead of computed from sounds.

A file's frames begin at the onset of the sound, or at ``start``; the silence before has frames of 0. A layer has the
frames of the whole sound at its rate: ``floor((lead-in + duration) * rate + 1/2)``, as a response has bins, so that at
a rate of one frame per bin what is in the file is what is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.config.own_features import ArraySettings, EventSettings, as_own_features
from distributed_trf.errors import FeatureError
from distributed_trf.features.family import Keep, Origin, Sound, Work
from distributed_trf.features.own.events import ROUNDING, Events, event_frames
from distributed_trf.features.own.files import FeatureFiles, open_files
from distributed_trf.features.table import Layer, NetworkTable


class OwnFamily:
    """Features of one's own, in files."""

    libraries: tuple[str, ...] = ()
    extra: str = "hdf5"

    def frame_rate(self, layer: Layer) -> float:
        """Return the table's frames per second."""
        return layer.rate

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return one frame for each whole step of time, and one for a rest of half a step or more."""
        return frame_count(table, layer.rate, n_samples)

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count the memory of the longest file and its frames; nothing is computed."""
        longest = max(n_samples)
        return Work(0.0, 0, 24 * sum(self.n_frames(table, layer, longest) * layer.width for layer in table.layers))

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> OwnFeatures:
        """Return what reads the files; they are opened when they are needed."""
        return OwnFeatures(table, settings)


class OwnFeatures:
    """Features of one's own, ready to be read; on the CPU whatever the device.

    Parameters
    ----------
    table, settings
        The table, and the study's settings of it.
    """

    def __init__(self, table: NetworkTable, settings: NetworkSettings) -> None:
        self.table, self._network = table, settings
        self.n_bytes, self.changed, self.parts = 0, None, 1
        self.notes: list[str] = []
        self._settings = as_own_features(table.config)

    def __call__(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        """Read the features of each stimulus, and give each layer its columns of them.

        Raises
        ------
        FeatureError
            If a sound is no stimulus, or its features are missing or do not fit it or the table.
        """
        self.notes, sets = [], dict[str, FeatureFiles]()
        for k, sound in enumerate(sounds):
            of = sound.origin
            if of is None:
                raise FeatureError(f"{self.table.name}: its features are read by stimulus, and a sound has no name")
            if of.stimuli not in sets:
                sets[of.stimuli] = open_files(self.table, self._network, of.stimuli)
            files = sets[of.stimuli]
            if of.id not in files.stimuli:
                raise FeatureError(
                    f"{self.table.name}: {files.path} has no features of {of}; add them, or leave the stimulus out"
                )
            read, n_samples = files.read(of.id), sound.samples.shape[0]
            for rate in {layer.rate for layer in layers}:
                frames = self._frames(read, of, rate, n_samples, f"{files.path}: features of {of.id}")
                for layer in layers:
                    if layer.rate == rate:
                        keep(layer, [k], [self._columns(layer, frames, f"{files.path}: features of {of.id}")])

    def _frames(self, read: np.ndarray | Events, of: Origin, rate: float, n_samples: int, where: str) -> np.ndarray:
        """Return the frames of all columns at a rate."""
        n_frames, settings = frame_count(self.table, rate, n_samples), self._settings
        if isinstance(read, Events):
            assert isinstance(settings, EventSettings)
            duration = n_samples / self.table.sfreq - of.lead_in
            frames, notes = event_frames(read, settings, rate, n_frames, of.lead_in, duration)
        else:
            assert isinstance(settings, ArraySettings)
            frames, notes = array_frames(read, where, settings, rate, n_frames, of.lead_in)
        self.notes += [f"{of}: {note}" for note in notes]
        return frames

    def _columns(self, layer: Layer, frames: np.ndarray, where: str) -> np.ndarray:
        """Return the columns of a layer."""
        n_columns = frames.shape[1]
        first, last = layer.columns or (0, n_columns)
        if last > n_columns or last - first != layer.width:
            expected = f"columns {first} to {last}" if layer.columns else f"{layer.width} columns"
            raise FeatureError(
                f"{where}: {n_columns} columns, but layer {layer.id} ({layer.name}) of {self.table.name} takes "
                f"{expected} and has a width of {layer.width}; correct `width` or `columns` of the table, or the file"
            )
        return frames[:, first:last]


def frame_count(table: NetworkTable, rate: float, n_samples: int) -> int:
    """Return how many frames a sound has at a rate; one for a rest of half a frame or more.

    Raises
    ------
    FeatureError
        If it has none.
    """
    seconds = n_samples / table.sfreq
    n = floor((seconds + ROUNDING) * rate + 0.5)
    if n < 1:
        raise FeatureError(
            f"{table.name}: a sound of {seconds:.3g} s is shorter than half a frame at {rate:g} per second; leave the "
            "stimulus out of the study"
        )
    return n


def array_frames(
    found: np.ndarray, where: str, settings: ArraySettings, rate: float, n_frames: int, lead_in: float
) -> tuple[np.ndarray, list[str]]:
    """Put the frames of an array at their places in a sound.

    Parameters
    ----------
    found
        Shape (frames, features), of the file.
    where
        Begins errors.
    settings
        When the first frame is, and how much the file may be longer or shorter.
    rate, n_frames, lead_in
        Frames per second; how many the sound has, silence included; seconds of silence.

    Returns
    -------
    frames
        float64 of shape (n_frames, features), 0 before the first frame of the file.
    notes
        How many frames were cut off or repeated at the end, and by how much frames are off their times.

    Raises
    ------
    FeatureError
        If the file is longer or shorter than the sound by more than a frame and ``tolerance``.
    """
    exact = (settings.start + lead_in) * rate
    first = round(exact)
    whole = found[max(0, -first) :]
    room = n_frames - max(0, first)
    more = whole.shape[0] - room
    allowed = max(1, floor(settings.tolerance * rate + ROUNDING))
    if abs(more) > allowed or not whole.shape[0] or room < 1:
        raise FeatureError(
            f"{where}: {found.shape[0]} frames at {rate:g} per second from {settings.start:g} s on, but the sound has "
            f"{n_frames - first} there, {abs(more)} {'fewer' if more > 0 else 'more'}; expected as many, or up to "
            f"{allowed} more or fewer. Correct the file, its `rate` or `start`, or allow a longer `tolerance`"
        )
    frames = np.zeros((n_frames, found.shape[1]))
    frames[-room:] = whole[np.minimum(np.arange(room), whole.shape[0] - 1)]
    notes = []
    if more:
        done = f"{more} frames behind the sound cut off" if more > 0 else f"its last frame repeated {-more} times"
        notes.append(f"{found.shape[0]} frames, {abs(more)} {'more' if more > 0 else 'fewer'} than the sound: {done}")
    if abs(exact - first) > ROUNDING * rate:
        notes.append(
            f"frames stand {1000 * (first - exact) / rate:.3g} ms from their times, because the first is {exact:.4g} "
            f"frames after the silence begins; a lead-in of whole frames avoids it"
        )
    return frames, notes
