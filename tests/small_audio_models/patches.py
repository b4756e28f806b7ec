"""x."""

from tests.small_audio_models.kind import Kind

PATCHES: dict[str, Kind] = {}
