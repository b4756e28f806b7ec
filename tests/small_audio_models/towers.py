"""x."""

from tests.small_audio_models.kind import Kind

TOWERS: dict[str, Kind] = {}
