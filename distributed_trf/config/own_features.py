"""How files of one's own features are read: the ``config`` of a network table of family ``table``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from distributed_trf.config.fields import Seconds
from distributed_trf.config.load import Settings


class FileSettings(Settings):
    """What arrays and events have in common."""

    tolerance: Annotated[Seconds, Field(ge=0)] = 0.0
    """Seconds by which a file may be longer or shorter than its sound; one frame always."""

    def identity(self) -> Mapping[str, object]:
        """Return what determines the features, as JSON values; the tolerance only decides what is refused."""
        return self.model_dump(exclude={"tolerance"})


class ArraySettings(FileSettings):
    """Arrays of frames x features, one for each stimulus."""

    start: Seconds = 0.0
    """Seconds from the onset of the sound to the first frame; below 0 where the file begins before it."""


class EventSettings(FileSettings):
    """Events with times, such as phonemes or words, that become a column for each label."""

    labels: Annotated[list[str], Field(min_length=1)]
    """The labels in the order of their columns."""
    mark: Literal["onset", "span"] = "onset"
    """``onset``: a frame has the sum of the values of the events that begin in it. ``span``: the mean over the frame
    of a signal that is the value from an event's onset to its offset and 0 elsewhere. A value is 1 where none is
    given."""
    others: Literal["refuse", "ignore"] = "refuse"
    """What is done with events of other labels."""

    @field_validator("labels", mode="before")
    @classmethod
    def _as_text(cls, labels: Any) -> Any:
        if isinstance(labels, list) and (wrong := [x for x in labels if not isinstance(x, str)]):
            raise ValueError(f"{wrong[0]!r} is no text; put labels that look like numbers or words of YAML in quotes")
        return labels

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: list[str]) -> list[str]:
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: named twice; name each label once")
        return labels


def as_own_features(config: Mapping[str, object]) -> ArraySettings | EventSettings:
    """Read the ``config`` of a table; one with ``labels`` or how to mark them is of events.

    Raises
    ------
    ValueError
        If a field or value is not known.
    """
    of_events = bool(config.keys() & (EventSettings.model_fields.keys() - FileSettings.model_fields.keys()))
    kind = EventSettings if of_events else ArraySettings
    try:
        return kind.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in ("config", *first["loc"]))
        known = ", ".join(kind.model_fields)
        raise ValueError(f"{field}: {first['msg'].removeprefix('Value error, ')}; known fields: {known}") from None
