"""Recordings of neurons that are known, to try everything on."""
