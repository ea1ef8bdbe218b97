"""Several processes on one run: the ranks that PyTorch's own launcher (``torchrun``) starts.

Ranks share work by position and meet at barriers; what they make they leave in the workspace folder, which all of them must see.
Started without torchrun, a run is one rank.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

Item = TypeVar("Item")
LONGEST_WAIT = timedelta(hours=12)
"""For a rank at a barrier: another one may still train."""


@dataclass(frozen=True)
class Launch:
    """This process among its fellows.

    Attributes:
        rank: from 0; rank 0 speaks and writes the result.
        world: number of processes.
        meet: returns once every rank has called it.
    """

    rank: int = 0
    world: int = 1
    meet: Callable[[], object] = lambda: None

    def share(self, items: Sequence[Item]) -> list[Item]:
        """The part of ``items`` that falls to this rank."""
        return list(items[self.rank :: self.world])


@contextlib.contextmanager
def launched() -> Iterator[Launch]:
    """The ranks of a run under torchrun, else a single one. Each rank takes the graphics card of its local number."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:
        yield Launch()
        return
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    # Only barriers are needed; gloo has them on every machine.
    distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
    try:
        yield Launch(distributed.get_rank(), distributed.get_world_size(), distributed.barrier)
    finally:
        distributed.destroy_process_group()
