"""Making markups without getting in the way of a person who is placing others."""

from __future__ import annotations

from typing import Any

from AdrenalClassifierLib.scene.volumes import OWN


def add_markups(scene: Any, kind: str, name: str, own: str) -> Any:
    """A new markups node of this software with its display node.

    Slicer makes every new markups node the one that the next click in a view goes to. That choice is given back: a click that
    was meant for another node (to grow an outline, say) would else become a point of ours.

    Args:
        scene: the MRML scene.
        kind: class of the node.
        name: as it stands in lists.
        own: its part, for the attribute ``volumes.OWN``.
    """
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    before = None if selection is None else (selection.GetActivePlaceNodeClassName(), selection.GetActivePlaceNodeID())
    node = scene.AddNewNodeByClass(kind, name)
    node.SetAttribute(OWN, own)
    node.CreateDefaultDisplayNodes()
    if selection is not None and before is not None:
        class_name, node_id = before
        selection.SetActivePlaceNodeClassName(class_name)
        selection.SetActivePlaceNodeID(node_id)
    return node
