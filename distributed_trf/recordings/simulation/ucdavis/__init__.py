"""Writing simulated recordings in the layout of the UC Davis recordings."""
