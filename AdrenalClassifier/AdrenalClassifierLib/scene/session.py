"""One case from choosing the CT to the report: the whole logic of the work, without widgets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from AdrenalClassifierLib.errors import AdrenalError, MaskError, PatientValueError
from AdrenalClassifierLib.imaging.geometry import Vector
from AdrenalClassifierLib.imaging.images import Phase, Side
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.scene.case import MODULE, Case
from AdrenalClassifierLib.scene.cores import Cores
from AdrenalClassifierLib.scene.desk import Desk
from AdrenalClassifierLib.scene.growing import Growing, Growth
from AdrenalClassifierLib.scene.inputs import Inputs
from AdrenalClassifierLib.scene.lines import Lines
from AdrenalClassifierLib.scene.measuring import Measured, Measuring
from AdrenalClassifierLib.scene.output import Outputs
from AdrenalClassifierLib.scene.ports import Timers, Worker
from AdrenalClassifierLib.scene.running import Result, Running, RunState
from AdrenalClassifierLib.scene.segments import segment_of, side_stated
from AdrenalClassifierLib.scene.showing import Showing
from AdrenalClassifierLib.scene.signal import Signal
from AdrenalClassifierLib.scene.volumes import OWN
from AdrenalClassifierLib.scene.watching import Watching

TOPICS = ("ct", "lesions", "current", "measurements", "patient", "options", "run", "result", "problem", "grow")
Status = Literal["empty", "outlined", "assessed", "stale"]


@dataclass(frozen=True)
class LesionInfo:
    """One lesion as a list shows it.

    Attributes:
        segment_id: of its segment.
        name: of its segment.
        side: as its segment states.
        empty: nothing is outlined yet.
        status: no voxel; no result; a result that is true; a result whose inputs have changed.
    """

    segment_id: str
    name: str
    side: Side
    empty: bool
    status: Status


class Session(Inputs, Outputs):
    """The work on one scene; lives as long as the host shows the module.

    Args:
        scene: the MRML scene.
        worker: computes in another process.
        timers: the host's clock.
        stated_phase: reads a volume's contrast phase from its DICOM headers, where the host can; else it stays unknown.

    ``changed`` is called with one of ``TOPICS``. A case that the scene holds already is taken up at once.
    """

    def __init__(self, scene: Any, worker: Worker, timers: Timers, stated_phase: Callable[[Any], Phase] | None = None) -> None:
        self.changed = Signal()
        super().__init__(Case(scene), stated_phase)
        self._quiet = 0  # above 0 while the session itself changes nodes that it observes
        self._known: tuple[str, ...] = ()
        self._desk = Desk(worker, timers)
        self._jobs = []
        self._lines, self._cores = Lines(self._case, self._by_hand), Cores(self._case)
        self._measuring = Measuring(self._case, self._desk, timers, self._measured)
        self._running = Running(self._case, self._desk, lambda: self.changed("run"), self._found)
        self._growing = Growing(self._case, self._desk, lambda: self.changed("grow"))
        self._showing = Showing(self._case, self._running, timers, lambda: self.changed("result"))
        self._watching = Watching(self._case, self)
        self._restore()

    # -- lesions -------------------------------------------------------------------------------------------------

    @property
    def lesions(self) -> tuple[LesionInfo, ...]:
        """All lesions in the order of their segments."""
        return tuple(self._info(segment_id) for segment_id in self._case.segment_ids())

    def _info(self, segment_id: str) -> LesionInfo:
        name = str(segment_of(self._case.segmentation, segment_id).GetName())
        try:
            empty = self._case.outline(segment_id) is None
        except AdrenalError:
            empty = False
        result = self.result(segment_id)
        status: Status = "empty" if empty else "outlined"
        if result.assessment is not None:
            status = "stale" if result.stale else "assessed"
        return LesionInfo(segment_id, name, side_stated(self._case.segmentation, segment_id), empty, status)

    def grow(self, point_lps: Vector, before: Callable[[], None] | None = None) -> None:
        """Outline the lesion around a point, LPS mm; the outline comes later and replaces what the current segment holds.

        Args:
            point_lps: inside the lesion.
            before: called just before the segment is written, such as the editor's ``saveStateForUndo``.

        Raises:
            AdrenalError: no lesion is current, or the point lies outside the CT.
        """
        if self.current is None:
            raise MaskError("No lesion is chosen. Add a lesion, then click inside it.")
        self._growing.grow(self.current, point_lps, before)

    @property
    def growth(self) -> Growth:
        """How the last click went."""
        return self._growing.state

    # -- measurements --------------------------------------------------------------------------------------------

    def measured(self, segment_id: str) -> Measured:
        """The measurements of a lesion as they stand now."""
        return self._measuring.measured(segment_id)

    @property
    def lines_visible(self) -> bool:
        """Whether the diameters are drawn."""
        return self._case.state.lines_visible

    def set_lines_visible(self, visible: bool) -> None:
        """Draw the diameters, or not."""
        if visible != self._case.state.lines_visible:
            self._case.state.lines_visible = visible
            self._changed("measurements")

    @property
    def core_visible(self) -> bool:
        """Whether the core whose attenuation is measured is drawn."""
        return self._case.state.core_visible

    def set_core_visible(self, visible: bool) -> None:
        """Draw the core, or not."""
        if visible != self._case.state.core_visible:
            self._case.state.core_visible = visible
            self._changed("measurements")

    def forget_by_hand(self, segment_id: str) -> None:
        """Drop the diameters that a reader set for a lesion; its lines go back to where they were measured."""
        self._lines.forget_by_hand(segment_id)
        with self._quietly():
            self._lines.draw(segment_id, self.measured(segment_id).values)
        self._changed("measurements")

    # -- run -----------------------------------------------------------------------------------------------------

    @property
    def not_yet(self) -> tuple[str, ...]:
        """Why Classify cannot be pressed, one sentence each; empty when it can."""
        reasons = []
        if self._case.problem is not None:
            reasons.append(self._case.problem)
        if self._case.ct is None:
            reasons.append("No CT is chosen.")
        elif self.ct_problem is not None:
            reasons.append(self.ct_problem)
        if self.current is None:
            reasons.append("No lesion is outlined.")
        else:
            try:
                if self._case.outline(self.current) is None:
                    reasons.append("The current lesion has no voxel yet.")
                elif (refused := self._measuring.refused(self.current)) is not None and refused not in reasons:
                    reasons.append(refused)
            except AdrenalError as error:
                reasons.append(str(error))
        try:
            self._case.patient()
        except PatientValueError as error:
            reasons.extend(error.problems)
        if self._running.active:
            reasons.append("A classification is running.")
        return tuple(reasons)

    @property
    def run(self) -> RunState:
        """How far the classification is."""
        return self._running.state

    def classify(self, all_lesions: bool = False) -> None:
        """Classify the current lesion, or all that are outlined. Raises AdrenalError with the first of ``not_yet``."""
        reasons = self.not_yet
        if reasons:
            raise AdrenalError(reasons[0])
        ids = [item.segment_id for item in self.lesions if not item.empty] if all_lesions else [self.current or ""]
        self._measuring.try_again()
        self._running.start(ids)
        self._measuring.look()

    def cancel(self) -> None:
        """End the classification."""
        self._running.cancel()

    def result(self, segment_id: str) -> Result:
        """The last result of a lesion."""
        return self._running.result(segment_id)

    @property
    def saliency_visible(self) -> bool:
        """Whether the map of the current lesion is laid over the CT."""
        return self._case.state.saliency_visible

    def set_saliency_visible(self, visible: bool) -> None:
        """Lay the map over the CT, or give the views back what they showed."""
        if visible != self._case.state.saliency_visible:
            self._case.state.saliency_visible = visible
            self._changed("result")

    @property
    def label_visible(self) -> bool:
        """Whether the probability stands beside the lesion in the views."""
        return self._case.state.label_visible

    def set_label_visible(self, visible: bool) -> None:
        """Write the probability beside the lesion, or not; the lesion keeps the colour of its probability."""
        if visible != self._case.state.label_visible:
            self._case.state.label_visible = visible
            self._changed("result")

    # -- stored case ---------------------------------------------------------------------------------------------

    @property
    def problem(self) -> str | None:
        """Why the case that the scene holds is not used, in a sentence; it is left as it is. None when there is no such case."""
        return self._case.problem

    def start_new_case(self) -> None:
        """Begin an empty case ("Next case"); the volumes and segmentations stay in the scene."""
        self._stop_all()
        with self._quietly():
            for segment_id in self._case.segment_ids():
                self._clean(segment_id)
            self._case.start_anew()
            self._showing.sweep()
        self._known = ()
        self._changed(*TOPICS)

    # -- on the screen or not ------------------------------------------------------------------------------------

    def leave(self) -> None:
        """The module leaves the screen: end what runs and take overlays out of the views. The case stays."""
        self._running.cancel()
        self._set_active(False)
        self._desk.cancel()

    def enter(self) -> None:
        """The module is on the screen again."""
        self._set_active(True)

    def close(self) -> None:
        """Leave nothing behind: no observer, no overlay, no timer, no process, no file."""
        self._watching.release()
        self._running.forget_run()
        self._forget_jobs(tell=False)
        self._set_active(False)
        self._stop_all()
        self._lines.release()
        self._desk.close()
        self.changed.disconnect_all()

    def _set_active(self, active: bool) -> None:
        self._lines.active = self._cores.active = active
        with self._quietly():
            self._lines.show()
            self._cores.show()
            self._showing.set_active(active)
        self._measuring.set_active(active)

    # -- what the scene does -------------------------------------------------------------------------------------

    def edited(self, topic: str) -> None:
        """See ``watching.Follower``."""
        if not self._quiet:
            self._react(topic)

    def removed(self, node: Any) -> None:
        """See ``watching.Follower``."""
        case = self._case
        if node.IsA("vtkMRMLScriptedModuleNode") and node.GetSingletonTag() == MODULE:
            self._stop_all()
            with self._quietly():
                case.forget()
                self._showing.sweep()
            self._known = ()
            self._react(*TOPICS)
        elif node is case.ct or node in case.further.values():
            case.ct = None if node is case.ct else case.ct
            case.further = {phase: other for phase, other in case.further.items() if other is not node}
            self._changed("ct")
        elif node is case.segmentation:
            case.segmentation = None
            self._changed("lesions", "current")
        elif node.GetAttribute(OWN) is not None and not self._quiet:
            with self._quietly():
                self._showing.lost(node)
                self._lines.lost()
            self._changed("result")

    def closing(self) -> None:
        """See ``watching.Follower``."""
        self._stop_all()
        self._watching.release_nodes()
        self._case.forget()

    def closed(self) -> None:
        """See ``watching.Follower``."""
        self._case.start_anew(put_aside=False)  # the parameter node, a singleton, outlives the scene
        self._known = ()
        self._react(*TOPICS)

    def imported(self) -> None:
        """See ``watching.Follower``."""
        if self._case.replaced():
            self._stop_all()
            self._restore()
        else:
            self._react(*TOPICS)

    # -- inside --------------------------------------------------------------------------------------------------

    def _changed(self, *topics: str) -> None:
        self._case.store()
        self._react(*topics)

    def _react(self, *topics: str) -> None:
        """Bring everything in step with nodes and state: overlays first, since they must never outlive their truth."""
        self._watching.follow()
        ids = self._case.segment_ids()
        gone = [name for name in self._known if name not in ids]
        self._known = ids
        with self._quietly():
            for segment_id in gone:
                self._clean(segment_id)
            self._showing.refresh()
            self._lines.show()
            self._cores.show()
        if gone:
            if self._case.state.current not in ids:
                self._case.state.current = next(iter(ids), None)
            self._case.store()
            topics = tuple(dict.fromkeys((*topics, "lesions", "current")))
        for topic in topics:
            self.changed(topic)
        self._measuring.look()

    def _clean(self, segment_id: str) -> None:
        """Take away all that belonged to a lesion that is gone."""
        self._running.kept.pop(segment_id, None)
        self._showing.take_away(segment_id)
        self._lines.remove(segment_id)
        self._cores.remove(segment_id)
        self._case.state.lesions.pop(segment_id, None)

    def _restore(self) -> None:
        """Take up the case that the scene holds."""
        with self._quietly():
            self._case.load()
            self._known = self._case.segment_ids()
            self._showing.sweep()
            self._showing.restore()
        self._react(*TOPICS)

    def _stop_all(self) -> None:
        """Drop what is under way; the worker ends when it is at work for this case."""
        self._measuring.forget()
        self._running.forget()
        self._growing.forget()
        self._showing.forget()
        self._lines.release()
        self._desk.forget()
        self._forget_jobs(tell=True)

    def _found(self, _segment_id: str) -> None:
        self._changed("result")

    def _measured(self, segment_id: str, values: Measurements | None) -> None:
        with self._quietly():
            self._lines.draw(segment_id, values)
            self._cores.draw(segment_id, self._measuring.core(segment_id))
        self.changed("measurements")

    def _by_hand(self, _segment_id: str) -> None:
        self._case.store()
        self.changed("measurements")

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1
