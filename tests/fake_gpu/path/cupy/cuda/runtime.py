"""cupy.cuda.runtime: what the driver tells."""

import fake_card as card


class CUDARuntimeError(RuntimeError):
    """An error of CUDA by its number."""

    def __init__(self, status: int) -> None:
        self.status = status
        names = {2: "cudaErrorMemoryAllocation: out of memory", 100: "cudaErrorNoDevice: no CUDA-capable device is "
                 "detected", 101: "cudaErrorInvalidDevice: invalid device ordinal"}  # fmt: skip
        super().__init__(names.get(status, f"error {status}"))


def memGetInfo():
    return card.free(), card.limit


def getDeviceCount():
    return 1


def getDevice():
    return 0


def setDevice(device):
    if device:
        raise CUDARuntimeError(101)


def getDeviceProperties(device):
    return {"name": card.NAME.encode(), "totalGlobalMem": card.limit, "major": 9, "minor": 0}


def driverGetVersion():
    return 13000


def runtimeGetVersion():
    return 12090


def deviceSynchronize():
    card.count("syncs", of="device")
    card.finish_all()
