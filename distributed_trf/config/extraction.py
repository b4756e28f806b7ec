"""The networks of a study, their weights, and how they are extracted.

The weights are one word, such as ``trained`` or ``reset-3``:

=====================  ================================================================================
``trained``            as published, or from ``source`` in the study
``fixed``              a spectrogram or a table of features, which has nothing to train
``reset``              the architecture with torch's own initial weights, seed 0; ``reset-3`` has seed 3
``permuted``           trained, the entries of every parameter in random order; seeds as above
``random``             every parameter drawn from N(0, 1); seeds as above
``random_uniform``     every parameter drawn from U(0, 1); seeds as above
``scaled-2.5``         trained, every parameter times 2.5; any factor above 0 but 1
``projection_linear``  random layers of the same widths on the network's own spectrogram, one for each layer; also
                       ``projection_conv``, ``projection_linear_gelu``, ``projection_conv_gelu``; seeds as above
=====================  ================================================================================
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WrapValidator, model_validator

from distributed_trf.config.fields import Name, Seconds, Source
from distributed_trf.config.load import Settings
from distributed_trf.errors import ConfigError

TRAINED, FIXED, SCALED = "trained", "fixed", "scaled"
PROJECTIONS = ("projection_linear", "projection_conv", "projection_linear_gelu", "projection_conv_gelu")
SEEDED = ("reset", "permuted", "random", "random_uniform", *PROJECTIONS)
"""Randomly drawn kinds: each seed gives another set of weights."""


def kind_of(weights: str) -> str:
    """Return the kind of some weights, without seed or factor."""
    return weights.split("-")[0]


def seed_of(weights: str) -> int:
    """Return the seed of weights that are drawn; 0 if none is written."""
    return int(weights.partition("-")[2] or 0)


def factor_of(weights: str) -> float:
    """Return what ``scaled`` weights are multiplied by."""
    return float(weights.partition("-")[2])


def _check_weights(weights: str) -> str:
    kind, dash, number = weights.partition("-")
    plain = {TRAINED, FIXED, *SEEDED}
    if kind in plain and not dash:
        return weights
    # One spelling for each, because the word names folders and labels results.
    if kind in SEEDED and number.isascii() and number.isdigit() and number == str(int(number)) and int(number) > 0:
        return weights
    if kind == SCALED and _is_factor(number):
        return weights
    raise ValueError(
        f"{weights!r} is not among {', '.join([TRAINED, *SEEDED, 'scaled-FACTOR', FIXED])}; a seed other than 0 is "
        "written reset-1, a factor (other than 1) scaled-0.5"
    )


def _is_factor(number: str) -> bool:
    try:
        return number == f"{float(number):g}" and 0 < float(number) < float("inf") and float(number) != 1
    except ValueError:
        return False


Weights = Annotated[str, AfterValidator(_check_weights)]


AT = "@"
Contexts = Annotated[
    list[Annotated[Seconds, Field(gt=0)]],
    Field(min_length=1),
    BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
]


def _ending(context: float) -> str:
    return f"{AT}{context}s"


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is neither stack nor all nor a regular expression: {error}") from error
    return text


class LayerChoice(Settings):
    """Which layers a network gets whose table is made from its own files."""

    modules: Annotated[str, AfterValidator(_pattern)] = "stack"
    """``stack`` for the convolutional front end, every block of the main stack and the final norm, ``all`` for every
    module that gives frames, or a regular expression that the whole name of a module matches."""
    parts: list[Literal["attention", "mlp"]] = []
    """Sub-layers of each block whose outputs are layers as well."""
    heads: bool = False
    """Whether each head of attention is a layer: what it gives before the output projection mixes all heads."""
    grid: Literal["flatten", "mean"] = "flatten"
    """Of patches that tile frequency and time: features of all bands side by side, or their average over bands."""


class NetworkSettings(Settings):
    """One network of a study, with the requested weights and layers."""

    name: Name
    """Of its table; without one, the table is made from the files of ``source``. A hub id such as
    ``facebook/hubert-base-ls960`` is the source, and its last part the name."""
    weights: list[Weights] | None = None
    """Defaults to ``[trained]`` for a network and ``[fixed]`` for a spectrogram or a table."""
    layers: Literal["all"] | list[Annotated[int, Field(ge=0)]] = "all"
    """Ids of the layers that are extracted and fitted."""
    source: Source | None = None
    """Folder, file or hub id of the trained weights, instead of the network table's source."""
    revision: str | None = None
    """Commit of the hub id in ``source``."""
    choose: LayerChoice | None = None
    """Which layers a table gets that is made from the files of ``source``."""
    context: Contexts | None = None
    """Seconds of past sound that a frame may see, and no future (see ``features.context``); each of several gives a
    network of its own, such as ``hubert@2.0s``. None lets a frame see whatever the network does."""

    @model_validator(mode="before")
    @classmethod
    def _hub_id_is_source(cls, content: Any) -> Any:
        name = content.get("name") if isinstance(content, dict) else None
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or content.get("source"):
            return content
        return content | {"name": name.rpartition("/")[2], "source": name}

    @model_validator(mode="after")
    def _named_by_study(self) -> NetworkSettings:
        if AT in self.name and not self._has_context_in_name:
            raise ValueError(
                f"{self.name!r} holds {AT}, which stands before a network's context; write the name of its table and, "
                "for a context of 2 s, `context: 2.0`"
            )
        return self

    @property
    def _has_context_in_name(self) -> bool:
        return self.context is not None and len(self.context) == 1 and self.name.endswith(_ending(self.context[0]))

    @property
    def table(self) -> str:
        """Name of the network's table."""
        return self.name.rpartition(AT)[0] if self._has_context_in_name else self.name

    @property
    def past(self) -> float | None:
        """Seconds of past sound that a frame may see; None if nothing limits it.

        Raises
        ------
        ConfigError
            If it lists several, of which a study makes several networks.
        """
        if self.context is not None and len(self.context) > 1:
            raise ConfigError(f"networks: {self.name} has contexts {self.context}; take one of `each_context`")
        return None if self.context is None else self.context[0]

    def each_context(self) -> list[NetworkSettings]:
        """Return a network for each context, the context in its name; itself if it has none or is one of them."""
        if self.context is None or self._has_context_in_name:
            return [self]
        return [self.model_copy(update={"name": self.name + _ending(c), "context": [c]}) for c in self.context]


