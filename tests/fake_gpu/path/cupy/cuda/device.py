"""cupy.cuda.device: the one card."""

import fake_card as card


class Device:
    """The card."""

    compute_capability = "90"

    def __init__(self, device=None) -> None:
        self.id = 0 if device is None else int(device)
        if self.id:
            from .runtime import CUDARuntimeError

            raise CUDARuntimeError(101)

    def use(self):
        pass

    def synchronize(self):
        card.count("syncs", of="device")
        card.finish_all()

    @property
    def mem_info(self):
        return card.free(), card.limit

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"<CUDA Device {self.id}>"
