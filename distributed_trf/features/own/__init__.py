"""Features of one's own: arrays and events in files, one piece for each stimulus."""
