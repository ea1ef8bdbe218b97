"""Everything in the scene that can change under the session's hands, as five calls."""

from __future__ import annotations

from typing import Any, Protocol

from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.observers import Observers


class Follower(Protocol):
    """What the session does when the scene changes."""

    def edited(self, topic: str) -> None:
        """A mask or a segment ("lesions"), a volume or a transform above it ("ct") may have changed."""
        ...

    def removed(self, node: Any) -> None:
        """A node has left the scene."""
        ...

    def closing(self) -> None:
        """The scene is about to be closed."""
        ...

    def closed(self) -> None:
        """The scene has been closed."""
        ...

    def imported(self) -> None:
        """A scene has been opened or added."""
        ...


class Watching:
    """Observes the scene, and the nodes of the case.

    Args:
        case: the case.
        follower: is told. Never while a scene is being closed or read: nodes are not whole then.
    """

    def __init__(self, case: Case, follower: Follower) -> None:
        self._case, self._follower = case, follower
        self._scene, self._nodes = Observers(), Observers()
        self._followed: tuple[Any, ...] = ()
        self._pauses = 0
        scene = case.scene
        self._scene.add(scene, scene.StartCloseEvent, self._start_close)
        self._scene.add(scene, scene.EndCloseEvent, self._end_close)
        self._scene.add(scene, scene.StartImportEvent, self._start_import)
        self._scene.add(scene, scene.EndImportEvent, self._end_import)
        self._scene.add_with_object(scene, scene.NodeRemovedEvent, self._removed)

    @property
    def paused(self) -> bool:
        """Whether a scene is being closed or read."""
        return self._pauses > 0

    def follow(self) -> None:
        """Observe the nodes that the case has now."""
        volumes = [node for node in (self._case.ct, *self._case.further.values()) if node is not None]
        wanted = (self._case.segmentation, *volumes)
        if len(wanted) == len(self._followed) and all(a is b for a, b in zip(wanted, self._followed, strict=True)):
            return
        self.release_nodes()
        self._followed = wanted
        for node in volumes:
            for event in (node.ImageDataModifiedEvent, node.TransformModifiedEvent, "ModifiedEvent"):
                self._nodes.add(node, event, lambda: self._edited("ct"))
        segmentation = self._case.segmentation
        if segmentation is not None:
            data = segmentation.GetSegmentation()
            events = (data.SourceRepresentationModified, data.SegmentAdded, data.SegmentRemoved, data.SegmentModified)
            own = (segmentation.TransformModifiedEvent, segmentation.ReferenceImageGeometryChangedEvent)
            for event in (*events, *own):
                self._nodes.add(segmentation, event, lambda: self._edited("lesions"))

    def release_nodes(self) -> None:
        """Observe no node any more."""
        self._nodes.clear()
        self._followed = ()

    def release(self) -> None:
        """Observe nothing any more."""
        self.release_nodes()
        self._scene.clear()

    def _edited(self, topic: str) -> None:
        if not self.paused:
            self._follower.edited(topic)

    def _removed(self, node: Any) -> None:
        if not self.paused and node is not None:
            self._follower.removed(node)

    def _start_close(self) -> None:
        self._follower.closing()
        self._pauses += 1

    def _end_close(self) -> None:
        self._pauses = max(self._pauses - 1, 0)
        self._follower.closed()

    def _start_import(self) -> None:
        self._pauses += 1

    def _end_import(self) -> None:
        self._pauses = max(self._pauses - 1, 0)
        if not self.paused:
            self._follower.imported()
