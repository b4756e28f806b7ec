"""The squirrel monkey recordings of Zenodo 10.5281/zenodo.16175377."""
