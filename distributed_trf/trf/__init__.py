"""The mathematics of time-lagged ridge regression, on arrays: no files, no cluster."""
