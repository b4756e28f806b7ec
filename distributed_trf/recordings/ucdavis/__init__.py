"""The macaque recordings of the University of California, Davis."""
