"""What a person gives: the CT and its phases, the lesions' segments, the patient's values, the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from AdrenalClassifierLib.errors import AdrenalError, PatientValueError
from AdrenalClassifierLib.imaging.images import Phase, Side
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.scene import masks
from AdrenalClassifierLib.scene.case import MODULE, OTHER_PATIENT, Case
from AdrenalClassifierLib.scene.segments import segment_of
from AdrenalClassifierLib.scene.volumes import of_two_patients, visible_ct


class Inputs:
    """The half of the session that takes what a person gives and stores it in the scene.

    Args:
        case: the case.
        stated_phase: reads a volume's contrast phase from its DICOM headers; None where the host cannot.
    """

    def __init__(self, case: Case, stated_phase: Callable[[Any], Phase] | None) -> None:
        self._case = case
        self._stated_phase = stated_phase

    def _changed(self, *topics: str) -> None:
        """Something of these kinds has changed: store it, and tell."""
        raise NotImplementedError

    # -- CT ------------------------------------------------------------------------------------------------------

    @property
    def ct(self) -> Any:
        """The volume on which lesions are outlined, None before one is chosen."""
        return self._case.ct

    def set_ct(self, node: Any) -> None:
        """Choose the CT; its phase is read from its headers where the host can.

        Raises:
            AdrenalError: it is known to belong to another patient than the CT before it, and values or outlines of that patient
                stand in the case.
        """
        before = self._case.ct
        if node is before:
            return
        begun = bool(self._case.state.entries) or not self._nothing_drawn()
        if begun and node is not None and before is not None and of_two_patients(self._case.scene, before, node):
            raise AdrenalError(
                "This CT is of another patient than the values and outlines of this case. Begin the next case first, then choose "
                "this CT."
            )
        self._case.ct = node
        if node is not None and self._case.segmentation is not None and self._nothing_drawn():
            self._case.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
        self._case.further = {role: other for role, other in self._case.further.items() if other is not node}
        stated: Phase = "unknown" if node is None or self._stated_phase is None else self._stated_phase(node)
        self._case.state.phase = stated if stated not in self._case.further else "unknown"
        self._changed("ct")

    def _nothing_drawn(self) -> bool:
        try:
            return all(self._case.outline(segment_id) is None for segment_id in self._case.segment_ids())
        except AdrenalError:
            return False

    def choose_visible_ct(self) -> None:
        """Choose the CT that the slice views show, unless one is chosen already."""
        if self._case.ct is None:
            found = visible_ct(self._case.scene)
            if found is not None:
                self.set_ct(found)

    @property
    def ct_problem(self) -> str | None:
        """Why the chosen CT cannot be used, in a sentence; None when it can, or when none is chosen."""
        return self._case.ct_problem()

    @property
    def phase(self) -> Phase:
        """Contrast phase of the CT."""
        return self._case.state.phase

    def set_phase(self, phase: Phase) -> None:
        """Say which phase the CT is; a further volume in that role loses it."""
        if phase != self._case.state.phase:
            self._case.state.phase = phase
            self._case.further.pop(phase, None)
            self._changed("ct")

    @property
    def further(self) -> Mapping[Phase, Any]:
        """Volumes of further phases by role."""
        return dict(self._case.further)

    def set_further(self, phase: Phase, node: Any) -> None:
        """Give a further phase, or take it away (None).

        Raises:
            AdrenalError: the CT has that role, is that volume, or belongs to another patient.
        """
        if node is None:
            self._case.further.pop(phase, None)
        elif phase == "unknown" or phase == self._case.state.phase:
            raise AdrenalError(f"The CT itself is the {phase} phase. Choose another phase for this volume.")
        elif node is self._case.ct:
            raise AdrenalError("This volume is the CT itself. Choose another volume for the further phase.")
        elif self._case.ct is not None and of_two_patients(self._case.scene, self._case.ct, node):
            raise AdrenalError(OTHER_PATIENT.format(phase=phase))
        else:
            self._case.further = {role: other for role, other in self._case.further.items() if other is not node}
            self._case.further[phase] = node
        self._changed("ct")

    # -- lesions -------------------------------------------------------------------------------------------------

    @property
    def segmentation(self) -> Any:
        """The segmentation node, None before the first lesion."""
        return self._case.segmentation

    def set_segmentation(self, node: Any) -> None:
        """Work on another segmentation; every segment of it is a lesion."""
        if node is not self._case.segmentation:
            self._case.segmentation = node
            self._case.state.current = next(iter(self._case.segment_ids()), None)
            self._changed("lesions")

    def ensure_segmentation(self) -> Any:
        """The segmentation node; made on the CT's grid when there is none. Raises AdrenalError without a CT."""
        if self._case.segmentation is None:
            if self._case.ct is None:
                raise AdrenalError("No CT is chosen. Choose the CT before outlining a lesion.")
            self._case.segmentation = masks.new_segmentation(self._case.scene, self._case.ct)
            self._changed("lesions")
        return self._case.segmentation

    @property
    def current(self) -> str | None:
        """Segment id of the lesion at work."""
        current = self._case.state.current
        return current if current in self._case.segment_ids() else None

    def set_current(self, segment_id: str | None) -> None:
        """Turn to another lesion."""
        if segment_id != self._case.state.current and (segment_id is None or segment_id in self._case.segment_ids()):
            self._case.state.current = segment_id
            self._changed("current")

    def add_lesion(self, side: Side) -> str:
        """Add an empty segment, tagged as an adrenal mass of that side, and turn to it; returns its id."""
        segment_id = masks.add_lesion_segment(self.ensure_segmentation(), side)
        self._case.state.current = segment_id
        self._changed("lesions", "current")
        return segment_id

    def set_side(self, segment_id: str, side: Side) -> None:
        """Say on which side a lesion lies."""
        masks.set_segment_side(self._case.segmentation, segment_id, side)
        self._changed("lesions")

    def remove_lesion(self, segment_id: str) -> None:
        """Remove a lesion with its segment, overlays and results."""
        segment_of(self._case.segmentation, segment_id)
        self._case.segmentation.GetSegmentation().RemoveSegment(segment_id)
        self._changed("lesions")

    def next_lesion(self) -> bool:
        """Turn to the lesion after the current one; False when that was the last."""
        names = self._case.segment_ids()
        at = names.index(self.current) + 1 if self.current in names else 0
        if at >= len(names):
            return False
        self.set_current(names[at])
        return True

    @property
    def editor_node(self) -> Any:
        """The segment editor's node, private to this module."""
        node = self._case.scene.GetSingletonNode(MODULE, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = self._case.scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(MODULE)
            node.SetHideFromEditors(True)
            node = self._case.scene.AddNode(node)
        return node

    def set_brush_range(self, low: float, high: float | None = None) -> None:
        """Let the brush touch voxels of this range of HU only; ``high`` None takes the guard away."""
        node = self.editor_node
        node.SetSourceVolumeIntensityMask(high is not None)
        if high is not None:
            node.SetSourceVolumeIntensityMaskRange(low, high)

    # -- patient -------------------------------------------------------------------------------------------------

    @property
    def entries(self) -> Mapping[str, FormEntry]:
        """What stands in the form, by catalogue key; a value that is not available is absent."""
        return dict(self._case.state.entries)

    def set_entry(self, key: str, entry: FormEntry | None) -> None:
        """Set or take away (None) one value. Raises AdrenalError for a key that the catalogue does not have."""
        self.set_entries({**self._case.state.entries, key: entry})

    def set_entries(self, entries: Mapping[str, FormEntry | None]) -> None:
        """Set all values; those that are None or not in it are not available."""
        unknown = [key for key in entries if key not in load_catalogue().variables]
        if unknown:
            raise PatientValueError(*(f"'{key}' is not a variable of the catalogue." for key in unknown))
        kept = {key: entry for key, entry in entries.items() if entry is not None}
        if kept != self._case.state.entries:
            self._case.state.entries = kept
            self._changed("patient")

    def patient(self) -> tuple[PatientRecord, tuple[Notice, ...]]:
        """The values with remarks. Raises PatientValueError with one sentence for each that is not acceptable."""
        return self._case.patient()

    def problems_of(self, key: str) -> tuple[str, ...]:
        """What is wrong with one value, in sentences; empty when nothing is."""
        entry = self._case.state.entries.get(key)
        if entry is None:
            return ()
        try:
            record_from_form({key: entry})
        except PatientValueError as error:
            return error.problems
        return ()

    # -- options -------------------------------------------------------------------------------------------------

    @property
    def options(self) -> Options:
        """How a result is presented."""
        return self._case.state.options

    @property
    def device(self) -> DeviceName:
        """Where the network runs."""
        return self._case.device

    @property
    def model(self) -> Path | None:
        """Folder of the model's bundle, None for the bundled one."""
        return self._case.model

    def set_options(
        self, options: Options | None = None, device: DeviceName | None = None, model: Path | Literal["bundled"] | None = None
    ) -> None:
        """Change what is given; None leaves it."""
        before = (self._case.state.options, self._case.device, self._case.model)
        if options is not None:
            self._case.state.options = options
        if device is not None:
            self._case.device = device
        if model is not None:
            self._case.model = None if model == "bundled" else Path(model)
        if before != (self._case.state.options, self._case.device, self._case.model):
            self._changed("options")
