"""The nodes of a case, its state, and lesions cut out of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from AdrenalClassifierLib.errors import AdrenalError, ImageReadError, MaskError, PatientValueError
from AdrenalClassifierLib.imaging.hounsfield import LEAST_HU
from AdrenalClassifierLib.imaging.images import PHASES, CtImage, Phase
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.scene.masks import lesion_number
from AdrenalClassifierLib.scene.segments import Outline, Outlines, imaging_segment, side_stated
from AdrenalClassifierLib.scene.state import CaseState, StateError, options_json, read_state, write_state
from AdrenalClassifierLib.scene.volumes import ct_of, geometry_key, of_two_patients, voxels_key

MODULE = "AdrenalClassifier"
"""Singleton tag and module name of the parameter node."""
PARAMETER = "case"
UNREADABLE = "case.unreadable"
OTHER_PATIENT = (
    "The {phase} CT belongs to another patient than the CT. Take it away under further phases, or choose one of the same patient."
)
CT, SEGMENTATION = "ct", "segmentation"

Part = Literal["outline", "ct", "patient", "options"]
"""What a result stands on."""


class Case:
    """What the session's parts share: the scene's nodes by role, and the state.

    Attributes:
        scene: the MRML scene.
        ct: the volume on which lesions are outlined.
        further: further phases by role.
        segmentation: the segmentation whose segments are the lesions.
        state: see ``state.CaseState``.
        problem: why the scene's stored case is not used; while it stands, nothing is stored.
        model: folder of the bundle, None for the bundled one; and where the network runs. Personal, not part of the scene.
    """

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.ct: Any = None
        self.further: dict[Phase, Any] = {}
        self.segmentation: Any = None
        self.state = CaseState()
        self.problem: str | None = None
        self.model: Path | None = None
        self.device: DeviceName = "auto"
        self.stored = ""
        """What was written last: a scene that brings another text brings another case."""
        self._patient: tuple[dict[str, FormEntry], str] | None = None
        self._outlines = Outlines()
        self._images: dict[str, tuple[tuple[Any, ...], CtImage | AdrenalError]] = {}

    # -- parameter node ------------------------------------------------------------------------------------------

    def find_node(self) -> Any:
        """The parameter node, None when there is none yet."""
        return self.scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")

    def node(self) -> Any:
        """The parameter node; made when there is none."""
        node = self.find_node()
        if node is None:
            node = self.scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(MODULE)
            node.SetModuleName(MODULE)
            node.SetName(MODULE)
            node.SetHideFromEditors(True)
            node = self.scene.AddNode(node)
        return node

    def store(self) -> None:
        """Write state and references to the parameter node, unless the node holds a case that must be left alone."""
        if self.problem is not None:
            return
        node = self.node()
        was = node.StartModify()
        try:
            self.stored = write_state(self.state)
            node.SetParameter(PARAMETER, self.stored)
            for role, item in self.roles().items():
                node.SetNodeReferenceID(role, None if item is None else item.GetID())
        finally:
            node.EndModify(was)

    def roles(self) -> dict[str, Any]:
        """Nodes by their role in the parameter node; None where there is none."""
        phases = {f"phase.{role}": self.further.get(role) for role in PHASES if role != "unknown"}
        return {CT: self.ct, SEGMENTATION: self.segmentation, **phases}

    def reference(self, role: str) -> Any:
        """The node in a role of the parameter node, None when there is none."""
        node = self.find_node()
        return None if node is None else node.GetNodeReference(role)

    def refer(self, role: str, item: Any) -> None:
        """Set or take away (None) the node in a role."""
        node = self.find_node() if item is None else self.node()
        if node is not None:
            node.SetNodeReferenceID(role, None if item is None else item.GetID())

    def replaced(self) -> bool:
        """Whether the parameter node holds another case than the one that was stored last."""
        node = self.find_node()
        return (str(node.GetParameter(PARAMETER) or "") if node is not None else "") != self.stored

    def load(self) -> bool:
        """Take state and nodes from the parameter node; True when it holds a case that can be used.

        When it cannot, ``problem`` says why and the case is empty.
        """
        self.forget()
        node = self.find_node()
        self.stored = text = "" if node is None else str(node.GetParameter(PARAMETER) or "")
        if not text:
            return False
        try:
            self.state = read_state(text)
        except StateError as error:
            self.problem = str(error)
            return False
        self.ct = self.reference(CT)
        self.segmentation = self.reference(SEGMENTATION)
        for role in PHASES:
            item = self.reference(f"phase.{role}")
            if item is not None:
                self.further[role] = item
        return True

    def start_anew(self, put_aside: bool = True) -> None:
        """Begin an empty case.

        Args:
            put_aside: keep a stored one that could not be used under another parameter; False when its scene was closed.
        """
        node = self.find_node()
        if node is not None:
            text = str(node.GetParameter(PARAMETER) or "")
            if not put_aside:
                node.UnsetParameter(UNREADABLE)
            elif self.problem is not None and text:
                node.SetParameter(UNREADABLE, text)
            node.UnsetParameter(PARAMETER)
            roles: list[str] = []
            node.GetNodeReferenceRoles(roles)
            for name in roles:
                node.SetNodeReferenceID(name, None)
        self.forget()

    def forget(self) -> None:
        """Forget nodes and state; the scene is left as it is."""
        self.ct, self.segmentation, self.further = None, None, {}
        self.state, self.problem, self.stored = CaseState(), None, ""
        self._outlines.clear()
        self._images.clear()

    # -- lesions -------------------------------------------------------------------------------------------------

    def segment_ids(self) -> tuple[str, ...]:
        """The lesions' segment ids in order."""
        if self.segmentation is None:
            return ()
        return tuple(str(name) for name in self.segmentation.GetSegmentation().GetSegmentIDs())

    def outline(self, segment_id: str) -> Outline | None:
        """The outline of a lesion, None when it is empty. Raises MaskError, GeometryError."""
        if self.segmentation is None:
            raise MaskError("There is no segmentation yet. Add a lesion first.")
        return self._outlines.of(self.segmentation, segment_id)

    def image(self, node: Any, phase: Phase) -> CtImage:
        """A volume as a CT. Raises ImageReadError, GeometryError."""
        key = (voxels_key(node), geometry_key(node))
        kept = self._images.get(node.GetID())
        if kept is None or kept[0] != key:
            try:
                kept = (key, ct_of(node))
            except AdrenalError as error:
                kept = (key, error)
            self._images[node.GetID()] = kept
        if isinstance(kept[1], AdrenalError):
            raise kept[1]
        return replace(kept[1], phase=phase)

    def ct_problem(self) -> str | None:
        """Why the CT cannot be used or its further phases not beside it, None when it can or when none is chosen."""
        if self.ct is None:
            return None
        try:
            self.image(self.ct, self.state.phase)
        except AdrenalError as error:
            return str(error)
        for role, node in self.further.items():
            if of_two_patients(self.scene, self.ct, node):
                return OTHER_PATIENT.format(phase=role)
        return None

    def volume_key(self) -> tuple[Any, ...]:
        """Changes with the CT's voxels and place."""
        return () if self.ct is None else (self.ct.GetID(), voxels_key(self.ct), geometry_key(self.ct))

    def lesion(self, segment_id: str) -> Lesion:
        """The CT cut around one lesion, with further phases.

        Raises:
            ImageReadError: a volume is no CT.
            MaskError: the segment is empty or gone.
            GeometryError: nodes lie where they cannot be brought together.
        """
        if self.ct is None:
            raise ImageReadError("No CT is chosen. Choose the CT on which the lesion is outlined.")
        outline = self.outline(segment_id)
        if outline is None:
            raise MaskError("The lesion has no voxel yet. Outline it first.")
        number = lesion_number(self.segmentation, segment_id)
        segment = imaging_segment(self.segmentation, segment_id, outline, number)
        others = {role: self.image(node, role) for role, node in self.further.items()}
        (lesion,) = extract_lesions(self.image(self.ct, self.state.phase), [segment], others)
        return _lifted(replace(lesion, lesion_id=f"lesion-{number}"))

    def parts(self, segment_id: str) -> dict[Part, str]:
        """What a lesion's result stands on, one digest a part that can change; a part that is missing is absent.

        Raises:
            MaskError, GeometryError: the segmentation cannot be read.
        """
        found: dict[Part, str] = {}
        if segment_id in self.segment_ids():
            outline = self.outline(segment_id)
            if outline is not None:
                found["outline"] = _digest(outline.digest, side_stated(self.segmentation, segment_id))
        if self.ct is not None:
            volumes = [("ct", self.ct, self.state.phase), *((f"+{r}", n, r) for r, n in sorted(self.further.items()))]
            found["ct"] = _digest(*((role, n.GetID(), voxels_key(n), geometry_key(n), phase) for role, n, phase in volumes))
        options = self.state.options
        found["patient"] = self.patient_key()
        found["options"] = _digest(options.prevalence, options.level, options.show_outside, options.saliency, str(self.model))
        return found

    def image_key(self, segment_id: str) -> str | None:
        """Changes with everything a lesion's measurements depend on; None when the lesion is empty. Raises as ``parts``."""
        parts = self.parts(segment_id)
        return f"{parts['outline']} {parts['ct']}" if {"outline", "ct"} <= parts.keys() else None

    # -- patient -------------------------------------------------------------------------------------------------

    def patient(self) -> tuple[PatientRecord, tuple[Notice, ...]]:
        """The values of the form. Raises PatientValueError with one sentence for each that is not acceptable."""
        return record_from_form(self.state.entries)

    def patient_key(self) -> str:
        """Changes with every value of the form."""
        if self._patient is None or self._patient[0] != self.state.entries:
            try:
                key = _digest(json.dumps(self.patient()[0].to_json(), sort_keys=True))
            except PatientValueError:
                key = _digest(sorted(self.state.entries.items()))
            self._patient = (dict(self.state.entries), key)
        return self._patient[1]

    def made_with(self) -> dict[str, Any]:
        """The options as a result's record keeps them."""
        return options_json(self.state.options)


def _lifted(lesion: Lesion) -> Lesion:
    """What lies below -1024 HU is padding; readers of files set it to -1024."""
    if lesion.ct.min() >= LEAST_HU and all(np.nanmin(hu) >= LEAST_HU for hu in lesion.others.values() if np.isfinite(hu).any()):
        return lesion
    others = {role: np.maximum(hu, np.float32(LEAST_HU)) for role, hu in lesion.others.items()}
    return replace(lesion, ct=np.maximum(lesion.ct, np.float32(LEAST_HU)), others=others)


def _digest(*parts: Any) -> str:
    return hashlib.sha1(repr(parts).encode(), usedforsecurity=False).hexdigest()
