"""Segments as lesions: voxel for voxel what Slicer itself exports, on any grid, from shared labelmaps, under transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from AdrenalClassifierLib.errors import GeometryError, MaskError
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.grids import matrix_of
from AdrenalClassifierLib.scene.masks import (
    add_lesion_segment,
    lesion_number,
    new_segmentation,
    set_segment_side,
    terminology_entry,
    write_mask,
)
from AdrenalClassifierLib.scene.segments import segment_of, side_stated, terminology_of
from AdrenalClassifierLib.scene.volumes import ct_of
from support.scene_cases import GRIDS, SHAPE, add_ct, ball, exported, put, vtk_matrix

CENTRE, RADII = (20.0, 60.0, 50.0), (6.0, 14.0, 17.0)


def case_with(scene: Any, ct: Any, segmentation: Any) -> Case:
    case = Case(scene)
    case.ct, case.segmentation = ct, segmentation
    return case


def on_ct_grid(case: Case, segment_id: str) -> np.ndarray:
    """The lesion's mask in the whole CT, as the node counts its voxels."""
    lesion, whole = case.lesion(segment_id), ct_of(case.ct)
    start = np.rint(whole.geometry.to_index(np.asarray(lesion.geometry.origin))).astype(int)
    full = np.zeros(whole.geometry.shape, bool)
    full[tuple(slice(a, a + n) for a, n in zip(start, lesion.mask.shape, strict=True))] = lesion.mask
    np.testing.assert_array_equal(
        lesion.ct, whole.hu[tuple(slice(a, a + n) for a, n in zip(start, lesion.mask.shape, strict=True))]
    )
    matrix = vtk.vtkMatrix4x4()
    case.ct.GetIJKToRASMatrix(matrix)
    return full if matrix.Determinant() > 0 else full[::-1]


@pytest.mark.parametrize("grid", GRIDS)
def test_a_lesion_is_what_slicer_exports(scene: Any, grid: str) -> None:
    ct = add_ct(scene, grid)
    segmentation = new_segmentation(scene, ct)
    segment_id = add_lesion_segment(segmentation, "left")
    mask = ball(SHAPE, CENTRE, RADII)
    put(segmentation, segment_id, mask, GRIDS[grid])
    found = on_ct_grid(case_with(scene, ct, segmentation), segment_id)
    np.testing.assert_array_equal(found, mask)
    np.testing.assert_array_equal(found, exported(scene, segmentation, segment_id, ct))


@pytest.mark.parametrize("grid", GRIDS)
def test_a_segmentation_on_another_grid_is_resampled_as_slicer_does(scene: Any, grid: str) -> None:
    ct = add_ct(scene, grid)
    other = GRIDS[grid].copy()
    other[:3, :3] *= [1.37, 0.81, 0.63]
    other[:3, 3] += [0.217, 1.331, -0.473]
    segmentation = new_segmentation(scene, ct)
    segment_id = add_lesion_segment(segmentation, "left")
    put(segmentation, segment_id, ball((60, 120, 90), (33.0, 70.0, 40.0), (9.0, 16.0, 11.0)), other)
    found = on_ct_grid(case_with(scene, ct, segmentation), segment_id)
    assert found.sum() > 1000
    np.testing.assert_array_equal(found, exported(scene, segmentation, segment_id, ct))


def test_a_segmentation_at_an_angle_to_the_ct(scene: Any) -> None:
    ct = add_ct(scene, "axial")
    segmentation = new_segmentation(scene, ct)
    segment_id = add_lesion_segment(segmentation, "left")
    put(segmentation, segment_id, ball(SHAPE, CENTRE, RADII), GRIDS["oblique"])
    found = on_ct_grid(case_with(scene, ct, segmentation), segment_id)
    differ = np.argwhere(found != exported(scene, segmentation, segment_id, ct))
    # VTK's nearest neighbour rounds a sum of small steps: a voxel half-way between two of the mask may go either way.
    there = np.linalg.inv(GRIDS["oblique"]) @ GRIDS["axial"] @ np.c_[differ[:, ::-1], np.ones(len(differ))].T
    assert len(differ) <= 2
    assert (np.abs(there[:3] % 1 - 0.5).min(axis=0) < 1e-4).all()