AUTO_ITEM, AUTO_PASS = 64, 16
"""Stimuli of a work item, and of a forward pass on the CPU, with ``batch: auto``."""


def _number_or_auto(value: Any, check: Any) -> Any:
    try:
        return check(value)
    except ValidationError as error:
        raise ValueError("expected a whole number of stimuli, at least 1, or auto") from error


class ExtractionSettings(Settings):
    """How features are extracted and stored."""

    batch: Annotated[Literal["auto"] | Annotated[int, Field(ge=1)], WrapValidator(_number_or_auto)] = 16
    """Stimuli that one extraction item takes and stores; ``auto`` means ``AUTO_ITEM``. A forward pass takes as many of
    them as fit the free memory of a GPU; on the CPU all of them, or ``AUTO_PASS`` with ``auto``."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number type of networks. The two 16-bit types are faster on a GPU and change features in the third digit."""
    keep: Literal["100Hz", "native"] = "100Hz"
    """Stored frame rate: at most 100 Hz, which loses nothing at bins of 10 ms or more, or each layer's native rate."""
    store: Literal["float32", "float16"] = "float32"
    """Number type of stored features. float16 takes half the disk and half the time of reading, holds numbers of up to
    65504 and three digits of each; what it takes of features that vary little is reported."""

    @property
    def sounds_per_item(self) -> int:
        """Stimuli of a work item, the same on every machine."""
        return AUTO_ITEM if self.batch == "auto" else self.batch

    def largest_pass(self, device: str) -> int:
        """Return the largest number of stimuli in one forward pass on a device."""
        return AUTO_PASS if self.batch == "auto" and device == "cpu" else self.sounds_per_item
