"""One click inside a lesion gives a first outline: the click through a markups place widget, the outline by the session."""

from __future__ import annotations

from typing import Any

import slicer

from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.timers import after
from AdrenalClassifierLib.scene.session import Session


class GrowClick:
    """The button "Grow from a click" and what follows from it.

    Args:
        session: the work.
        place: the place widget; its own buttons stay hidden.
        button: checkable; down while a click is waited for.
        hint: says what to do.
        editor: the Segment Editor, whose undo takes the outline back.
    """

    def __init__(self, session: Session, place: Any, button: Any, hint: Any, editor: Any) -> None:
        self._session, self._place, self._button, self._hint, self._editor = session, place, button, hint, editor
        self._point: Any = None
        self._tag = 0
        place.setMRMLScene(slicer.mrmlScene)
        button.connect("clicked(bool)", guarded(self._pressed))
        place.connect("activeMarkupsPlaceModeChanged(bool)", self._mode_changed)
        self.render()

    def render(self) -> None:
        """Show whether a click is waited for, and what came of the last one."""
        waiting, growth = self._point is not None, self._session.growth
        self._button.checked = waiting
        if waiting:
            self._hint.text = _("Click once inside the lesion, in any slice view. Escape ends it.")
        else:
            self._hint.text = _("Looking for the outline …") if growth.busy else growth.text
        self._hint.visible = bool(self._hint.text)

    def stop(self) -> None:
        """Wait for no click any more."""
        point, self._point = self._point, None
        if point is not None:
            point.RemoveObserver(self._tag)
            self._place.placeModeEnabled = False
            self._place.setCurrentNode(None)
            if slicer.mrmlScene.IsNodePresent(point):
                slicer.mrmlScene.RemoveNode(point)
        self.render()

    def close(self) -> None:
        """Leave nothing in the scene."""
        self.stop()
        self._place.disconnect("activeMarkupsPlaceModeChanged(bool)", self._mode_changed)
        self._place.setMRMLScene(None)

    def _pressed(self, down: bool) -> None:
        if not down:
            self.stop()
            return
        self._editor.setActiveEffect(None)  # else the click would paint too
        point = slicer.mrmlScene.CreateNodeByClass("vtkMRMLMarkupsFiducialNode")
        point.UnRegister(None)
        point.SetName(_("Inside the lesion"))
        point.SetSaveWithScene(False)
        point.SetHideFromEditors(True)
        self._point = slicer.mrmlScene.AddNode(point)
        self._point.CreateDefaultDisplayNodes()
        self._point.GetDisplayNode().SetSaveWithScene(False)
        self._tag = self._point.AddObserver(self._point.PointPositionDefinedEvent, self._placed)
        self._place.setCurrentNode(self._point)
        self._place.placeModePersistency = False
        self._place.placeModeEnabled = True
        self.render()

    def _placed(self, _caller: Any, _event: Any) -> None:
        if self._point is None:
            return
        ras = [0.0, 0.0, 0.0]
        self._point.GetNthControlPointPositionWorld(0, ras)
        meant = self._session.current
        # The point is removed when its own event is over.
        after(0, guarded(lambda: self._grow((-ras[0], -ras[1], ras[2]), meant)))

    def _grow(self, point_lps: tuple[float, float, float], meant: str | None) -> None:
        if self._point is None:
            return  # stopped in between
        self.stop()
        if self._session.current != meant:
            return  # the click was for another lesion, whose turn it is no more
        if self._session.current is None:
            self._session.add_lesion("unknown")
        self._session.grow(point_lps, self._editor.saveStateForUndo)

    def _mode_changed(self, on: bool) -> None:
        # Escape, or another module's button: but also the click itself, whose event is still to be dealt with.
        if not on and self._point is not None and self._point.GetNumberOfDefinedControlPoints() == 0:
            after(0, self._give_up)

    def _give_up(self) -> None:
        if self._point is not None and self._point.GetNumberOfDefinedControlPoints() == 0:
            self.stop()
