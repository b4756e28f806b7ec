"""``python -m distributed_trf`` is ``dtrf``."""

from distributed_trf.cli.app import app

app()
