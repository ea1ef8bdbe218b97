"""Choose where the network runs, and go on when that place has no memory left."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from AdrenalClassifierLib.errors import AdrenalError, MissingDependencyError
from AdrenalClassifierLib.notices import Notice

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cuda", "mps", "cpu"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)
Result = TypeVar("Result")


def require_torch() -> None:
    """Raise MissingDependencyError, with the way to get it, when torch cannot be imported."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "The probability needs the package torch, which is not installed. "
            "Install it with: pip install 'adrenal-classifier[torch]'. Everything else works without it."
        ) from error


def choose_device(name: DeviceName = "auto") -> torch.device:
    """The torch device for ``name``; ``auto`` takes cuda, then mps, then cpu.

    Raises:
        AdrenalError: the device was asked for by name and does not exist on this machine.
        MissingDependencyError: torch is not installed.
    """
    require_torch()
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available.get(name, False):
        there = ", ".join(kind for kind, yes in available.items() if yes)
        raise AdrenalError(f"The device '{name}' is not available on this machine (available: {there}). Use --device auto.")
    return torch.device(name)


def run_with_fallback(
    device: torch.device, work: Callable[[torch.device], Result]
) -> tuple[Result, torch.device, tuple[Notice, ...]]:
    """Run ``work`` on ``device``; when its memory is exhausted, free it and run once more on the CPU.

    Returns:
        The result, the device it was computed on, and a Notice when that is not the one asked for.
    """
    import torch

    try:
        return work(device), device, ()
    except RuntimeError as error:
        # CUDA raises torch.OutOfMemoryError, a RuntimeError; Metal a plain RuntimeError with the same words.
        if device.type == "cpu" or "out of memory" not in str(error).lower():
            raise
    if device.type == "cuda":
        torch.cuda.empty_cache()
    cpu = torch.device("cpu")
    notice = Notice("gpu_out_of_memory", "The graphics card had no memory left; the result was computed on the CPU.")
    return work(cpu), cpu, (notice,)
