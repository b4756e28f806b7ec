"""Sound to frames: networks, spectrograms and their weights."""
