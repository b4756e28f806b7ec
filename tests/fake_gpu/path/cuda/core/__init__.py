"""What dask-cuda asks of cuda.core, whose real one does not import without a driver's libraries."""


class Device:
    """The card."""

    def set_current(self):
        pass
