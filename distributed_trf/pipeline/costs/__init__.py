"""What items will take: counted, measured, and held against what workers have."""
