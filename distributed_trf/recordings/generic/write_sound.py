"""Writing a sound of the generic layout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.io import wavfile

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.layout import STIMULI
from distributed_trf.recordings.generic.sound_files import read_sound
from distributed_trf.store.atomic import new_file


def write_sound(
    recordings: str | Path,
    stimulus_set: str,
    stimulus: str,
    samples: ArrayLike,
    sfreq: float,
    *,
    part: Literal["train", "test"] | None = None,
) -> Path:
    """Write one sound as a mono wav file; one that is there is replaced.

    Parameters
    ----------
    recordings
        Folder of the recording set.
    stimulus_set, stimulus
        Its names.
    samples
        Shape (n_samples,), or (n_samples, channels), of which the mean is taken; int16 or int32, or floats in [-1, 1].
    sfreq
        Samples per second, a whole number.
    part
        Whether the sound is kept for testing; None in a set of which no sound is.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    RecordingError
        If the samples are no such sound; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> write_sound(tempfile.mkdtemp(), "words", "yes", [0.0, 0.5, -0.5], 16000, part="test").parts[-4:]
    ('stimuli', 'words', 'test', 'yes.wav')
    """
    path = Path(recordings) / STIMULI / stimulus_set / (part or "") / f"{stimulus}.wav"
    if path.stem != stimulus or stimulus.startswith("."):
        raise RecordingError(f"stimulus {stimulus!r}: is no name of a file; choose another name")
    array = np.asarray(samples)
    if array.ndim not in (1, 2) or array.dtype not in (np.int16, np.int32, np.float32, np.float64) or sfreq % 1:
        raise RecordingError(
            f"{path}: samples of shape {array.shape} and type {array.dtype} at {sfreq:g} Hz; expected (n_samples,) or "
            "(n_samples, channels) of int16, int32 or floats, at a whole number of hertz"
        )
    if array.ndim == 2:
        mean = array.mean(axis=1, dtype=np.float64)
        array = (np.rint(mean) if array.dtype.kind == "i" else mean).astype(array.dtype)
    with new_file(path) as new:
        wavfile.write(new, int(sfreq), array)
        try:
            read_sound(new)
        except RecordingError as error:
            raise RecordingError(f"{str(error).replace(str(new), str(path))}; nothing was written") from error
    return path
