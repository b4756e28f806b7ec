"""Layers' features on the time bins of the responses, read from the store one batch of stimuli after another.

The next batch is read while the last one is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from math import inf
from typing import TypeVar

import numpy as np

from distributed_trf.arrays import Array, like, namespace, to_device
from distributed_trf.errors import DataError
from distributed_trf.features.resample import each_to_bins
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS, rows
from distributed_trf.store.features import FeatureLayout, NetworkFeatures, StoredLayer

WHOLE_SOUND = (0.0, inf)
"""Window from the onset of a sound to its end."""


def binned_features(
    features: NetworkFeatures,
    layer: int,
    bin_width: float,
    *,
    lowpass_bin: float | None = None,
    average: tuple[float, float] | None = None,
    stimuli: Sequence[str] | None = None,
    device: str = "cpu",
) -> Iterator[tuple[str, Array]]:
    """Read a layer on time bins, one batch of stimuli in memory at a time and another one on its way.

    Parameters
    ----------
    features
        Of one network and its weights, as ``open_features(output)[stimuli, network, weights]`` gives them.
    layer
        Its id.
    bin_width
        Milliseconds; at 1000 a stimulus is one bin, which holds the sum of its frames and of those of the silence.
    lowpass_bin
        Milliseconds of wider bins onto which the features go first, which takes out what is faster than half of their
        rate (Ahmed et al. 2025, Fig 4). By default none.
    average
        At 1000 ms: the mean over this window in seconds from onset, first and last, is taken instead of the sum, up to
        the end of the sound. That goes with responses that are means themselves: signals, and one value per sound.
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
        If a stimulus is shorter than half a bin, or ends before the window begins.

    Examples
    --------
    >>> mel = open_features("quickstart/study")["timit", "mel_whisper", "fixed"]  # doctest: +SKIP
    >>> x = dict(binned_features(mel, layer=0, bin_width=50))  # doctest: +SKIP
    """
    if stimuli is None:
        batches = binned_batches(features, [layer], bin_width, lowpass_bin=lowpass_bin, average=average, device=device)
        for batch in batches:
            yield from batch.items()
        return
    spec = features.layer(layer)
    for stimulus in stimuli:
        frames = to_device(features.frames(layer, stimulus), device)
        index = [features.layout.stimuli.index(stimulus)]
        (x,) = _on_bins(frames, features, spec, index, bin_width, lowpass_bin, average)
        yield stimulus, x


def binned_batches(
    features: NetworkFeatures,
    layers: Sequence[int],
    bin_width: float,
    *,
    lowpass_bin: float | None = None,
    average: tuple[float, float] | None = None,
    device: str = "cpu",
) -> Iterator[dict[str, Array]]:
    """Read layers side by side on time bins, a batch of stimuli at a time; arguments as in ``binned_features``.

    While a batch is worked on the next one is read, decompressed and checked. Each layer's frames of a batch go to the
    device in one copy.

    Yields
    ------
    batch
        By stimulus float64 of shape (bins, sum of widths), on a device views of arrays of the whole batch.
    """
    layout, specs = features.layout, [features.layer(layer) for layer in layers]
    files = ([features.rows(x.id, batch) for x in specs] for batch in range(len(layout.batches)))
    with closing(read_ahead(files)) as read:
        for (first, last), frames in zip(layout.batch_borders, read, strict=True):
            binned = [
                _on_bins(
                    to_device(of_layer, device), features, spec, range(first, last), bin_width, lowpass_bin, average
                )
                for spec, of_layer in zip(specs, frames, strict=True)
            ]
            together = (
                xs[0] if len(xs) == 1 else namespace(*xs).concat(xs, axis=1) for xs in zip(*binned, strict=True)
            )
            yield dict(zip(layout.stimuli[first:last], together, strict=True))


def _on_bins(
    frames: Array,
    features: NetworkFeatures,
    spec: StoredLayer,
    stimuli: Sequence[int],
    bin_width: float,
    lowpass_bin: float | None,
    average: tuple[float, float] | None,
) -> list[Array]:
    """Bring frames of some stimuli of a layer, given by their indices one after another, onto bins."""
    layout = features.layout
    if bin_width == WHOLE_STIMULUS and average is not None:
        return _averaged(frames, layout, [spec.frames[k] for k in stimuli], stimuli, average)

    def numbers(width: float) -> list[int]:
        return [rows(layout.durations[k], layout.lead_in, width) for k in stimuli]

    whole = bin_width == WHOLE_STIMULUS
    steps = [] if lowpass_bin is None else [numbers(lowpass_bin)]
    steps.append([1] * len(stimuli) if whole else numbers(bin_width))
    binned = each_to_bins(frames, [spec.frames[k] for k in stimuli], *steps)
    if not whole:
        return binned
    # Of the frames that a network gave fewer may be in store: they have the same mean, which is what one bin has.
    means = namespace(*binned).concat(binned)
    sums = means * like([spec.native[k] for k in stimuli], means)[:, None]
    return [sums[k : k + 1, :] for k in range(len(stimuli))]


def _averaged(
    frames: Array, layout: FeatureLayout, sizes: Sequence[int], stimuli: Sequence[int], window: tuple[float, float]
) -> list[Array]:
    """Average the frames of each stimulus over a window, each by the part of it that lies there.

    The n frames of a stimulus tile its lead-in and itself, so that frame i lasts from ``i T / n`` to ``(i + 1) T / n``
    of their T seconds.
    """
    xp, start, means = namespace(frames), 0, []
    for k, n in zip(stimuli, sizes, strict=True):
        duration = layout.durations[k]
        first, last = (layout.lead_in + min(end, duration) for end in window)
        if first >= last:
            raise DataError(
                f"stimulus {layout.stimuli[k]} lasts {duration:.3f} s, but feature_window begins at {window[0]:g} s; "
                "expected a window that begins within every sound. Leave the stimulus out, or begin earlier"
            )
        borders = np.arange(n + 1) * ((layout.lead_in + duration) / n)
        part = np.diff(np.clip(borders, first, last)) / (last - first)
        x = xp.astype(frames[start : start + n, :], xp.float64)
        means.append(like(part, x)[None, :] @ x)
        start += n
    return means


T = TypeVar("T")
_END = object()


def read_ahead(values: Iterable[T]) -> Generator[T, None, None]:
    """Yield values that a thread makes, one ahead of the one that was yielded last.

    What making a value raises is raised where it would be yielded, as it is. The thread ends with the iteration, also
    where that is given up, after the value that it is at.
    """
    iterator = iter(values)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = thread.submit(next, iterator, _END)
        while (value := coming.result()) is not _END:
            coming = thread.submit(next, iterator, _END)
            yield value  # type: ignore[misc]  # what is not the end is a T
