"""What came out, as one labelled dataset, and tables of it."""
