"""Results in the layout that Ahmed et al. (2025) published, one CSV file per network and run: read, and written."""
