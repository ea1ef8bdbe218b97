"""``doctor``: what is installed, where the network would run, whether the model is whole, and how to get what is missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.bundle import load_bundle
from AdrenalClassifierLib.model.device import choose_device
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from AdrenalClassifierLib.version import __version__

# package -> (what it is for, how to get it)
PACKAGES = {
    "numpy": ("everything", "pip install adrenal-classifier"),
    "scipy": ("everything", "pip install adrenal-classifier"),
    "SimpleITK": ("reading images", "pip install adrenal-classifier"),
    "pydicom": ("reading DICOM", "pip install adrenal-classifier"),
    "pillow": ("the report's pictures", "pip install adrenal-classifier"),
    "torch": ("the probability", "pip install 'adrenal-classifier[torch]'"),
    "safetensors": ("the probability", "pip install 'adrenal-classifier[torch]'"),
    "highdicom": ("DICOM SEG masks", "pip install 'adrenal-classifier[dicom]'"),
    "scikit-learn": ("training", "pip install 'adrenal-classifier[train]'"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="check this bundle instead of the bundled one")
    parser.add_argument("--json", action="store_true", help="print the machine-readable result alone on stdout")


def run(options: argparse.Namespace) -> None:
    """Print the findings. A missing optional package is a finding; a damaged model is an error (exit code 2)."""
    findings = examine(options.model)
    print(json.dumps(findings, indent=2) if options.json else as_text(findings))
    if not findings["model"]["whole"] and findings["packages"]["safetensors"]["version"]:
        raise AdrenalError(findings["model"]["problem"])


def examine(model: Path | None = None) -> dict[str, Any]:
    """The findings as a JSON object: software, python, packages, device, model."""
    packages = {
        name: {"version": _version(name), "needed_for": purpose, "get_it": command}
        for name, (purpose, command) in PACKAGES.items()
    }
    device: dict[str, Any] = {"name": None, "problem": None}
    try:
        device["name"] = str(choose_device("auto"))
    except AdrenalError as error:
        device["problem"] = str(error)
    found: dict[str, Any] = {"whole": False, "problem": None}
    try:
        bundle = load_bundle(model or resource("Models", DEFAULT_MODEL))
        found |= {
            "whole": True,
            "name": bundle.name,
            "version": bundle.version,
            "weights_sha256": bundle.weights_sha256,
            "statement": bundle.statement,
        }
    except AdrenalError as error:
        found["problem"] = str(error)
    return {
        "software_version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "device": device,
        "model": found,
    }


def as_text(findings: dict[str, Any]) -> str:
    """The findings for a person."""
    lines = [f"adrenal-classifier {findings['software_version']}, Python {findings['python']}, {findings['platform']}", ""]
    for name, item in findings["packages"].items():
        if item["version"]:
            lines.append(f"  ok       {name} {item['version']}")
        else:
            lines.append(f"  missing  {name}, needed for {item['needed_for']}: {item['get_it']}")
    device, model = findings["device"], findings["model"]
    lines += ["", f"  device   {device['name']}" if device["name"] else f"  device   none: {device['problem']}"]
    if model["whole"]:
        lines.append(f"  model    {model['name']} {model['version']}, checksums verified, weights {model['weights_sha256']}")
        lines.append(f"           {model['statement']}")
    else:
        lines.append(f"  model    not usable: {model['problem']}")
    return "\n".join(lines)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
