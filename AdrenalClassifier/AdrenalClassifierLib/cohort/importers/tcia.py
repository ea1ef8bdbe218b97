"""The collection Adrenal-ACC-Ki67-Seg of The Cancer Imaging Archive (doi 10.7937/1fpg-vm46): 53 patients with adrenal carcinoma.

Every lesion is malignant, so the cohort serves to look at sensitivity, and to train together with benign lesions from elsewhere.
The licence (CC BY 4.0) asks to cite the collection. The folder may be laid out as the NBIA Data Retriever does (collection,
patient, study, series), as the Imaging Data Commons does (one folder a series), or in any other way: only headers are looked at.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from AdrenalClassifierLib.cohort.columns import USERS_OWN, own_columns, phase_columns, shown
from AdrenalClassifierLib.cohort.importers.clinical_table import ClinicalRow, ClinicalTable, read_clinical_table
from AdrenalClassifierLib.cohort.importers.dicom_objects import Found, Place, find_objects
from AdrenalClassifierLib.cohort.importers.plan import Plan, PlannedLesion, make_plan
from AdrenalClassifierLib.cohort.importers.report import ImportReport, SeriesLine, write_report
from AdrenalClassifierLib.cohort.importers.series_choice import RULE
from AdrenalClassifierLib.errors import CohortError, OutputError
from AdrenalClassifierLib.files import write_text
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.progress import Progress, silent

COLLECTION_ID = re.compile(r"Adrenal_Ki67_Seg_\d{3,4}")
"""PatientIDs of the collection, which are pseudonyms."""
ORGANS = frozenset(("gland", "liver", "kidney", "spleen", "pancreas", "aorta", "vein", "bowel", "stomach", "body", "background"))
"""Words in a segment's name that no tumour should have."""
TABLE = "cohort.csv"
TITLE = "Import of Adrenal-ACC-Ki67-Seg (The Cancer Imaging Archive, doi 10.7937/1fpg-vm46, CC BY 4.0)"
PHASE_RULE = (
    "Phase: the header's coded phase; else words of the series description; else the only phase that the clinical table leaves. "
    "A series whose phase stays unknown, or whose evidence disagrees, is not used; --unknown-phase says what unknown ones are."
)
STUDY_RULE = "One study a patient, the earliest that gives a lesion with a known phase; --all-studies takes all of them."
TRUTH_RULE = "Every lesion is an adrenocortical carcinoma proven by pathology (histology acc, malignant 1, truth_source surgery)."
PATIENT_RULE = "PatientIDs of the collection are kept; any other PatientID was replaced by a running number."


@dataclass(frozen=True)
class Imported:
    """What an import made: the table, lesions, patients, and how many things there are to look at."""

    table: Path
    lesions: int
    patients: int
    to_look_at: int


def import_tcia(
    folder: Path,
    clinical: Path,
    out: Path,
    unknown_phase: Phase | None = None,
    all_studies: bool = False,
    progress: Progress = silent,
) -> Imported:
    """Write a cohort table of the collection.

    CT and masks stay where they are; ``cohort.csv`` names them relative to itself where it can. Beside it ``import_series.csv``
    lists every series with what it is used for or why it is not, and ``import_report.txt`` says the rules and what to look at.

    Args:
        folder: the download, in any layout.
        clinical: the collection's clinical table, CSV or Excel.
        out: new or empty folder.
        unknown_phase: phase of series of which nothing says it; None leaves them out.
        all_studies: rows for every study of a patient.
        progress: told after every file and every segmentation.

    Raises:
        ImageReadError: the folder holds no DICOM.
        CohortError: the clinical table cannot be used, or no lesion can (the reports are then there and say why).
        OutputError: ``out`` is not empty or cannot be written.
        MissingDependencyError: highdicom or (for a workbook) openpyxl is not installed.
    """
    folder, out = Path(folder), Path(out)
    _check_new(out)
    table = read_clinical_table(Path(clinical))
    found = find_objects(folder, progress)
    plan = make_plan(found, folder, table.rows, unknown_phase, all_studies, progress)
    names = _pseudonyms(found)
    ids = _lesion_ids(plan, names)
    problems = _problems(found, plan, table, names)
    series = _series_lines(found, plan, names)
    write_report(out, ImportReport(TITLE, _counts(found, plan), _rules(names), table.left_out, problems, series))
    if not plan.lesions:
        raise CohortError(f"No lesion can be imported from '{folder.name}'; import_report.txt in '{out.name}' says why.")
    write_text(out / TABLE, _table(plan, out, table.rows, names, ids))
    return Imported(out / TABLE, len(plan.lesions), len({_patient(lesion) for lesion in plan.lesions}), len(problems))


