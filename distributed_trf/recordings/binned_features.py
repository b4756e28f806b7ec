"""Layers' features on the time bins of the responses, read from the store one batch of stimuli after another.

The next batch is read while the last one is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from distributed_trf.arrays import Array, like, namespace, to_device
from distributed_trf.features.resample import each_to_bins
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS, rows
from distributed_trf.store.features import NetworkFeatures, StoredLayer


def binned_features(
    features: NetworkFeatures,
    layer: int,
    bin_width: float,
    *,
    lowpass_bin: float | None = None,
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
    if stimuli is None:
        for batch in binned_batches(features, [layer], bin_width, lowpass_bin=lowpass_bin, device=device):
            yield from batch.items()
        return
    spec = features.layer(layer)
    for stimulus in stimuli:
        frames = to_device(features.frames(layer, stimulus), device)
        (x,) = _on_bins(frames, features, spec, [features.layout.stimuli.index(stimulus)], bin_width, lowpass_bin)
        yield stimulus, x


def binned_batches(
    features: NetworkFeatures,
    layers: Sequence[int],
    bin_width: float,
    *,
    lowpass_bin: float | None = None,
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
                _on_bins(to_device(of_layer, device), features, spec, range(first, last), bin_width, lowpass_bin)
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
) -> list[Array]:
    """Bring frames of some stimuli of a layer, given by their indices one after another, onto bins."""
    layout = features.layout

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
