"""One half of carrying a case between two versions of Slicer: ``carry_case.py save|restore FOLDER`` with that version installed.

``save`` classifies a case of two lesions and writes case.mrb with told.json; ``restore`` opens case.mrb and writes restored.json.
Both files tell the case in the same words; they must be equal.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import slicer.util

from AdrenalClassifierLib.model.prevalence import Prevalence
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.scene.overlays import role
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of
from support.session_case import Work
from support.slicer_core import VtkMessages, boot, load, save

GRID = "oblique"


def tell(work: Work) -> dict[str, Any]:
    """The case in plain words: state, nodes and values."""
    session = work.session
    lesions = {}
    for item in session.lesions:
        result, measured = session.result(item.segment_id), session.measured(item.segment_id)
        saliency = session._case.reference(role("saliency", item.segment_id))
        label = session._case.reference(role("label", item.segment_id))
        voxels = slicer.util.arrayFromVolume(saliency)
        assert result.assessment is not None
        assert measured.values is not None
        lesions[item.segment_id] = {
            "info": asdict(item),
            "stale": result.stale,
            "assessment": result.assessment.to_json(),
            "measurements": measured.values.to_json(),
            "by_hand": dict(measured.by_hand),
            "saliency": [list(voxels.shape), hashlib.sha256(voxels.tobytes()).hexdigest()],
            "label": label.GetNthControlPointLabel(0),
            "colour": [round(part, 4) for part in session.segmentation.GetSegmentation().GetSegment(item.segment_id).GetColor()],
            "mask": session._case.outline(item.segment_id).digest,  # type: ignore[union-attr]
        }
    own = [node.GetAttribute(OWN) for node in nodes_of(work.scene, "vtkMRMLDisplayableNode") if node.GetAttribute(OWN)]
    return {
        "lesions": lesions,
        "entries": {key: asdict(entry) for key, entry in session.entries.items()},
        "phase": session.phase,
        "further": {phase: node.GetName() for phase, node in session.further.items()},
        "options": asdict(session.options),
        "current": session.current,
        "saliency_visible": session.saliency_visible,
        "own nodes": sorted(own),
        "problem": session.problem,
    }


def main(do: str, folder: Path) -> None:
    with VtkMessages() as messages:
        work = Work(boot(), grid=GRID)
        session = work.session
        if do == "save":
            other = work.add_ct()
            other.SetName("further")
            work.ready(2)
            session.set_entries({"age": FormEntry("54", "years"), "cortisol_dst": FormEntry("<35", "nmol/L", "50")})
            session.set_further("unenhanced", other)
            session.set_options(replace(session.options, prevalence=Prevalence("surgical", 0.26)))
            line = work.scene.GetFirstNodeByName("Lesion 1 long axis")
            line.SetNthControlPointPositionWorld(0, 10.0, 20.0, 5.0)
            session.classify(all_lesions=True)
            work.settle()
            session.set_saliency_visible(True)
            save(work.scene, folder / "case.mrb")
        else:
            load(work.scene, folder / "case.mrb")
            work.settle()
        name = "told.json" if do == "save" else "restored.json"
        (folder / name).write_text(json.dumps(tell(work), indent=1, sort_keys=True), encoding="utf-8")
        session.close()
    if messages.texts:
        raise SystemExit("VTK reported:\n" + "\n".join(messages.texts))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
