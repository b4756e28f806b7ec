"""A layer's features on the time bins of the responses, read from the store one stimulus after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from distributed_trf.arrays import Array, namespace, to_device
from distributed_trf.features.resample import to_bins
from distributed_trf.recordings.time_grid import WHOLE_STIMULUS, rows
from distributed_trf.store.features import NetworkFeatures


def binned_features(
    features: NetworkFeatures,
    layer: int,
    bin_width: float,
    *,
    lowpass_bin: float | None = None,
    stimuli: Sequence[str] | None = None,
    device: str = "cpu",
) -> Iterator[tuple[str, Array]]:
    """Read a layer on time bins, one batch of stimuli in memory at a time.

    Parameters
    ----------
    features
        Of one network and its weights, as ``open_features(output)[stimuli, network, weights]`` gives them.
    layer
        Its id.
    bin_width
        Milliseconds; at 1000 a stimulus is one bin, which holds the sum of its frames.
    lowpass_bin
        Milliseconds of wider bins onto which the features go first, which takes out what is faster than half of their
        rate (Ahmed et al. 2025, Fig 4). By default none.
    stimuli
        Ids of those to read, by default all; read by name they come one at a time.
    device
        ``cpu`` or ``cuda``, to which frames go before they are resampled.

    Yields
    ------
    stimulus, x
        Id, and float64 numpy or cupy array of shape (bins, features), the bins of the leading silence first.

    Raises
    ------
    StoreError
        If a layer or stimulus is unknown, was not extracted yet or is damaged.
    DataError
        If a stimulus is shorter than half a bin.

    Examples
    --------
    >>> mel = open_features("quickstart/study")["timit", "mel_whisper", "fixed"]  # doctest: +SKIP
    >>> x = dict(binned_features(mel, layer=0, bin_width=50))  # doctest: +SKIP
    """
    layout, spec = features.layout, features.layer(layer)
    index = {stimulus: k for k, stimulus in enumerate(layout.stimuli)}
    read = features.iterate(layer) if stimuli is None else ((i, features.frames(layer, i)) for i in stimuli)
    for stimulus, frames in read:
        x, duration = to_device(frames, device), layout.durations[index[stimulus]]
        if lowpass_bin is not None:
            x = to_bins(x, rows(duration, layout.lead_in, lowpass_bin))
        if bin_width == WHOLE_STIMULUS:
            yield stimulus, _summed(x, spec.native[index[stimulus]])
        else:
            yield stimulus, to_bins(x, rows(duration, layout.lead_in, bin_width))


def _summed(x: Array, native: int) -> Array:
    """Sum the frames that a network gave, of which fewer may be in store: they have the same mean."""
    xp = namespace(x)
    return xp.sum(x, axis=0, dtype=xp.float64, keepdims=True) * (native / x.shape[0])
