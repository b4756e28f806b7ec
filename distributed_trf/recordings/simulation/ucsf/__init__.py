"""Writing simulated recordings in the layout of the published UCSF recordings."""
