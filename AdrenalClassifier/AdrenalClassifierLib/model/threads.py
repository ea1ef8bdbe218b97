"""How many cores the network may use."""

from __future__ import annotations

from AdrenalClassifierLib.model.device import require_torch


def use_threads(count: int) -> None:
    """Let torch use ``count`` threads in this process, so that several processes share the cores of a machine.

    Raises:
        MissingDependencyError: torch is not installed.
    """
    require_torch()
    import torch

    torch.set_num_threads(max(count, 1))
