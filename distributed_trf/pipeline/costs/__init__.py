"""What items will take, counted before anything is spent."""
