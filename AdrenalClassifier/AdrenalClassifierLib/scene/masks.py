"""Making segments and writing masks into them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import slicer
import vtk.util.numpy_support
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, MaskError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Side
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed
from AdrenalClassifierLib.scene.grids import as_matrix, matrix_of, to_world
from AdrenalClassifierLib.scene.segments import segment_of, tag
from AdrenalClassifierLib.scene.volumes import OWN

_MASS = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^23451007^Adrenal gland~"
)
_MODIFIERS: dict[Side, str] = {"left": "SCT^7771000^Left", "right": "SCT^24028007^Right", "unknown": "^^"}
LESION_NUMBER = "AdrenalClassifier.Lesion"
"""Segment tag with the lesion's number, which it keeps when others are removed."""
GROWN = "AdrenalClassifier.Grown"
"""Segment tag of an outline that began with a click: semiautomatic, also after corrections by hand."""
COLOURS = ((0.90, 0.62, 0.00), (0.34, 0.71, 0.91), (0.00, 0.62, 0.45), (0.80, 0.47, 0.65))
"""First colours of lesions, from Okabe and Ito's set for colour-blind readers; further lesions start again."""


def terminology_entry(side: Side) -> str:
    """The terminology string of an adrenal mass (SNOMED CT: Mass, Adrenal gland, Left or Right)."""
    return _MASS + _MODIFIERS[side]


def new_segmentation(scene: Any, ct: Any, name: str = "Adrenal lesions") -> Any:
    """An empty segmentation on the CT's grid, under the CT's study in the subject hierarchy where there is one."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetAttribute(OWN, "lesions")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    if ct.GetParentTransformNode() is not None:
        node.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    place_beside(scene, node, ct)
    return node


def place_beside(scene: Any, node: Any, ct: Any) -> None:
    """Put a node under the study (else the folder) that holds the CT in the subject hierarchy; nothing without one."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if tree is None:
        return
    item, of_ct = tree.GetItemByDataNode(node), tree.GetItemByDataNode(ct)
    if not of_ct:
        return
    study = tree.GetItemAncestorAtLevel(of_ct, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy())
    parent = study or tree.GetItemParent(of_ct)
    if not item:
        tree.CreateItem(parent, node)
    else:
        tree.SetItemParent(item, parent)


def add_lesion_segment(segmentation: Any, side: Side) -> str:
    """A new, empty segment tagged as an adrenal mass; returns its id."""
    data = segmentation.GetSegmentation()
    number = next_number(segmentation)
    words = {"left": "left adrenal", "right": "right adrenal", "unknown": "adrenal"}[side]
    segment_id = str(data.AddEmptySegment("", f"Lesion {number}, {words}", COLOURS[(number - 1) % len(COLOURS)]))
    segment = segment_of(segmentation, segment_id)
    segment.SetTag(LESION_NUMBER, str(number))
    segment.SetTag(str(slicer.vtkSegment.GetTerminologyEntryTagName()), terminology_entry(side))
    return segment_id


def set_segment_side(segmentation: Any, segment_id: str, side: Side) -> None:
    """Tag a segment with another side, and rename it where its name was ours."""
    segment = segment_of(segmentation, segment_id)
    number = lesion_number(segmentation, segment_id)
    ours = {f"Lesion {number}, {words}" for words in ("left adrenal", "right adrenal", "adrenal")}
    segment.SetTag(str(slicer.vtkSegment.GetTerminologyEntryTagName()), terminology_entry(side))
    if str(segment.GetName()) in ours:
        words = {"left": "left adrenal", "right": "right adrenal", "unknown": "adrenal"}[side]
        segment.SetName(f"Lesion {number}, {words}")


def lesion_number(segmentation: Any, segment_id: str) -> int:
    """The number of a lesion from 1; given now to a segment that came from elsewhere, or that is a copy of one before it."""
    segment = segment_of(segmentation, segment_id)
    text = tag(segment, LESION_NUMBER)
    if text.isdecimal():
        data = segmentation.GetSegmentation()
        before = itertools.takewhile(lambda name: name != segment_id, data.GetSegmentIDs())
        if all(tag(data.GetSegment(name), LESION_NUMBER) != text for name in before):
            return int(text)
    number = next_number(segmentation)
    segment.SetTag(LESION_NUMBER, str(number))
    return number


def next_number(segmentation: Any) -> int:
    """One above the greatest number that a segment has."""
    data = segmentation.GetSegmentation()
    texts = [tag(data.GetSegment(name), LESION_NUMBER) for name in data.GetSegmentIDs()]
    return max([0, *(int(text) for text in texts if text.isdecimal())]) + 1


def write_mask(
    segmentation: Any,
    segment_id: str,
    mask: NDArray[np.bool_],
    geometry: Geometry,
    lattice: NDArray[np.float64] | None = None,
) -> None:
    """Replace a segment's voxels by a mask that lies anywhere; other segments keep theirs, also where both overlap.

    Args:
        segmentation: the segmentation node.
        segment_id: of the segment.
        mask: bool (k, j, i); only its filled box is handed over.
        geometry: grid of ``mask`` in the world.
        lattice: matrix (4, 4) from (i, j, k) to RAS in the world of the whole scan that ``geometry`` was cut out of, so that all
            segments lie on one lattice and none is resampled; None takes the mask's own.

    Raises:
        MaskError: no such segment, or the mask is empty or could not be written.
        GeometryError: the segmentation lies under a transform that bends space.
    """
    segment_of(segmentation, segment_id)
    box = bounding_box(mask)
    if box is None:
        raise MaskError("The outline that was found is empty. Click inside the lesion and try again.")
    part = np.ascontiguousarray(boxed(mask, *box)).view(np.uint8)
    world = to_world(segmentation)
    if abs(float(np.linalg.det(world[:3, :3]))) < 1e-12:
        raise GeometryError("The segmentation lies under a transform that cannot be undone. Remove the transform.")
    own = matrix_of(geometry)
    base = own if lattice is None else lattice
    offset = np.linalg.inv(base) @ own
    if np.abs(offset[:3, :3] - np.eye(3)).max() > 1e-3:
        raise GeometryError("The outline that was found lies on another grid than the CT. Cut the lesion out of the CT again.")
    k, j, i = np.asarray(box[0]) + np.rint(offset[:3, 3]).astype(int)[::-1]
    image = slicer.vtkOrientedImageData()
    size = part.shape
    image.SetExtent(int(i), int(i) + size[2] - 1, int(j), int(j) + size[1] - 1, int(k), int(k) + size[0] - 1)
    image.SetImageToWorldMatrix(as_matrix(np.linalg.inv(world) @ base))
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(part.ravel(), deep=True))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.SetBinaryLabelmapToSegment(image, segmentation, segment_id, logic.MODE_REPLACE):
        raise MaskError("The outline could not be written into the segment. Try again in a new segment.")
