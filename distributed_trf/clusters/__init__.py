"""A recipe to running workers."""
