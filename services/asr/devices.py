"""Where a model runs: the device of a setting, and the precision that suits it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.asr.engine import EngineError, Precision

#: Threads on a CPU at most.
CPU_THREADS: Final = 16


def device_of(name: str) -> torch.device:
    """The torch device of a setting: `auto` (a GPU when there is one), `cpu` or `cuda:N`.

    Raises:
        EngineError: There is no such device.
    """
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as failure:
        raise EngineError(f"device {name!r}: {failure}") from failure
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EngineError(
            f"device {name!r} is not there: this machine has {torch.cuda.device_count()} GPUs that torch can use"
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
        # TF32 would round products to 10 bits, and float32 would no longer be what texts are checked against.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return device


def threads_of(device: torch.device) -> int:
    """How many batches are at work at once: one for each core of a CPU, two on a GPU (see `batching.run`)."""
    return min(CPU_THREADS, cores()) if device.type == "cpu" else 2


def cores() -> int:
    """Cores that this process may use: a container has fewer than its host, by affinity or by its share of time."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # control groups, version 2: "QUOTA PERIOD", or "max PERIOD"
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def precision_of(name: Precision, device: torch.device) -> torch.dtype:
    """The dtype of a setting; `auto` is float16 on a GPU (eight times finer than bfloat16, as fast), else float32."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)  # noqa: S101 - the setting allows only names of dtypes
    return dtype


def on(device: torch.device, values: Tensor | NDArray[np.float32]) -> Tensor:
    """The values on a device; from pinned memory, so that the copy goes on beside the CPU's work."""
    tensor = torch.as_tensor(values)
    if device.type != "cuda" or tensor.device.type == "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def on_device(device: torch.device) -> AbstractContextManager[Any]:
    """Makes it the current device of this thread: events and streams are of the current one."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def to_host(*values: Tensor) -> Callable[[], Sequence[Tensor]]:
    """Starts copying to the CPU; what it returns waits until everything has arrived."""
    if values[0].device.type != "cuda":
        return lambda: values
    landing = [torch.empty(value.shape, dtype=value.dtype, pin_memory=True) for value in values]
    for place, value in zip(landing, values, strict=True):
        place.copy_(value, non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def arrived() -> Sequence[Tensor]:
        done.synchronize()
        return landing

    return arrived
