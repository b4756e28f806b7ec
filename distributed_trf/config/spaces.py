"""Feature spaces that analyses name, and what all settings of analyses have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from distributed_trf.config.extraction import Weights
from distributed_trf.config.fields import Name
from distributed_trf.config.load import Settings

BETWEEN = "+"
"""Stands between the labels of spaces in the name of a set of them."""


class SpaceSettings(Settings):
    """A feature space: layers of one network with some weights, side by side under one penalty."""

    network: Name
    """One of ``networks``."""
    layers: Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = "all"
    """Ids of the layers that stand side by side."""
    weights: Weights | None = None
    """By default the only ones that the study has of the network."""

    @property
    def words(self) -> str:
        """Say which features they are."""
        layers = "all layers" if self.layers == "all" else f"layers {numbers(self.layers)}"
        return f"{self.network}{f' {self.weights}' if self.weights else ''}, {layers}"


Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.@-]*$", max_length=50)]
"""Of a space, without the sign between labels."""


def _labelled(spaces: Any) -> Any:
    """Label the spaces of a list by their networks; a text is the name of a network."""
    if isinstance(spaces, Mapping):
        return {label: _of_name(space) for label, space in spaces.items()}
    if not isinstance(spaces, list):
        return spaces
    spaces = [_of_name(space) for space in spaces]
    labels = [str(space.get("network", k)) if isinstance(space, dict) else str(k) for k, space in enumerate(spaces)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is there twice; label each space, as in {{first: {{network: ...}}, ...}}")
    return dict(zip(labels, spaces, strict=True))


def _of_name(space: Any) -> Any:
    return {"network": space} if isinstance(space, str) else space


def _few(spaces: dict[str, SpaceSettings]) -> dict[str, SpaceSettings]:
    if not spaces:
        raise ValueError("expected at least one feature space")
    return spaces


Spaces = Annotated[dict[Label, SpaceSettings], BeforeValidator(_labelled), AfterValidator(_few)]
"""Feature spaces by label; those of a list are labelled by their networks."""


class AnalysisSettings(Settings, ABC):
    """One analysis; a study holds a list of each kind."""

    branches: ClassVar[Mapping[str, str]]
    """Kinds of its work items, by their branch in the tree of ``open_tree``."""

    @property
    def named_spaces(self) -> Sequence[SpaceSettings]:
        """Networks, layers and weights that must be among those of the study."""
        return ()

    @property
    def named_sessions(self) -> Sequence[str]:
        """Sessions that must be in the recordings."""
        return ()

    @property
    @abstractmethod
    def subject(self) -> tuple[str, ...]:
        """What is analysed; a study may list each subject once."""

    def summary(self) -> tuple[str, str]:
        """Say in a report what is analysed, and how."""
        return ", ".join(self.subject), ", ".join(self.branches)


def numbers(values: Sequence[float]) -> str:
    """Write numbers with commas between them."""
    return ", ".join(f"{value:g}" for value in values)
