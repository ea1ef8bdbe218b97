"""The fixture itself: what VTK reports is caught, and every test begins with an empty scene."""

from __future__ import annotations

from typing import Any

import vtk

from support.slicer_core import VtkMessages, add_slice_view, clear


def test_errors_and_warnings_of_vtk_are_caught(scene: Any, vtk_messages: VtkMessages) -> None:
    scene.AddNewNodeByClass("vtkMRMLNoSuchNode")
    vtk.vtkOutputWindow.GetInstance().DisplayWarningText("beware")
    assert any("vtkMRMLNoSuchNode" in text for text in vtk_messages.texts)
    assert "beware" in vtk_messages.texts
    vtk_messages.texts.clear()


def test_what_a_test_adds_is_gone_after_it(scene: Any) -> None:
    before = scene.GetNumberOfNodes()
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    add_slice_view(scene)
    clear(scene)
    assert scene.GetNumberOfNodes() == before