def _check_new(out: Path) -> None:
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError(f"'{out.name}' exists and is not an empty folder. Choose a new folder.")
    except OSError as error:
        raise OutputError(f"'{out.name}' cannot be read: {error.strerror}.") from error


def _pseudonyms(found: Found) -> dict[str, str]:
    """Name in the table by PatientID: those of the collection unchanged, otherwise a number in an order that says nothing."""
    patients = {place.patient for place in _places(found)}
    names = {patient: patient for patient in patients if COLLECTION_ID.fullmatch(patient)}
    others = sorted(patients - set(names), key=lambda p: hashlib.sha256(p.encode("utf-8", "replace")).digest())
    return names | {patient: f"patient-{number:03d}" for number, patient in enumerate(others, start=1)}


def _patient(lesion: PlannedLesion) -> str:
    return lesion.drawn_on.place.patient


def _lesion_ids(plan: Plan, names: Mapping[str, str]) -> list[str]:
    """One for each lesion of the plan; also notes what each series is used for."""
    counts: Counter[str] = Counter()
    ids = []
    for lesion in plan.lesions:
        name = names[_patient(lesion)]
        counts[name] += 1
        ids.append(f"{name}-{counts[name]}")
        for phase, series in lesion.ct.items():
            plan.used[series.place.series].append(f"ct_{phase} of {ids[-1]}")
        plan.used[str(lesion.outline.seg.path)].append(f"mask of {ids[-1]} (segment {lesion.outline.number})")
    return ids


def _table(plan: Plan, out: Path, clinical: Mapping[str, ClinicalRow], names: Mapping[str, str], ids: Sequence[str]) -> str:
    columns = [*(name for name in own_columns() if name not in USERS_OWN), "age_years", "sex"]
    per_patient = Counter(_patient(lesion) for lesion in plan.lesions)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for lesion_id, lesion in zip(ids, plan.lesions, strict=True):
        row = clinical.get(_patient(lesion).casefold(), ClinicalRow())
        side = lesion.outline.side
        if side == "unknown" and per_patient[_patient(lesion)] == 1:
            side = row.side
        writer.writerow({
            "patient_id": names[_patient(lesion)],
            "lesion_id": lesion_id,
            "side": side,
            **{c: _relative(lesion.paths[phase], out) for c, phase in phase_columns().items() if phase in lesion.paths},
            "mask": _relative(lesion.outline.seg.path, out),
            "mask_label": str(lesion.outline.number),
            "malignant": "1",
            "histology": "acc",
            "truth_source": "surgery",
            "age_years": row.age_years,
            "sex": row.sex,
        })  # fmt: skip
    return text.getvalue()


def _relative(path: Path, out: Path) -> str:
    """``path`` as the table in ``out`` names it; absolute where both lie on different drives."""
    try:
        return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _counts(found: Found, plan: Plan) -> tuple[str, ...]:
    patients = {s.place.patient for s in found.ct} | {s.place.patient for s in found.seg}
    studies = {s.place.study for s in found.ct}
    phases = Counter(phase for lesion in plan.lesions for phase in lesion.ct)
    by_phase = ", ".join(f"{phase} {phases[phase]}" for phase in phase_columns().values() if phases[phase]) or "none"
    made = len({_patient(lesion) for lesion in plan.lesions})
    return (
        f"Found: {len(patients)} patients, {len(studies)} studies, {len(found.ct)} CT series, {len(found.seg)} segmentations, "
        f"{len(found.other)} other series, {len(found.damaged)} unreadable files.",
        f"Made: {len(plan.lesions)} lesions of {made} patients; phases: {by_phase}.",
    )


def _rules(names: Mapping[str, str]) -> tuple[str, ...]:
    replaced = [PATIENT_RULE] if any(name != patient for patient, name in names.items()) else []
    return (PHASE_RULE, RULE, STUDY_RULE, TRUTH_RULE, *replaced)


