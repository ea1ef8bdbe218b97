"""Volume nodes as the library's CT: the same voxels in the same places, and sentences for what is no CT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from AdrenalClassifierLib.errors import GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.read import read_ct
from AdrenalClassifierLib.scene.grids import matrix_of
from AdrenalClassifierLib.scene.volumes import ct_of, geometry_key, problem_of, visible_ct, voxels_key
from support.scene_cases import GRIDS, SPACING, add_ct, body, vtk_matrix
from support.slicer_core import add_slice_view


@pytest.mark.parametrize("grid", GRIDS)
def test_a_volume_is_seen_as_the_library_reads_the_file_that_slicer_writes_of_it(scene: Any, grid: str, tmp_path: Any) -> None:
    node = add_ct(scene, grid)
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(tmp_path / "ct.nrrd"))
    assert storage.WriteData(node)
    from_file, from_node = read_ct(tmp_path / "ct.nrrd"), ct_of(node, "portal")
    assert from_node.phase == "portal"
    assert np.linalg.det(from_node.geometry.matrix[:, ::-1]) > 0
    if "left-handed" in grid:  # k is counted from the other end, as Slicer does when it reads the file
        last = from_file.geometry.shape[0] - 1
        far = from_file.geometry.to_world(np.array([last, 0, 0]))
        np.testing.assert_allclose(from_node.geometry.to_world(np.array([0, 0, 0])), far, atol=1e-5)
        np.testing.assert_array_equal(from_node.hu, from_file.hu[::-1])
    else:
        assert from_node.geometry.same_grid(from_file.geometry)
        np.testing.assert_array_equal(from_node.hu, from_file.hu)
        np.testing.assert_allclose(matrix_of(from_node.geometry), GRIDS[grid], atol=1e-5)
    assert np.shares_memory(from_node.hu, slicer.util.arrayFromVolume(node))


def test_the_world_is_lps(scene: Any) -> None:
    node = add_ct(scene, "oblique")
    ct = ct_of(node)
    ras = [0.0, 0.0, 0.0]
    slicer.util.arrayFromVolume(node)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    i, j, k = 7, 11, 3
    ras = matrix.MultiplyPoint([i, j, k, 1])[:3]
    np.testing.assert_allclose(ct.geometry.to_world(np.array([k, j, i])), [-ras[0], -ras[1], ras[2]], atol=1e-4)
    assert ct.geometry.spacing == pytest.approx(SPACING)


def test_a_linear_transform_above_the_volume_counts(scene: Any) -> None:
    node = add_ct(scene)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    turn[:3, 3] = 5.0, -7.0, 11.0
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(vtk_matrix(turn))
    before = geometry_key(node)
    node.SetAndObserveTransformNodeID(transform.GetID())
    under = ct_of(node).geometry
    assert geometry_key(node) != before
    np.testing.assert_allclose(matrix_of(under), turn @ GRIDS["axial"], atol=1e-5)
    node.HardenTransform()
    assert under.same_grid(ct_of(node).geometry)


def test_what_bends_or_shears_is_refused_with_a_way_out(scene: Any) -> None:
    node = add_ct(scene)
    bent = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    spline = vtk.vtkThinPlateSplineTransform()
    points = [vtk.vtkPoints() for _ in range(2)]
    for x, y, z in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (20, 30, 40)):
        points[0].InsertNextPoint(x, y, z)
        points[1].InsertNextPoint(x + y * y / 100, y, z)
    spline.SetSourceLandmarks(points[0])
    spline.SetTargetLandmarks(points[1])
    spline.SetBasisToR()
    bent.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(GeometryError, match="Harden the transform"):
        ct_of(node)
    shear = np.eye(4)
    shear[0, 1] = 0.2
    sheared = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    sheared.SetMatrixTransformToParent(vtk_matrix(shear))
    node.SetAndObserveTransformNodeID(sheared.GetID())
    with pytest.raises(GeometryError, match="not perpendicular"):
        ct_of(node)


def test_volumes_that_are_no_ct_are_refused_without_their_name(scene: Any) -> None:
    rng = np.random.default_rng(0)
    magnetic = add_ct(scene, voxels=rng.integers(0, 900, (20, 30, 30)).astype(np.int16), name="DOE^JANE brain")
    sentence = problem_of(magnetic)
    assert sentence is not None
    assert "Hounsfield" in sentence
    assert "DOE" not in sentence
    holes = body().astype(np.float32)
    holes[::2] = np.nan
    assert "not numbers" in str(problem_of(add_ct(scene, voxels=holes)))
    labelmap = slicer.util.addVolumeFromArray(body(), nodeClassName="vtkMRMLLabelMapVolumeNode")
    coloured = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6, 3), np.uint8), nodeClassName="vtkMRMLVectorVolumeNode")
    for node in (labelmap, coloured, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")):
        with pytest.raises(ImageReadError, match="Choose the CT"):
            ct_of(node)


def test_padding_is_said(scene: Any) -> None:
    voxels = body()
    voxels[:, :4] = -2048
    ct = ct_of(add_ct(scene, voxels=voxels))
    assert [notice.code for notice in ct.notices] == ["padding_replaced"]
    assert f"{100 * 4 / voxels.shape[1]:.2g} %" in ct.notices[0].text


def test_the_visible_ct_is_the_red_background_then_any_background_then_the_first_volume(scene: Any) -> None:
    assert visible_ct(scene) is None
    first, second, third = (add_ct(scene, name=name) for name in ("a", "b", "c"))
    assert visible_ct(scene) is first
    green, red = add_slice_view(scene, "Green"), add_slice_view(scene, "Red")
    green.SetBackgroundVolumeID(second.GetID())
    assert visible_ct(scene) is second
    red.SetBackgroundVolumeID(third.GetID())
    assert visible_ct(scene) is third
    labelmap = slicer.util.addVolumeFromArray(body(), nodeClassName="vtkMRMLLabelMapVolumeNode")
    red.SetBackgroundVolumeID(labelmap.GetID())
    assert visible_ct(scene) is second


def test_changed_voxels_change_the_key(scene: Any) -> None:
    node = add_ct(scene)
    before = voxels_key(node)
    assert voxels_key(node) == before
    slicer.util.arrayFromVolume(node)[3, 4, 5] = 77
    slicer.util.arrayFromVolumeModified(node)
    assert voxels_key(node) != before
