"""A MRML scene without 3D Slicer: the ``slicer-core`` package with the module logics that the application would have.

``boot()`` gives ``slicer`` the parts that the application adds (``slicer.mrmlScene``, ``slicer.modules``), once a process.
``VtkMessages`` collects what VTK writes instead of raising. The fixtures are made available by a suite's conftest.py.
"""

from __future__ import annotations

import gc
import json
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
import vtk

_LOGICS = {
    "Volumes": "vtkSlicerVolumesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
}
_kept: dict[str, Any] = {}


def boot() -> Any:
    """The process's MRML scene; made on the first call."""
    if "scene" in _kept:
        return _kept["scene"]
    folder = tempfile.TemporaryDirectory(prefix="slicer-core-")
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    application.SetModuleLogic("Colors", colors)
    slicer.mrmlScene = scene
    slicer.modules = getattr(slicer, "modules", None) or types.SimpleNamespace()
    slicer.modules.colors = types.SimpleNamespace(logic=lambda: colors)
    _kept.update(scene=scene, application=application, folder=folder, colors=colors)
    for name, kind in _LOGICS.items():
        logic = getattr(slicer, kind)()
        if name == "Terminologies":
            _write_terminologies(Path(folder.name))
            logic.SetModuleShareDirectory(folder.name)
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        application.SetModuleLogic(name, logic)
        setattr(slicer.modules, name.lower(), types.SimpleNamespace(logic=lambda logic=logic: logic))
        _kept[name] = logic
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    # What lets a scene be read from a bundle (.mrb).
    remote = slicer.vtkMRMLRemoteIOLogic()
    cache = Path(folder.name, "cache")
    cache.mkdir()
    (cache / ".slicer-cache").touch()  # newer cores clean up only a folder that is marked as theirs
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    remote.SetMRMLScene(scene)
    manager = slicer.vtkDataIOManagerLogic()
    manager.SetMRMLScene(scene)
    manager.SetMRMLApplicationLogic(application)
    manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.AddDataIOToScene()
    _kept.update(remote=remote, manager=manager)
    # The application's own singletons: colours, units, selection, interaction.
    scene.Clear(0)
    _kept["nodes"] = {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
    return scene


def application() -> Any:
    """The application's logic, which displayable managers need."""
    boot()
    return _kept["application"]


def _write_terminologies(folder: Path) -> None:
    """The application's three lists of codes, cut down to what an adrenal mass needs; the package does not ship them."""
    schema = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas"
    gland = {"CodingSchemeDesignator": "SCT", "CodeValue": "23451007", "CodeMeaning": "Adrenal gland"}
    sides = [
        {"CodingSchemeDesignator": "SCT", "CodeValue": value, "CodeMeaning": meaning}
        for value, meaning in (("24028007", "Right"), ("7771000", "Left"))
    ]
    mass = {
        "CodingSchemeDesignator": "SCT",
        "CodeValue": "4147007",
        "CodeMeaning": "Mass",
        "recommendedDisplayRGBValue": [144, 238, 144],
    }
    altered = {
        "CodingSchemeDesignator": "SCT",
        "CodeValue": "49755003",
        "CodeMeaning": "Morphologically Altered Structure",
        "showAnatomy": "true",
        "Type": [mass],
    }
    for name, shown in (
        (
            "SegmentationCategoryTypeModifier-SlicerGeneralAnatomy",
            "Segmentation category and type - 3D Slicer General Anatomy list",
        ),
        ("SegmentationCategoryTypeModifier-DICOM-Master", "Segmentation category and type - DICOM master list"),
    ):
        content: dict[str, Any] = {
            "@schema": f"{schema}/segment-context-schema.json#",
            "SegmentationCategoryTypeContextName": shown,
            "SegmentationCodes": {"Category": [altered]},
        }
        (folder / f"{name}.term.json").write_text(json.dumps(content), encoding="utf-8")
    regions = {
        "@schema": f"{schema}/anatomic-context-schema.json#",
        "AnatomicContextName": "Anatomic codes - DICOM master list",
        "AnatomicCodes": {"AnatomicRegion": [{**gland, "Modifier": sides}]},
    }
    (folder / "AnatomicRegionAndModifier-DICOM-Master.term.json").write_text(json.dumps(regions), encoding="utf-8")


def clear(scene: Any) -> None:
    """Close the scene as the application does, and take away the singletons that only a test has made."""
    scene.Clear(0)
    for node in [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]:
        if node is not None and node.GetID() not in _kept["nodes"]:
            scene.RemoveNode(node)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)


def add_slice_view(scene: Any, name: str = "Red") -> Any:
    """A slice view's nodes, as the layout manager makes them; returns the composite node."""
    view = scene.CreateNodeByClass("vtkMRMLSliceNode")
    view.UnRegister(None)
    view.SetSingletonTag(name)
    view.SetName(name)
    view.SetLayoutName(name)
    view.SetOrientation({"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}[name])
    scene.AddNode(view)
    composite = scene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
    composite.UnRegister(None)
    composite.SetSingletonTag(name)
    composite.SetLayoutName(name)
    return scene.AddNode(composite)


def save(scene: Any, path: Path) -> None:
    """Write the scene as a bundle (.mrb)."""
    if not scene.WriteToMRB(str(path), None):
        raise OSError(f"the scene could not be written to {path.name}")


def load(scene: Any, path: Path, *, close_first: bool = True) -> None:
    """Read a bundle (.mrb); ``close_first`` as File > Open does, else as adding a scene to the one at hand."""
    if close_first:
        scene.Clear(0)
    if not scene.ReadFromMRB(str(path), False):
        raise OSError(f"the scene could not be read from {path.name}")


class VtkMessages:
    """Collects VTK's errors and warnings while it is open; they go to a window and raise nothing."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._tags: list[int] = []
        self._window: Any = None

    def __enter__(self) -> VtkMessages:
        self._window = vtk.vtkOutputWindow.GetInstance()

        @vtk.calldata_type(vtk.VTK_STRING)
        def note(_caller: Any, _event: str, text: str) -> None:
            self.texts.append(text.strip())

        self._tags = [self._window.AddObserver(event, note) for event in ("ErrorEvent", "WarningEvent")]
        return self

    def __exit__(self, *_: object) -> None:
        for tag in self._tags:
            self._window.RemoveObserver(tag)


@pytest.fixture
def vtk_messages() -> Iterator[VtkMessages]:
    """What VTK says during a test; a test that expects a message clears ``texts``."""
    with VtkMessages() as messages:
        yield messages
        assert not messages.texts, "VTK reported:\n" + "\n".join(messages.texts)


@pytest.fixture
def scene(vtk_messages: VtkMessages) -> Iterator[Any]:
    """An empty scene; the test fails when VTK reports an error or a warning, also while it is closed."""
    nodes = boot()
    clear(nodes)
    gc.freeze()  # libraries as large as torch need not be searched again for what a test leaves behind
    yield nodes
    clear(nodes)
    # Slicer writes its errors through the same window, also late: let objects go first.
    gc.collect()
    assert not vtk_messages.texts, "VTK reported:\n" + "\n".join(vtk_messages.texts)