def _problems(found: Found, plan: Plan, table: ClinicalTable, names: Mapping[str, str]) -> tuple[str, ...]:
    """What a person should look at: in general first, then by patient."""
    out = [*found.broken, *table.remarks]
    with_lesions = {_patient(lesion) for lesion in plan.lesions}
    of_patients = [(names[patient], text) for patient, text in plan.problems]
    for patient in sorted({s.place.patient for s in found.ct} | {s.place.patient for s in found.seg}):
        row = table.rows.get(patient.casefold())
        if row is None:
            of_patients.append((names[patient], "There is no row in the clinical table; age, sex and laterality are missing."))
        else:
            of_patients += [(names[patient], remark) for remark in row.remarks]
        if patient not in with_lesions:
            of_patients.append((names[patient], "No lesion of this patient was imported."))
        several = sum(_patient(lesion) == patient for lesion in plan.lesions)
        if several > 1 and row is not None and row.side != "unknown":
            of_patients.append((names[patient], f"There are {several} lesions; the table's laterality was not taken for them."))
        for lesion in plan.lesions:
            stated, label = lesion.outline.side, lesion.outline.label
            if _patient(lesion) == patient and ORGANS & set(re.split(r"[^a-z]+", label.casefold())):
                text = f"The outline '{shown(label)}' is named like an organ; check that it is a lesion."
                of_patients.append((names[patient], text))
            if _patient(lesion) == patient and row and "unknown" not in (stated, row.side) and stated != row.side:
                of_patients.append(
                    (names[patient], f"The outline says {stated}, the clinical table {row.side}; the outline counts.")
                )
    absent = sorted(set(table.rows) - {patient.casefold() for patient in names})
    if absent:
        out.append(f"{len(absent)} patients of the clinical table have no images in the folder.")
    return (*out, *dict.fromkeys(f"{name}: {text}" for name, text in sorted(of_patients)))


def _series_lines(found: Found, plan: Plan, names: Mapping[str, str]) -> tuple[SeriesLine, ...]:
    studies = _study_numbers(found)
    lines = []

    def line(place: Place, key: str, number: int | None, description: str, modality: str, images: int) -> SeriesLine:
        name = names[place.patient]
        return SeriesLine(
            patient_id=name,
            study=studies[place.patient, place.study],
            series_number=number,
            description=description,
            modality=modality,
            images=images,
            used_for="; ".join(plan.used.get(key, [])),
            reason=plan.reasons.get(key, ""),
            # UIDs of the collection are pseudonyms too; those of anyone else might lead back to a patient.
            series_uid=place.series if name == place.patient else "",
        )

    for ct in found.ct:
        decision = plan.decisions[ct.place.series]
        plain = line(ct.place, ct.place.series, ct.first.number, ct.first.description, "CT", len(ct.headers))
        kernel = ct.kernel.replace("\\", "/")
        phase, source = decision.phase, decision.source
        lines.append(replace(plain, thickness_mm=ct.thickness, kernel=kernel, phase=phase, phase_from=source))
    for seg in found.seg:
        lines.append(line(seg.place, str(seg.path), seg.number, seg.description, "SEG", 1))
    for other in found.other:
        plain = line(other.place, "", other.number, other.description, other.modality, other.files)
        lines.append(replace(plain, reason="neither a CT volume nor a segmentation"))
    return tuple(sorted(lines, key=lambda line: (line.patient_id, line.study, line.series_number or 0, line.series_uid)))


def _study_numbers(found: Found) -> dict[tuple[str, str], int]:
    """1, 2, ... for the studies of a patient by time, so that neither dates nor UIDs are needed to tell them apart."""
    by_patient: dict[str, set[tuple[str, str]]] = {}
    for place in _places(found):
        by_patient.setdefault(place.patient, set()).add((place.study_time, place.study))
    return {
        (patient, study): number
        for patient, studies in by_patient.items()
        for number, (_, study) in enumerate(sorted(studies), start=1)
    }


def _places(found: Found) -> list[Place]:
    return [*(s.place for s in found.ct), *(s.place for s in found.seg), *(s.place for s in found.other)]