@pytest.mark.parametrize("above_ct", [False, True])
def test_a_segmentation_under_a_transform(scene: Any, above_ct: bool) -> None:
    ct = add_ct(scene, "oblique")
    segmentation = new_segmentation(scene, ct)
    segment_id = add_lesion_segment(segmentation, "right")
    put(segmentation, segment_id, ball(SHAPE, CENTRE, RADII), GRIDS["oblique"])
    move = np.eye(4)
    move[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    move[:3, 3] = 4.13, -2.71, 3.33
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(vtk_matrix(move))
    for node in (segmentation, *([ct] if above_ct else [])):
        node.SetAndObserveTransformNodeID(transform.GetID())
    found = on_ct_grid(case_with(scene, ct, segmentation), segment_id)
    assert found.sum() > 1000
    np.testing.assert_array_equal(found, exported(scene, segmentation, segment_id, ct))


def test_several_segments_of_shared_and_own_layers(scene: Any) -> None:
    ct = add_ct(scene, "left-handed oblique")
    segmentation = new_segmentation(scene, ct)
    grid = GRIDS["left-handed oblique"]
    masks = {
        add_lesion_segment(segmentation, "left"): ball(SHAPE, CENTRE, RADII),
        add_lesion_segment(segmentation, "right"): ball(SHAPE, (22.0, 60.0, 95.0), (5.0, 9.0, 9.0)),
        add_lesion_segment(segmentation, "unknown"): ball(SHAPE, (23.0, 66.0, 60.0), (5.0, 9.0, 9.0)),
    }
    for name, mask in masks.items():
        put(segmentation, name, mask, grid)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 2  # the third overlaps the first
    case = case_with(scene, ct, segmentation)
    for name, mask in masks.items():
        np.testing.assert_array_equal(on_ct_grid(case, name), mask)
    kept = {name: case.outline(name) for name in masks}
    assert all(case.outline(name) is kept[name] for name in masks)  # not read again
    first = next(iter(masks))
    put(segmentation, first, ball(SHAPE, CENTRE, (5.0, 10.0, 10.0)), grid)
    again = {name: case.outline(name) for name in masks}
    assert [again[name].digest != kept[name].digest for name in masks] == [True, False, False]  # type: ignore[union-attr]


def test_empty_and_unusable_segmentations_are_said(scene: Any) -> None:
    ct = add_ct(scene)
    segmentation = new_segmentation(scene, ct)
    segment_id = add_lesion_segment(segmentation, "left")
    case = case_with(scene, ct, segmentation)
    assert case.outline(segment_id) is None
    with pytest.raises(MaskError, match="no voxel yet"):
        case.lesion(segment_id)
    with pytest.raises(MaskError, match="not in the segmentation"):
        case.outline("gone")
    put(segmentation, segment_id, ball(SHAPE, CENTRE, RADII), GRIDS["axial"])
    put(segmentation, segment_id, np.zeros((2, 2, 2), bool), GRIDS["axial"])
    assert case.outline(segment_id) is None
    put(segmentation, segment_id, ball(SHAPE, CENTRE, RADII), GRIDS["axial"])
    far = np.eye(4)
    far[0, 3] = 900.0
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(vtk_matrix(far))
    segmentation.SetAndObserveTransformNodeID(transform.GetID())
    segmentation.GetSegmentation().GetSegment(segment_id).SetName("Doe^Jane")
    with pytest.raises(GeometryError, match="does not overlap") as caught:
        case.lesion(segment_id)
    assert "lesion-1" in str(caught.value)
    assert "Doe" not in str(caught.value)  # a segment's name may be a patient's
    segmentation.SetAndObserveTransformNodeID(None)
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.GetSegmentation().SetSourceRepresentationName("Closed surface")
    with pytest.raises(MaskError, match="stored as surfaces"):
        case.lesion(segment_id)


def test_new_segments_carry_codes_numbers_and_display_and_lie_on_the_ct_grid(scene: Any) -> None:
    ct = add_ct(scene, "oblique")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    subject = tree.CreateSubjectItem(tree.GetSceneItemID(), "subject")
    study = tree.CreateStudyItem(subject, "study")
    tree.CreateItem(study, ct)
    segmentation = new_segmentation(scene, ct)
    assert tree.GetItemParent(tree.GetItemByDataNode(segmentation)) == study
    assert segmentation.GetDisplayNode() is not None
    assert segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole()) is ct
    left, right = add_lesion_segment(segmentation, "left"), add_lesion_segment(segmentation, "right")
    # the example of Slicer's own documentation (developer guide, Segmentations), for the right gland
    assert terminology_of(segment_of(segmentation, right)) == (
        "Segmentation category and type - 3D Slicer General Anatomy list~SCT^49755003^Morphologically Altered Structure~"
        "SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^23451007^Adrenal gland~SCT^24028007^Right"
    )
    assert (side_stated(segmentation, left), side_stated(segmentation, right)) == ("left", "right")
    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(terminology_entry("left"), entry)
    assert entry.GetTypeObject().GetCodeMeaning() == "Mass"
    assert entry.GetRegionModifierObject().GetCodeMeaning() == "Left"
    assert [lesion_number(segmentation, name) for name in (left, right)] == [1, 2]
    segmentation.GetSegmentation().RemoveSegment(left)
    assert lesion_number(segmentation, add_lesion_segment(segmentation, "left")) == 3
    assert lesion_number(segmentation, right) == 2
    set_segment_side(segmentation, right, "left")
    assert side_stated(segmentation, right) == "left"
    assert segment_of(segmentation, right).GetName() == "Lesion 2, left adrenal"


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("moved", [False, True])
def test_a_grown_mask_is_written_as_a_crop_and_leaves_other_segments_alone(scene: Any, grid: str, moved: bool) -> None:
    ct = add_ct(scene, grid)
    if moved:
        move = np.eye(4)
        move[:2, :2] = [[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]
        move[:3, 3] = 12.5, 3.25, -8.0
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(vtk_matrix(move))
        ct.SetAndObserveTransformNodeID(transform.GetID())
    segmentation = new_segmentation(scene, ct)
    first, second = add_lesion_segment(segmentation, "left"), add_lesion_segment(segmentation, "right")
    case = case_with(scene, ct, segmentation)
    start, stop = (10, 40, 30), (32, 80, 72)
    whole = ct_of(ct).geometry
    mask = ball(SHAPE, CENTRE, RADII)
    turned = slice(None, None, -1 if "left-handed" in grid else 1)  # between the CT's counting of k and the node's
    part = mask[turned][tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    lattice = matrix_of(whole)
    write_mask(segmentation, first, part, whole.crop(start, stop), lattice)
    np.testing.assert_array_equal(on_ct_grid(case, first), mask)
    np.testing.assert_array_equal(exported(scene, segmentation, first, ct), mask)
    neighbour = ball(SHAPE, (20.0, 66.0, 60.0), (5.0, 12.0, 12.0))
    assert (neighbour & mask).any()
    write_mask(segmentation, second, neighbour[turned], whole, lattice)
    np.testing.assert_array_equal(on_ct_grid(case, first), mask)
    np.testing.assert_array_equal(on_ct_grid(case, second), neighbour)
    smaller = ball(SHAPE, CENTRE, (4.0, 5.0, 6.0))
    write_mask(segmentation, first, smaller[turned], whole, lattice)
    np.testing.assert_array_equal(on_ct_grid(case, first), smaller)
    np.testing.assert_array_equal(on_ct_grid(case, second), neighbour)
    labels = segment_of(segmentation, first).GetRepresentation("Binary labelmap")
    assert labels.GetNumberOfPoints() < 0.3 * mask.size


def test_an_empty_grown_mask_is_refused(scene: Any) -> None:
    ct = add_ct(scene)
    segmentation = new_segmentation(scene, ct)
    segment_id = add_lesion_segment(segmentation, "left")
    with pytest.raises(MaskError, match="Click inside"):
        write_mask(segmentation, segment_id, np.zeros(SHAPE, bool), ct_of(ct).geometry)
