"""What is missing for the probability is found without importing it, and installed only when somebody asked and agreed."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import types
from importlib import metadata
from typing import Any

import pytest
import slicer

from AdrenalClassifierLib.desktop import dependencies
from AdrenalClassifierLib.errors import MissingDependencyError


class Computer:
    """Which packages there are, and what was asked of the installers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there: dict[str, str] = {}
        self.calls: list[Any] = []
        self.agrees = True
        self.patch = monkeypatch
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in self.there else None)
        monkeypatch.setattr(metadata, "version", self._version)
        monkeypatch.delitem(sys.modules, "PyTorchUtils", raising=False)
        monkeypatch.setitem(sys.modules, "slicer.packaging", None)

    def _version(self, name: str) -> str:
        if name not in self.there:
            raise metadata.PackageNotFoundError(name)
        return self.there[name]

    def add_extension(self, fails: Exception | None = None) -> None:
        """The extension PyTorch, with the arguments that it has."""
        computer = self

        class PyTorchUtilsLogic:
            def installTorch(
                self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None,
                torchvisionVersionRequirement=None,
            ) -> Any:  # fmt: skip
                computer.calls.append(("torch", askConfirmation, torchVersionRequirement))
                if fails is not None:
                    raise fails
                if not computer.agrees:
                    return None
                computer.there["torch"] = "2.9.0+cpu"
                return object()

        module = types.ModuleType("PyTorchUtils")
        module.PyTorchUtilsLogic = PyTorchUtilsLogic  # type: ignore[attr-defined]
        self.patch.setitem(sys.modules, "PyTorchUtils", module)

    def add_packaging(self, fails: Exception | None = None) -> None:
        """Slicer 5.12's installer."""

        def pip_ensure(requirements: Any, constraints: Any = None, skip_packages: Any = None, prompt_install: bool = True,
                       prompt_restart: bool = True, requester: str | None = None, skip_in_testing: bool = True,
                       show_progress: bool = True) -> None:  # fmt: skip
            self.calls.append(("ensure", tuple(requirements), prompt_install, requester))
            if fails is not None:
                raise fails
            self.there["safetensors"] = "0.6.2"

        module = types.ModuleType("slicer.packaging")
        module.pip_ensure = pip_ensure  # type: ignore[attr-defined]
        self.patch.setitem(sys.modules, "slicer.packaging", module)

    def add_pip(self) -> None:
        """Slicer 5.10's."""

        def pip_install(requirements: str, **_: Any) -> None:
            self.calls.append(("pip", requirements))
            self.there["safetensors"] = "0.6.2"

        def confirm(text: str, windowTitle: Any = None, parent: Any = None) -> bool:
            self.calls.append(("confirm", text))
            return self.agrees

        self.patch.setattr(slicer.util, "pip_install", pip_install, raising=False)
        self.patch.setattr(slicer.util, "confirmOkCancelDisplay", confirm, raising=False)


@pytest.fixture
def computer(host: Any, monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(monkeypatch)


@pytest.fixture
def told() -> Any:
    topics: list[str] = []
    dependencies.installed.connect(topics.append)
    yield topics
    dependencies.installed.disconnect(topics.append)


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ({}, ("torch", "safetensors")),
        ({"torch": "2.5.0", "safetensors": "0.4.5"}, ()),
        ({"torch": "2.10.1+cu128", "safetensors": "1.0"}, ()),
        ({"torch": "2.4.1", "safetensors": "0.4.5"}, ("torch",)),
        ({"torch": "3.0.0a0+git1", "safetensors": "0.4.4"}, ("safetensors",)),
        ({"torch": "", "safetensors": "0.5"}, ("torch",)),
    ],
)
def test_what_is_missing(computer: Computer, there: dict[str, str], missing: tuple[str, ...]) -> None:
    computer.there = there
    assert dependencies.missing() == missing


def test_a_half_removed_package_is_missing(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    computer.there = {"torch": "2.9.0", "safetensors": "0.6.2"}

    def without_metadata(name: str) -> Any:
        if name == "torch":
            return None  # what importlib.metadata gives for a folder whose METADATA is gone
        return "0.6.2"

    monkeypatch.setattr(metadata, "version", without_metadata)
    assert dependencies.missing() == ("torch",)


def test_nothing_is_asked_when_nothing_is_missing(computer: Computer, told: list[str]) -> None:
    computer.there = {"torch": "2.9.0", "safetensors": "0.6.2"}
    computer.add_extension()
    assert dependencies.install() is True
    assert computer.calls == []
    assert told == []


@pytest.mark.parametrize("new", [True, False])
def test_torch_by_its_extension_and_the_rest_by_the_application(computer: Computer, told: list[str], new: bool) -> None:
    computer.add_extension()
    computer.add_packaging() if new else computer.add_pip()
    assert dependencies.install() is True
    assert computer.calls[0] == ("torch", True, ">=2.5")
    if new:
        assert computer.calls[1:] == [("ensure", ("safetensors>=0.4.5",), True, "Adrenal Classifier")]
    else:
        assert [call[0] for call in computer.calls[1:]] == ["confirm", "pip"]
        assert "safetensors>=0.4.5" in computer.calls[1][1]
    assert told == ["dependencies"]
    assert dependencies.missing() == ()


def test_without_the_extension_it_says_where_to_get_it(computer: Computer, told: list[str]) -> None:
    computer.add_packaging()
    with pytest.raises(MissingDependencyError, match="Install the extension PyTorch in the Extensions Manager"):
        dependencies.install()
    assert computer.calls == []
    assert told == []


def test_a_torch_that_is_there_is_never_replaced(computer: Computer) -> None:
    computer.there = {"torch": "2.1.0"}
    computer.add_extension()
    computer.add_packaging()
    with pytest.raises(MissingDependencyError, match="too old or incomplete"):
        dependencies.install()
    assert computer.calls == []


def test_who_declines_gets_nothing(computer: Computer, told: list[str]) -> None:
    computer.add_extension()
    computer.add_pip()
    computer.agrees = False
    assert dependencies.install() is False
    assert [call[0] for call in computer.calls] == ["torch"]
    computer.there["torch"] = "2.9.0"
    assert dependencies.install() is False
    assert [call[0] for call in computer.calls] == ["torch", "confirm"]
    computer.add_packaging(RuntimeError("User declined"))
    assert dependencies.install() is False
    assert told == []


def test_what_fails_is_one_sentence(computer: Computer) -> None:
    computer.add_extension(ValueError("https://user:secret@host"))
    with pytest.raises(MissingDependencyError, match=r"^PyTorch could not be installed\. Check"):
        dependencies.install()
    computer.there["torch"] = "2.9.0"
    computer.add_packaging(OSError("/home/jane"))
    with pytest.raises(MissingDependencyError, match=r"^safetensors>=0.4.5 could not be installed\. Check the network"):
        dependencies.install()


def test_looking_loads_nothing() -> None:
    code = (
        "import sys, types\n"
        "sys.modules['slicer'] = types.ModuleType('slicer')\n"
        "from AdrenalClassifierLib.desktop import dependencies\n"
        "print(dependencies.missing(), [n for n in ('torch', 'safetensors') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "() []"
