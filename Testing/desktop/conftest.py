"""The desktop host's tests run in the stand-in for 3D Slicer."""

from standin.plugin import fake_worker, host, module

__all__ = ["fake_worker", "host", "module"]
