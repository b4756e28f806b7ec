"""What the untrained architecture of a network gives for sounds of any length: frames, operations and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import DistributedTRFError, FeatureError, MissingExtraError
from distributed_trf.features.families.shapes_only import built_of_shapes
from distributed_trf.features.frame_rule import FrameRule, find_rules
from distributed_trf.features.frames import as_frames, tap
from distributed_trf.features.hooks import Tap, recorded
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.torch_internals import flop_counter

if TYPE_CHECKING:
    import torch

    from distributed_trf.features.families.torch_family import TorchFamily

BEYOND = 1.25
"""How much longer than the longest sound so far a pass is tried, so that sounds of growing length take few passes."""


@dataclass(frozen=True)
class _Pass:
    frames: dict[int, int]
    """By layer id."""
    flops: float


class UntrainedShapes:
    """Numbers of frames and operations of a network, from passes of its untrained architecture.

    The passes are over shapes alone, without numbers, where the network can do so. About twenty of them give the rule
    of each layer's frames (see ``frame_rule``), and the operations are a polynomial of second degree of the length, as
    attention takes; only lengths outside those that were passed, and all lengths of layers without a rule, take passes
    of their own. Threads may share one.

    Parameters
    ----------
    family, table
        The network.
    """

    def __init__(self, family: TorchFamily, table: NetworkTable) -> None:
        self._family, self._table = family, table
        self._device: str | None = None
        """Where it runs; None if no pass has succeeded yet."""
        self._passes: dict[int, _Pass] = {}
        """By number of samples."""
        self._refused: set[int] = set()
        """Numbers of samples that it cannot take."""
        self._rules: Mapping[int, FrameRule | None] | None = None
        self._alone = RLock()
        self.parameters = 0
        """Number of parameters; known after a pass."""

    def frames(self, n_samples: int) -> Mapping[int, int]:
        """Return the number of frames of a sound, by layer id.

        Raises
        ------
        FeatureError
            If the network cannot take a sound of that length, or a layer gives another shape than its table says.
        MissingExtraError
            If torch is not installed.
        """
        with self._alone:
            rules = self._rules_at(n_samples)
            if n_samples in self._passes or rules is None:
                return self._pass(n_samples).frames
            return {layer: rule.n_frames(n_samples) for layer, rule in rules.items()}

    def passed(self, n_samples: int) -> Mapping[int, int]:
        """Return the number of frames of one sound, by layer id, in a pass of it; rules are not looked for.

        Raises
        ------
        FeatureError, MissingExtraError
            As ``frames`` does.
        """
        with self._alone:
            return self._pass(n_samples).frames

    def flops(self, n_samples: int) -> float:
        """Return the operations of a pass of one sound; a multiplication and an addition count as two.

        Raises
        ------
        FeatureError, MissingExtraError
            As ``frames`` does.
        """
        with self._alone:
            lengths = sorted(self._passes) if self._rules_at(n_samples) is not None else []
            if n_samples in self._passes or len(lengths) < 3:
                return self._pass(n_samples).flops
            three = (lengths[0], min(lengths, key=lambda n: abs(2 * n - lengths[0] - lengths[-1])), lengths[-1])
            # Of the frames that most layers have, operations are a polynomial almost to the last one.
            last = self._passes[three[2]].frames
            layer = max(last, key=lambda of: [*last.values()].count(last[of]))
            frames = [self._passes[n].frames[layer] for n in three]
            if len(set(frames)) < 3:
                return self._pass(n_samples).flops
            return _through(frames, [self._passes[n].flops for n in three], self.frames(n_samples)[layer])

    def _rules_at(self, n_samples: int) -> Mapping[int, FrameRule] | None:
        """Return the rules if every layer has one that holds at this length, which lies between passed ones."""
        if not self._passes or self._rules is None:
            self._pass(n_samples)
            self._rules = self._found(n_samples)
        rules = {layer: rule for layer, rule in self._rules.items() if rule is not None}
        if len(rules) < len(self._table.layers):
            return None
        lengths = sorted(self._passes)
        if not lengths[0] <= n_samples <= lengths[-1]:
            further = round(n_samples * BEYOND if n_samples > lengths[-1] else n_samples / BEYOND)
            reached = further if self._takes(further) else n_samples
            if {layer: rule.n_frames(reached) for layer, rule in rules.items()} != self._pass(reached).frames:
                self._rules = dict.fromkeys(rules)
                return None
        return rules

    def _found(self, n_samples: int) -> Mapping[int, FrameRule | None]:
        """Find the rules below a length that the network takes, as far below as it takes sounds."""
        for start in (n_samples // 2, 3 * n_samples // 4):
            if self._takes(start):
                try:
                    return find_rules(lambda n: self._pass(n).frames, start, n_samples)
                except FeatureError:  # of a length between that it does not take
                    break
        return {layer.id: None for layer in self._table.layers}

    def _takes(self, n_samples: int) -> bool:
        """Try a length that lies further from the passed ones than requested lengths do."""
        middle = next(iter(self._passes))
        if any(refused <= n_samples if refused > middle else refused >= n_samples for refused in self._refused):
            return False
        try:
            self._pass(n_samples)
        except FeatureError:
            self._refused.add(n_samples)
            return False
        return True

    def _pass(self, n_samples: int) -> _Pass:
        """Pass one sound of a length, once."""
        if n_samples in self._passes:
            return self._passes[n_samples]
        try:
            import torch  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("torch", "models", error) from error
        for device in (self._device,) if self._device else ("meta", "cpu"):  # some networks run only with numbers
            try:
                self._passes[n_samples] = self._passed_on(device, n_samples)
            except DistributedTRFError:
                raise
            except Exception as error:  # noqa: BLE001 - a network may raise anything
                refusal = error
            else:
                self._device = device
                return self._passes[n_samples]
        raise FeatureError(
            f"{self._table.name} cannot take a sound of {n_samples} samples ({n_samples / self._table.sfreq:.3g} s, "
            f"leading silence included): {refusal}"
        ) from refusal

    def _passed_on(self, device: str, n_samples: int) -> _Pass:
        import torch

        frames: dict[int, int] = {}
        by_tap: dict[Tap, list[Layer]] = {}
        for layer in self._table.layers:
            by_tap.setdefault(tap(layer), []).append(layer)

        def take(where: Tap, output: Any) -> None:
            for layer in by_tap[where]:
                n = int(as_frames(layer, output, 1, self._table.name).shape[1])
                frames[layer.id] = check_rate(self._table, layer, n, n_samples)

        sound = np.random.default_rng(0).standard_normal(n_samples)
        # Not in inference mode: there the counter cannot count parametrised weights.
        with torch.inference_mode(mode=False), torch.no_grad():
            model = _untrained(self._family, self._table.model_dump_json(), device)
            with recorded(model, by_tap, take), flop_counter() as counter:
                self._family.run(model, [sound], device, torch.float32)
        self.parameters = sum(p.numel() for p in model.parameters())
        return _Pass(frames, counter.get_total_flops())


@lru_cache(maxsize=1024)
def untrained_shapes(family: TorchFamily, table_json: str) -> UntrainedShapes:
    """Return what is known of the shapes of a network, given its family and its table as JSON; one for each table."""
    return UntrainedShapes(family, NetworkTable.model_validate_json(table_json))


@lru_cache(maxsize=2)  # of one network, on the meta device and with numbers
def _untrained(family: TorchFamily, table_json: str, device: str) -> torch.nn.Module:
    table = NetworkTable.model_validate_json(table_json)
    return built_of_shapes(family, table) if device == "meta" else family.new(table).eval()


def check_rate(table: NetworkTable, layer: Layer, n: int, n_samples: int) -> int:
    """Return a number of frames that a layer gives for a sound if its table's rate can be meant.

    Raises
    ------
    FeatureError
        If the rate is another.
    """
    seconds = table.window or n_samples / table.sfreq
    by_rate = layer.rate * seconds
    if not 0.5 * by_rate - 10 <= n <= 1.25 * by_rate + 10:
        raise FeatureError(
            f"{table.name} layer {layer.id} ({layer.name}) gives {n} frames for {seconds:.3g} s, but at its rate of "
            f"{layer.rate:g} Hz about {by_rate:.0f}; correct `rate` in the table, or choose an extractor that does "
            "not pad sounds to one length, or state that length in seconds as `window`"
        )
    return n


def _through(x: list[int], y: list[float], at: int) -> float:
    """Return the value of the polynomial of second degree through three points; of whole numbers a whole one."""
    value = sum(y[k] * np.prod([(at - x[j]) / (x[k] - x[j]) for j in range(3) if j != k]) for k in range(3))
    return float(round(value))
