"""Features of a network whose frames see a limited past and no future: ``context`` of a network in a study.

Definition. Let ``f_i(x)`` be frame i of a layer in an ordinary pass over a sound ``x`` of samples ``x[0 : N]`` at the
network's rate, leading silence included, ``n(N)`` the number of its frames, and ``e_i = min {N : n(N) > i}`` the sample
where frame i ends, the length of the shortest sound that has it. With a context of C samples the frame is ::

    f_i^C(x) = f_j(x[e_i - L : e_i]),    L = min(e_i, W),    W = max {e_k : e_k <= C},
                                         j = i - n(e_i) + n(L)

which is the last frame of a pass over the piece of the sound that ends where the frame does (where several frames of a
layer end together, as many before the last as in the sound). There are as many frames as without a context, at the
same times. W is C rounded down to a length that ends with a frame, so that the window's last frame is where frame i is.

At the beginning of a sound windows are shorter: they begin where the sound does, with its leading silence, and nothing
is put before it. Silence to fill them would enter the mean and variance of networks that normalise their input, and no
sound that was presented has it; ``lead_in`` in the study says how much silence there is. A sound that is shorter than
the context so gives what passes over its beginnings give, and a network that is causal anyway the same frames as
without a context. Networks of a fixed window, such as Whisper's 30 s, fill it behind each window as behind any sound.
Two exceptions, both said in the log: windows shorter than the shortest that a network can take have silence put before
them, up to that length; and where a window holds only silence and the network gives nothing for it (one that divides
by the standard deviation of its input), frames are 0.

Causal layers need no windows. A layer is taken from the ordinary pass, which costs a hundredth, if none of its frames
sees what comes after its end or what comes more than W before it (``sees``), and if windows give the same for some
frames, which also tells networks that count time from the beginning of a sound. A causal layer with unbounded past,
such as a recurrent one, takes windows, whose state begins at zero, even if its memory of noise fades sooner: how fast
depends on the sound, so that ``sees`` tells its reach by NaN, which does not fade.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.arrays import Array, blocks
from distributed_trf.errors import DeviceError, FeatureError
from distributed_trf.features.device import to_host
from distributed_trf.features.family import Family, Keep, Network, Sound
from distributed_trf.features.sight import frames_of, moved, noise, sees
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.windows import AT_ONCE, frame_ends, window_samples, windows

log = logging.getLogger(__name__)

ON_GPU = 256
"""Windows that the network is given at once on a GPU, where it passes as many of them together as fit its free memory.
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a sound."""

    sound: int | None
    """Position in the batch; None for silence, wherever it is."""
    start: int
    """First sample; below 0 where silence is put before the sound."""
    end: int
    """The sample after the last."""

    @property
    def is_silent(self) -> bool:
        """Whether it holds only silence."""
        return self.sound is None

    @property
    def n_samples(self) -> int:
        """Its length."""
        return self.end - self.start

    def cut(self, sounds: Sequence[Sound]) -> Sound:
        """Return it as a sound of its own."""
        if self.sound is None:
            return Sound(np.zeros(self.n_samples))
        samples = sounds[self.sound].samples
        return Sound(np.concatenate([np.zeros(max(0, -self.start)), samples[max(0, self.start) : self.end]]))


@dataclass(frozen=True)
class _Batch:
    """Sounds, the windows that they are passed in, and the frames that were found."""

    sounds: Sequence[Sound]
    rows: dict[Window, dict[int, list[tuple[int, int, int]]]]
    """What is taken of each window: by layer id the sound, its frame, and which frame of the window that is."""
    found: dict[int, list[np.ndarray]]
    """By layer id the frames of each sound."""


class ContextNetwork:
    """A built network whose frames see a limited past and no future.

    Parameters
    ----------
    network, rule, table
        The network without a context, and its family.
    context
        Seconds of past sound that a frame may see.
    device
        ``cpu`` or ``cuda``.
    """

    def __init__(self, network: Network, rule: Family, table: NetworkTable, context: float, device: str) -> None:
        self.network, self.rule, self.table, self.context = network, rule, table, context
        self.n_bytes, self.changed, self.parts, self.notes = network.n_bytes, network.changed, 1, ()
        self._at_once = AT_ONCE if device == "cpu" else ON_GPU
        self._needs_windows: dict[int, bool] = {}
        """By layer id, of the layers that were taken before."""
        self._shortest: dict[int, int] = {}
        """By layer id, samples of the shortest window that the network takes."""
        self._silent_is_told = False

    def __call__(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        """Pass prepared sounds: one pass for layers that need no windows, and windows for the others."""
        self._test([layer for layer in layers if layer.id not in self._needs_windows])
        self.parts = 1
        if whole := [layer for layer in layers if not self._needs_windows[layer.id]]:
            self._pass(sounds, whole, keep)
        if in_windows := [layer for layer in layers if self._needs_windows[layer.id]]:
            self._pass_windows(sounds, in_windows, keep)

    def _pass(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        self.network(sounds, layers, keep)
        self.parts = max(self.parts, self.network.parts)

    def _pass_windows(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        batch = self._batch(sounds, layers)
        by_layers: dict[tuple[int, ...], list[Window]] = {}
        for window, rows in batch.rows.items():
            by_layers.setdefault(tuple(rows), []).append(window)
        for ids, alike in by_layers.items():  # a pass ends with the last of its layers
            now = [layer for layer in layers if layer.id in ids]
            for take, is_silent in ((self._take, False), (self._take_silent, True)):
                chosen = sorted((w for w in alike if w.is_silent == is_silent), key=lambda w: -w.n_samples)
                for part in blocks(len(chosen), self._at_once):
                    take(batch, now, chosen[part])
        for layer in layers:
            keep(layer, range(len(sounds)), batch.found[layer.id])

    def _batch(self, sounds: Sequence[Sound], layers: Sequence[Layer]) -> _Batch:
        """List the windows of sounds; those of silence that have one length are one."""
        batch = _Batch(sounds, {}, {layer.id: [] for layer in layers})
        for layer in layers:
            shortest = self._shortest_window(layer)
            for k, sound in enumerate(sounds):
                cut = windows(self.rule, self.table, layer, sound.samples.shape[0], self.context, shortest)
                loud = np.concatenate([[0], np.cumsum(sound.samples != 0)])  # samples that are not 0, up to each
                silent = loud[cut.ends] == loud[np.maximum(cut.starts, 0)]
                for i, (start, end) in enumerate(zip(cut.starts.tolist(), cut.ends.tolist(), strict=True)):
                    window = Window(None, 0, end - start) if silent[i] else Window(k, start, end)
                    batch.rows.setdefault(window, {}).setdefault(layer.id, []).append((k, i, int(cut.positions[i])))
                batch.found[layer.id].append(np.empty((cut.ends.size, layer.width), dtype=np.float32))
        return batch

    def _take(self, batch: _Batch, layers: Sequence[Layer], part: Sequence[Window]) -> None:
        """Pass some windows at once and put their frames where they belong."""

        def take(layer: Layer, positions: Sequence[int], given: Sequence[Array]) -> None:
            taken, places = [], []
            for position, frames in zip(positions, given, strict=True):
                for k, i, j in batch.rows[part[position]][layer.id]:
                    if j >= frames.shape[0] or frames.shape[1] != layer.width:
                        raise FeatureError(
                            f"{self.table.name} layer {layer.id} ({layer.name}) gave shape {tuple(frames.shape)} for a "
                            f"window of {part[position].n_samples} samples; its table says ({j + 1} or more, "
                            f"{layer.width})"
                        )
                    taken.append(frames[j])
                    places.append((k, i))
            for (k, i), row in zip(places, to_host(taken), strict=True):
                batch.found[layer.id][k][i] = row

        self._pass([window.cut(batch.sounds) for window in part], layers, take)

    def _take_silent(self, batch: _Batch, layers: Sequence[Layer], part: Sequence[Window]) -> None:
        """Pass windows of silence; their frames are 0 where the network gives none."""
        refused = False
        try:
            self._take(batch, layers, part)
        except FeatureError:  # it would say to leave the sound out
            refused = True
        for layer in layers:
            for k, i in {(k, i) for window in part for k, i, _ in batch.rows[window][layer.id]}:
                row = batch.found[layer.id][k][i]
                if refused or not np.isfinite(row).all():
                    row[:] = 0
                    self._tell_silent()

    def _tell_silent(self) -> None:
        if not self._silent_is_told:
            self._silent_is_told = True
            log.warning("%s: frames of windows in which there is only silence are 0, because the network gives none",
                        self.table.name)  # fmt: skip

    def _shortest_window(self, layer: Layer) -> int:
        """Find the shortest length, of those that end with a frame, that the network takes."""
        if layer.id in self._shortest:
            return self._shortest[layer.id]
        longest = window_samples(self.rule, self.table, layer, self.context)
        ends = np.unique(frame_ends(self.rule, self.table, layer, longest))
        tried = np.unique(np.minimum(2 ** np.arange(ends.size.bit_length() + 1) - 1, ends.size - 1))
        for n in ends[tried].tolist():
            try:
                frames_of(self.network, noise(n), [layer])
            except DeviceError:
                raise
            except Exception:
                if n == longest:
                    raise
                continue  # too short for it, such as for the padding of a spectrogram
            self._shortest[layer.id] = n
            if n > ends[0]:
                log.info("%s layer %d: %d samples of silence or sound are the least that it takes", self.table.name,
                         layer.id, n)  # fmt: skip
            break
        return self._shortest[layer.id]

    def _test(self, layers: Sequence[Layer]) -> None:
        """Find out which of some layers need windows, and say so."""
        if not layers:
            return
        need = dict.fromkeys((layer.id for layer in layers), True)
        lengths = {x.id: window_samples(self.rule, self.table, x, self.context) for x in layers}
        steps = [int(frame_ends(self.rule, self.table, x, lengths[x.id])[0]) for x in layers]
        seconds = (2 * max(lengths.values()) + 4 * max(steps)) / self.table.sfreq
        try:
            sights = sees(self.network, self.rule, self.table, layers, seconds)
        except FeatureError as error:  # a network of a fixed window may take no sound that long
            log.info("%s: not tested with a sound of twice its context, so that each frame has its window: %s",
                     self.table.name, error)  # fmt: skip
            sights = {}
        for layer in layers:
            sight = sights.get(layer.id)
            if sight is not None and sight.is_causal and sight.back * self.table.sfreq <= lengths[layer.id]:
                need[layer.id] = not self._windows_agree(layer, lengths[layer.id], int(seconds * self.table.sfreq))
        self._needs_windows |= need
        for needed, how in ((False, "one ordinary pass: their frames see no more"), (True, "a window for each frame")):
            ids = [layer_id for layer_id, needs in need.items() if needs == needed]
            if ids:
                log.info("%s, context %g s: layers %s take %s", self.table.name, self.context,
                         ", ".join(map(str, ids)), how)  # fmt: skip

    def _windows_agree(self, layer: Layer, length: int, n_samples: int) -> bool:
        """Tell whether windows of noise give the last frames of an ordinary pass."""
        sound = noise(n_samples)
        whole, unit = frames_of(self.network, sound, [layer])
        of_sound = windows(self.rule, self.table, layer, n_samples, self.context)
        for i in range(max(0, len(of_sound.ends) - 3), len(of_sound.ends)):
            piece = sound[of_sound.starts[i] : of_sound.ends[i]]
            frames, _ = frames_of(self.network, piece, [layer])
            one, other = whole[layer.id], frames[layer.id][of_sound.positions[i]]
            if moved(one, np.where(np.arange(len(one))[:, None] == i, other, one), unit).any():
                return False
        return True
