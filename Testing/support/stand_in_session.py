"""The part of a session that the result and export panels use, in any state that a test asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.scene.measuring import Measured
from AdrenalClassifierLib.scene.running import Part, Result, RunState
from AdrenalClassifierLib.scene.session import LesionInfo
from AdrenalClassifierLib.scene.signal import Signal


@dataclass(eq=False)
class StandInSession:
    """Holds what the test put into it and remembers what it was asked."""

    results: dict[str, tuple[Assessment, bool]] = field(default_factory=dict)
    current: str | None = "a"
    names: tuple[str, ...] = ("a",)
    not_yet: tuple[str, ...] = ()
    run: RunState = field(default_factory=RunState)
    options: Options = field(default_factory=Options)
    saliency_visible: bool = False
    ct: Any = None
    why: tuple[Part, ...] = ()
    label_visible: bool = True
    entries: dict[str, FormEntry] = field(default_factory=dict)
    volumes: dict[str, Measured] = field(default_factory=dict)
    changed: Signal = field(default_factory=Signal)
    asked: list[Any] = field(default_factory=list)

    @property
    def lesions(self) -> tuple[LesionInfo, ...]:
        return tuple(LesionInfo(name, f"Lesion {at}", "right", False, "outlined") for at, name in enumerate(self.names, start=1))

    def result(self, segment_id: str) -> Result:
        assessment, stale = self.results.get(segment_id, (None, False))
        return Result(assessment, stale, segment_id, self.why if stale else ())

    def measured(self, segment_id: str) -> Measured:
        return self.volumes.get(segment_id, Measured())

    def tell(self, topic: str, **changes: Any) -> None:
        """Change and tell."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.changed(topic)

    def classify(self, all_lesions: bool = False) -> None:
        self.asked.append("all" if all_lesions else "classify")

    def cancel(self) -> None:
        self.asked.append("cancel")
        self.tell("run", run=RunState())

    def set_options(self, options: Options) -> None:
        self.asked.append(options)
        self.results = {name: (assessment, True) for name, (assessment, _) in self.results.items()}
        self.tell("options", options=options)

    def set_saliency_visible(self, visible: bool) -> None:
        self.asked.append(("saliency", visible))
        self.saliency_visible = visible

    def set_label_visible(self, visible: bool) -> None:
        self.asked.append(("label", visible))
        self.label_visible = visible

    def set_current(self, segment_id: str) -> None:
        self.tell("current", current=segment_id)

    def next_lesion(self) -> bool:
        at = self.names.index(str(self.current)) + 1 if self.current in self.names else 0
        if at >= len(self.names):
            return False
        self.set_current(self.names[at])
        return True

    def start_new_case(self) -> None:
        self.asked.append("new case")
        self.tell("lesions", results={}, names=(), current=None)

    def write_json(self, path: Path) -> None:
        self.asked.append(("json", path))

    def write_csv(self, path: Path) -> None:
        self.asked.append(("csv", path))

    def write_report(self, path: Path, done: Any, failed: Any) -> None:
        self.asked.append(("report", path, done, failed))

    def write_dicom(self, folder: Path, ct_files: Any, done: Any, failed: Any) -> None:
        self.asked.append(("dicom", folder, list(ct_files), done, failed))
