"""What the items of each stage do."""
