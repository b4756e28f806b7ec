"""Settings that users write: found, read and checked."""
