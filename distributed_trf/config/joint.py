"""Settings of analyses that fit several feature spaces as one model, each space with its own penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from distributed_trf.config.fields import Name
from distributed_trf.config.spaces import BETWEEN, AnalysisSettings, Spaces, SpaceSettings, numbers


class TogetherSettings(AnalysisSettings):
    """Several layers of a network as one model."""

    branches = {"together": "together"}
    network: Name
    """One of ``networks``."""
    layers: Literal["all"] | list[Annotated[int, Field(ge=0)]] = "all"
    """Ids of the layers that are fitted as one model."""
    bands: Literal["none", "layer"] = "layer"
    """One penalty for all layers, or one for each (banded ridge)."""
    candidates: Annotated[int, Field(ge=1)] = 100
    """Band weights to try; the first is equal weights."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the band weights."""

    @property
    def named_spaces(self) -> Sequence[SpaceSettings]:
        """Layers that must be among those of the study."""
        return (SpaceSettings(network=self.network, layers=self.layers or "all"),)

    @property
    def subject(self) -> tuple[str, ...]:
        """What is analysed; a study may list each subject once."""
        return (self.network,)

    def summary(self) -> tuple[str, str]:
        """Say in a report what is analysed, and how."""
        layers = "all layers" if self.layers == "all" else f"layers {numbers(self.layers)}"
        return f"{self.network}, layers together", f"{layers}; bands: {self.bands}; {self.candidates} candidates"


class SpacesSettings(AnalysisSettings):
    """An analysis of several feature spaces, under a name."""

    name: Name
    """In results, figures and folders."""
    spaces: Spaces
    """Feature spaces: networks of the study, or mappings with their layers and weights."""
    candidates: Annotated[int, Field(ge=1)] = 100
    """Weights of the spaces to try; the first is equal weights."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of these weights."""

    @property
    def named_spaces(self) -> Sequence[SpaceSettings]:
        """Networks, layers and weights that must be among those of the study."""
        return list(self.spaces.values())

    @property
    def subject(self) -> tuple[str, ...]:
        """What is analysed; a study may list each subject once."""
        return (self.name,)

    def summary(self) -> tuple[str, str]:
        """Say in a report what is analysed, and how."""
        spaces = "; ".join(f"{label}: {space.words}" for label, space in self.spaces.items())
        return f"{self.name}, {', '.join(self.branches)}", f"{spaces}; {self.candidates} candidates"


class JointSettings(SpacesSettings):
    """Feature spaces of several networks as one model."""

    branches = {"joint": "joint"}
    bands: Literal["none", "space"] = "space"
    """One penalty for all spaces, or one for each (banded ridge)."""


class PartitionSettings(SpacesSettings):
    """Variance that is unique to feature spaces, and that they share."""

    branches = {"partition": "partition"}
    subsets: Literal["all"] | Annotated[list[list[str]], Field(min_length=1)] = "all"
    """Which subsets of the spaces to fit, by their labels. What takes a subset that is not fitted is NaN."""

    @model_validator(mode="after")
    def _subsets_fit(self) -> PartitionSettings:
        labels = list(self.spaces)
        if len(labels) < 2:
            raise ValueError(f"{labels[0]} is the only feature space; expected two or more to compare")
        for subset in [] if self.subsets == "all" else self.subsets:
            unknown = [label for label in subset if label not in labels]
            if unknown or not subset:
                raise ValueError(
                    f"subsets: [{', '.join(subset)}] is not among the spaces; expected one or more of "
                    f"{', '.join(labels)}"
                )
        twice = {names for names in self.chosen if self.chosen.count(names) > 1}
        if twice:
            raise ValueError(f"subsets: {', '.join(sorted(map(BETWEEN.join, twice)))} is there twice; list it once")
        return self

    @property
    def chosen(self) -> list[tuple[str, ...]]:
        """The subsets that are listed, their labels in the order of the spaces; empty for all subsets."""
        if self.subsets == "all":
            return []
        return [tuple(label for label in self.spaces if label in subset) for subset in self.subsets]


class BeyondSettings(SpacesSettings):
    """What each layer of the study adds to some feature spaces."""

    branches = {"beyond": "beyond"}
    candidates: Annotated[int, Field(ge=1)] = 20
    """Weights of the spaces and the layer to try; the first is equal weights."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, content: Any) -> Any:
        """Name it by the labels of its spaces."""
        if isinstance(content, dict) and "name" not in content and isinstance(content.get("spaces"), list | dict):
            spaces = content["spaces"]
            labels = [str(s.get("network")) if isinstance(s, dict) else str(s) for s in spaces]
            return {"name": "-".join(labels), **content}
        return content


def _of_names(beyond: Any) -> Any:
    """Take a list of names of networks as one analysis, beyond all of them."""
    if isinstance(beyond, list) and beyond and all(isinstance(entry, str) for entry in beyond):
        return [{"spaces": beyond}]
    return beyond


Beyond = Annotated[list[BeyondSettings], BeforeValidator(_of_names)]
"""Analyses; a list of names of networks is one, beyond all of them."""
