"""Spectrograms, each from its published description."""
