"""What the recorded responses themselves allow, on arrays."""
