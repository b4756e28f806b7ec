"""x."""

from tests.small_audio_models.kind import Kind

CODECS: dict[str, Kind] = {}
