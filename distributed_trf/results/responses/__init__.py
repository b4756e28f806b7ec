"""Beyond correlations: saved models, predictions, and the distributions behind a normaliser."""
