"""One GPU, as nvidia-ml-py tells dask-cuda of it."""

import os
import types

NVML_DEVICE_MIG_DISABLE = 0
NVML_DEVICE_MIG_ENABLE = 1


class NVMLError(Exception):
    """What went wrong."""


NVMLError_NotSupported = type("NVMLError_NotSupported", (NVMLError,), {})
NVMLError_Unknown = type("NVMLError_Unknown", (NVMLError,), {})
NVMLError_LibraryNotFound = type("NVMLError_LibraryNotFound", (NVMLError,), {})
NVMLError_DriverNotLoaded = type("NVMLError_DriverNotLoaded", (NVMLError,), {})
NVMLError_InvalidArgument = type("NVMLError_InvalidArgument", (NVMLError,), {})
_MEMORY = types.SimpleNamespace(total=80 << 30, used=1 << 30, free=79 << 30)


def _none_of_it(handle):
    raise NVMLError_NotSupported


_ALL = sum(1 << k for k in os.sched_getaffinity(0) if k < 64)
nvmlInit = nvmlShutdown = lambda: None
nvmlSystemGetDriverVersion = lambda: "580.00"  # noqa: E731
nvmlDeviceGetCount = lambda: 1  # noqa: E731
nvmlDeviceGetHandleByIndex = lambda index: ("gpu", int(index))  # noqa: E731
nvmlDeviceGetHandleByUUID = lambda uuid: ("gpu", 0)  # noqa: E731
nvmlDeviceIsMigDeviceHandle = lambda handle: False  # noqa: E731
nvmlDeviceGetMemoryInfo = lambda handle: _MEMORY  # noqa: E731
nvmlDeviceGetCpuAffinity = lambda handle, n: [_ALL] + [0] * (n - 1)  # noqa: E731
nvmlDeviceGetMigMode = _none_of_it
nvmlDeviceGetUUID = lambda handle: "GPU-00000000-0000-0000-0000-000000000000"  # noqa: E731
nvmlDeviceGetName = lambda handle: "Fake H100"  # noqa: E731
nvmlDeviceGetUtilizationRates = lambda handle: types.SimpleNamespace(gpu=0, memory=0)  # noqa: E731
nvmlDeviceGetComputeRunningProcesses = nvmlDeviceGetComputeRunningProcesses_v2 = lambda handle: []
