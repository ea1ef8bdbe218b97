"""From volume nodes to the library's CT, without copying voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk.util.numpy_support
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import AdrenalError, ImageReadError
from AdrenalClassifierLib.imaging.hounsfield import LEAST_HU, PADDING, SAMPLE, check_hounsfield
from AdrenalClassifierLib.imaging.images import CtImage, Phase
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.scene.grids import Extent, as_matrix, geometry_of, to_world

SHOWN = "This volume"
"""Volumes are named after series, which may hold a name: messages do not repeat it."""


def is_ct_candidate(node: Any) -> bool:
    """Whether a node is a scalar volume with voxels: no labelmap, no colour image, no time series' proxy without image."""
    return (
        node is not None
        and node.IsA("vtkMRMLScalarVolumeNode")
        and not node.IsA("vtkMRMLLabelMapVolumeNode")
        and not node.IsA("vtkMRMLTensorVolumeNode")
        and node.GetImageData() is not None
        and node.GetImageData().GetPointData().GetScalars() is not None
        and node.GetImageData().GetNumberOfScalarComponents() == 1
    )


def visible_ct(scene: Any) -> Any:
    """The volume in the background of the Red slice view, else of the first view that shows one, else the first volume.

    None when the scene has no scalar volume. Volumes that this software made are left out.
    """
    composites = sorted(nodes_of(scene, "vtkMRMLSliceCompositeNode"), key=lambda node: node.GetLayoutName() != "Red")
    shown = [scene.GetNodeByID(node.GetBackgroundVolumeID() or "") for node in composites]
    for node in (*shown, *nodes_of(scene, "vtkMRMLScalarVolumeNode")):
        if is_ct_candidate(node) and node.GetAttribute(OWN) is None:
            return node
    return None


OWN = "AdrenalClassifier.Role"
"""Attribute of nodes that this software made."""


def nodes_of(scene: Any, kind: str) -> list[Any]:
    """All nodes of a class, in the scene's order."""
    found = scene.GetNodesByClass(kind)
    found.UnRegister(None)
    return [found.GetItemAsObject(n) for n in range(found.GetNumberOfItems())]


def remove_whole(scene: Any, node: Any) -> None:
    """Remove a node with its display and storage nodes, which the scene would keep.

    Display nodes go first: a view that still has one goes on drawing a node that is gone until something else changes.
    """
    for n in reversed(range(node.GetNumberOfDisplayNodes())):
        display = node.GetNthDisplayNode(n)
        if display is not None:
            scene.RemoveNode(display)
    storage = node.GetStorageNode()
    scene.RemoveNode(node)
    if storage is not None:
        scene.RemoveNode(storage)


def voxels_of(image: Any) -> NDArray[Any]:
    """The voxels of a vtkImageData with one component, (k, j, i), without a copy."""
    i, j, k = image.GetDimensions()
    scalars = image.GetPointData().GetScalars()
    flat: NDArray[Any] = vtk.util.numpy_support.vtk_to_numpy(scalars)
    return flat.reshape(k, j, i)


def ct_of(node: Any, phase: Phase = "unknown") -> CtImage:
    """A volume node as a CT, its voxels being a view of the node's (any real type: callers cut out a crop and convert that).

    The axes i, j, k are right-handed: of a left-handed volume k is counted from the other end.

    Only a sample of the voxels is looked at, so that the cost does not grow with the scan.

    Args:
        node: a scalar volume, under no transform or under a linear one.
        phase: its contrast phase.

    Raises:
        ImageReadError: no scalar volume, no voxels, or numbers that cannot be Hounsfield units.
        GeometryError: sheared axes, or a transform that bends space.
    """
    if not is_ct_candidate(node):
        raise ImageReadError("This node is not a CT volume with one number a voxel. Choose the CT itself.")
    voxels = voxels_of(node.GetImageData())
    matrix, extent = to_world(node) @ _ijk_to_ras(node), _extent(node)
    if np.linalg.det(matrix[:3, :3]) < 0:
        # Slicer turns a left-handed volume right-handed when it reads it from a file: seen this way round before, too, so that
        # a saved and a loaded scene give one lesion.
        voxels = voxels[::-1]
        matrix = matrix @ _reversed(extent[4] + extent[5])
    geometry = geometry_of(matrix, extent)
    step = max(int((voxels.size / SAMPLE) ** (1 / 3)), 1)
    sample = voxels[::step, ::step, ::step] if min(voxels.shape) > step else voxels
    if sample.dtype.kind == "f" and not np.isfinite(sample).all():
        raise ImageReadError("This volume contains values that are not numbers; load the original CT.")
    below = sample < LEAST_HU if sample.dtype.kind != "u" else np.zeros(sample.shape, bool)
    low = int(np.count_nonzero(below))
    check_hounsfield(np.where(below, LEAST_HU, sample) if low else sample, low, SHOWN)
    notices: tuple[Notice, ...] = ()
    if low:
        share = f"About {100 * low / sample.size:.2g} % of the voxels"
        text = f"{share} are padding or lie below {LEAST_HU} HU; they count as {LEAST_HU} HU."
        notices = (Notice(PADDING, text),)
    return CtImage(voxels, geometry, phase, None, notices)


def patient_of(scene: Any, node: Any) -> int | None:
    """Item of the patient in the subject hierarchy under whom a node lies; None for one that did not come with a patient."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = 0 if tree is None else tree.GetItemByDataNode(node)
    if not item:
        return None
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    return int(tree.GetItemAncestorAtLevel(item, level)) or None


def of_two_patients(scene: Any, one: Any, other: Any) -> bool:
    """Whether two nodes are known to belong to different patients."""
    patients = patient_of(scene, one), patient_of(scene, other)
    return None not in patients and patients[0] != patients[1]


def problem_of(node: Any) -> str | None:
    """The sentence why a volume cannot be used, None when it can."""
    try:
        ct_of(node)
    except AdrenalError as error:
        return str(error)
    return None


def geometry_key(node: Any) -> tuple[float, ...]:
    """Changes when the volume's grid or the linear transform above it does; cheap."""
    world = np.eye(4)
    transform = node.GetParentTransformNode()
    bent = (
        float(transform.GetTransformToWorldMTime()) if transform is not None and not transform.IsTransformToWorldLinear() else 0.0
    )
    if transform is not None and not bent:
        world = to_world(node)
    return (bent, *(float(v) for v in (world @ _ijk_to_ras(node)).round(9).ravel()))


def voxels_key(node: Any) -> int:
    """Changes when the volume's voxels do."""
    image = node.GetImageData()
    if image is None:
        return 0
    scalars = image.GetPointData().GetScalars()
    return max(int(image.GetMTime()), int(scalars.GetMTime()) if scalars is not None else 0)


def _ijk_to_ras(node: Any) -> NDArray[np.float64]:
    matrix = as_matrix(np.eye(4))
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _reversed(ends: int) -> NDArray[np.float64]:
    """The matrix (4, 4) that counts k from the other end; ``ends`` is the sum of the first and the last k."""
    turn = np.diag([1.0, 1.0, -1.0, 1.0])
    turn[2, 3] = ends
    return turn


def _extent(node: Any) -> Extent:
    first = node.GetImageData().GetExtent()
    return (first[0], first[1], first[2], first[3], first[4], first[5])
