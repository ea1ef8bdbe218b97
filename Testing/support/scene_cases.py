"""Small CTs with lesions as MRML nodes, on grids of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from numpy.typing import NDArray

SHAPE = (44, 120, 130)
SPACING = (2.5, 1.1, 0.9)

GRIDS: dict[str, NDArray[np.float64]] = {}
"""Matrices from (i, j, k) to RAS by name: the usual axial CT, an oblique one, left-handed ones."""


def _matrix(columns: NDArray[np.float64], origin: tuple[float, float, float]) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = columns * np.array(SPACING[::-1])
    matrix[:3, 3] = origin
    return matrix


def _turn(axis: int, degrees: float) -> NDArray[np.float64]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b = [n for n in range(3) if n != axis]
    turn = np.eye(3)
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
    return turn


_AXIAL = np.diag([-1.0, -1.0, 1.0])
GRIDS["axial"] = _matrix(_AXIAL, (60.0, 55.0, -40.0))
GRIDS["oblique"] = _matrix(_turn(0, 17.0) @ _turn(2, -9.0) @ _turn(1, 5.5) @ _AXIAL, (61.3, 52.7, -38.1))
GRIDS["left-handed"] = _matrix(np.diag([-1.0, -1.0, -1.0]), (60.0, 55.0, 70.0))
GRIDS["left-handed oblique"] = _matrix(_turn(1, 21.0) @ _turn(0, -12.0) @ np.diag([1.0, -1.0, 1.0]), (-50.0, 60.0, -45.0))


def vtk_matrix(values: NDArray[np.float64]) -> Any:
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, float(values[row, column]))
    return matrix


def body(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> NDArray[np.int16]:
    """Air around fat around soft tissue, with noise, in HU."""
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    away = np.hypot((j - shape[1] / 2) / (shape[1] / 2), (i - shape[2] / 2) / (shape[2] / 2)) + 0.0 * k
    hu = np.where(away > 0.9, -1000, np.where(away > 0.75, -100, 45))
    return np.maximum(hu + np.random.default_rng(seed).normal(0, 8, shape), -1024).astype(np.int16)


def add_ct(scene: Any, grid: str = "axial", voxels: NDArray[Any] | None = None, name: str = "CT") -> Any:
    """A volume node."""
    array = body() if voxels is None else voxels
    node = slicer.util.addVolumeFromArray(array, name=name, nodeClassName="vtkMRMLScalarVolumeNode")
    node.SetIJKToRASMatrix(vtk_matrix(GRIDS[grid]))
    node.CreateDefaultDisplayNodes()
    return node


def ball(shape: tuple[int, int, int], centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray[np.bool_]:
    """An ellipsoid in voxels."""
    axes = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True)) <= 1.0


def put(segmentation: Any, segment_id: str, mask: NDArray[np.bool_], matrix: NDArray[np.float64]) -> None:
    """Write a whole mask into a segment through Slicer's own logic; ``matrix`` leads from its (i, j, k) to the node's RAS."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*mask.shape[::-1])
    image.SetImageToWorldMatrix(vtk_matrix(matrix))
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(mask.astype(np.uint8).ravel(), deep=True))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(image, segmentation, segment_id, logic.MODE_REPLACE)


def exported(scene: Any, segmentation: Any, segment_id: str, ct: Any) -> NDArray[np.bool_]:
    """A segment on the CT's grid as Slicer itself exports it, (k, j, i)."""
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    slicer.vtkSlicerSegmentationsModuleLogic.ExportSegmentsToLabelmapNode(segmentation, [segment_id], labelmap, ct)
    voxels = slicer.util.arrayFromVolume(labelmap).copy() > 0
    colours = labelmap.GetDisplayNode().GetColorNode() if labelmap.GetDisplayNode() else None
    scene.RemoveNode(labelmap)
    if colours is not None and colours.GetID() not in ("vtkMRMLColorTableNodeFileGenericColors.txt",):
        scene.RemoveNode(colours)
    return voxels


def under_patient(scene: Any, name: str, *volumes: Any) -> None:
    """Volumes under a patient and a study, as the application puts what it loads from DICOM."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = tree.CreateSubjectItem(tree.GetSceneItemID(), name)
    study = tree.CreateStudyItem(patient, "Study")
    for volume in volumes:
        tree.CreateItem(study, volume)
