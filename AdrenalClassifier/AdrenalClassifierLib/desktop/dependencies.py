"""Packages that only the probability needs: what is missing, and how it is installed, on a click and never otherwise.

torch comes through the PyTorch extension, which knows which build fits the graphics card. One that is there is never replaced.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from importlib import metadata
from typing import Any

import slicer

from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.errors import MissingDependencyError
from AdrenalClassifierLib.scene.signal import Signal

TORCH = "torch"
LEAST: dict[str, str] = {TORCH: "2.5", "safetensors": "0.4.5"}
"""Package -> least version, as in the distribution's extra "torch"."""

installed = Signal()
"""Called after something was installed: a process that runs does not know it yet."""


def missing() -> tuple[str, ...]:
    """Names of packages that are absent or too old for the probability; nothing is imported to find out."""
    return tuple(name for name, least in LEAST.items() if not _is_there(name, least))


def install(parent: Any = None) -> bool:
    """Install what is missing, after asking; call it for a click only.

    Args:
        parent: widget over which questions are asked.

    Returns:
        True when everything is there now, False when the user declined.

    Raises:
        MissingDependencyError: it cannot be installed; one sentence says what to do.
    """
    wanted = missing()
    if not wanted:
        return True
    if TORCH in wanted and not _install_torch(parent):
        return False
    others = [f"{name}>={LEAST[name]}" for name in missing() if name != TORCH]
    if others and not _install_others(others, parent):
        return False
    importlib.invalidate_caches()
    installed("dependencies")
    still = missing()
    if still:
        text = _("{packages} could not be installed. Look into the application's log, then try again.").format(
            packages=", ".join(still)
        )
        raise MissingDependencyError(text)
    return True


def _is_there(name: str, least: str) -> bool:
    try:
        if importlib.util.find_spec(name) is None:
            return False
        return _numbers(metadata.version(name)) >= _numbers(least)
    except (ImportError, ValueError, metadata.PackageNotFoundError):
        return False


def _numbers(version: str | None) -> tuple[int, ...]:
    """``2.5.1+cu121`` as (2, 5, 1)."""
    found = re.match(r"\d+(\.\d+)*", version or "")
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _install_torch(parent: Any) -> bool:
    if importlib.util.find_spec(TORCH) is not None:
        raise MissingDependencyError(
            _("The installed package torch is too old or incomplete; version {version} or later is needed. "
              "Update it in the module PyTorch Utils, then restart the application.").format(version=LEAST[TORCH])
        )  # fmt: skip
    try:
        utilities = importlib.import_module("PyTorchUtils")
    except ImportError as error:
        raise MissingDependencyError(
            _("The probability needs PyTorch. Install the extension PyTorch in the Extensions Manager, restart the application "
              "and press Install again.")
        ) from error  # fmt: skip
    try:
        found = utilities.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=f">={LEAST[TORCH]}")
    except Exception as error:  # the extension lets everything through that pip or the network raise
        raise MissingDependencyError(
            _("PyTorch could not be installed. Check the network and the space left on the disk, then try again.")
        ) from error
    return found is not None


def _install_others(requirements: list[str], parent: Any) -> bool:
    """Through the application's own installer; False when the user declined."""
    names = ", ".join(requirements)
    try:
        try:
            packaging = importlib.import_module("slicer.packaging")
        except ImportError:  # before 5.12
            question = _("The probability needs these packages: {packages}. Install them now?").format(packages=names)
            if not slicer.util.confirmOkCancelDisplay(question, parent=parent):
                return False
            slicer.util.pip_install(" ".join(requirements))
            return True
        try:
            packaging.pip_ensure(requirements, requester="Adrenal Classifier")
        except RuntimeError:  # declined
            return False
        return True
    except Exception as error:  # pip's own errors are of many kinds
        raise MissingDependencyError(
            _("{packages} could not be installed. Check the network, then try again.").format(packages=names)
        ) from error
