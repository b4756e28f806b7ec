"""Recordings of any laboratory, as wav files with CSV tables or NWB files."""
