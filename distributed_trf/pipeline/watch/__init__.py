"""Watching a run: its events, and who listens to them."""
