"""A study's folder on disk: zarr, receipts of finished work, fingerprints, atomic writes."""
