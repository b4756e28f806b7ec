"""Model types that take no sound, or whose hearing cannot be run alone."""

REASONS: dict[str, str] = {}
"""By model type."""
