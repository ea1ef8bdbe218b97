"""From what a folder holds to the lesions of a cohort: phases, outlines, one study a patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from AdrenalClassifierLib.cohort.importers.clinical_table import ClinicalRow
from AdrenalClassifierLib.cohort.importers.dicom_objects import CtSeries, Found, SegObject, table_path
from AdrenalClassifierLib.cohort.importers.outlines import Outline, ct_of, read_outlines, same_lesion
from AdrenalClassifierLib.cohort.importers.phases import PhaseDecision, decide_phase, names_agent
from AdrenalClassifierLib.cohort.importers.series_choice import best, covers, never
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.progress import Progress


@dataclass(frozen=True)
class PlannedLesion:
    """One row to be: the outline, the CT it was drawn on, and one series a phase with its path."""

    outline: Outline
    drawn_on: CtSeries
    ct: Mapping[Phase, CtSeries]
    paths: Mapping[Phase, Path]


@dataclass
class Plan:
    """What was decided.

    Attributes:
        lesions: in order of patient, study and outline.
        decisions: phase of each CT series, by series UID.
        used: what each series or segmentation is used for, by series UID (CT) or path (segmentation).
        reasons: why a series or a segmentation is not used, by the same key.
        problems: what a person should look at, each with the patient (as in the files) it concerns, "" for none.
    """

    lesions: list[PlannedLesion] = field(default_factory=list)
    decisions: dict[str, PhaseDecision] = field(default_factory=dict)
    used: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    reasons: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)


def make_plan(
    found: Found,
    root: Path,
    clinical: Mapping[str, ClinicalRow],
    unknown_phase: Phase | None,
    all_studies: bool,
    progress: Progress,
) -> Plan:
    """Decide what becomes a row.

    Args:
        found: from ``dicom_objects.find_objects``.
        root: folder of the download.
        clinical: rows of the clinical table by PatientID in lower case.
        unknown_phase: phase of series of which nothing says it; None leaves them out.
        all_studies: make rows of every study of a patient instead of the earliest that gives one.
        progress: told after every segmentation.
    """
    plan = Plan()
    _decide_phases(found, clinical, unknown_phase, plan)
    outlined = _outlines(found, plan, progress)
    patients: dict[str, dict[tuple[str, str], list[tuple[Outline, CtSeries]]]] = {}
    for outline, ct in outlined:
        studies = patients.setdefault(ct.place.patient, {})
        studies.setdefault((ct.place.study_time, ct.place.study), []).append((outline, ct))
    for patient in sorted(patients):
        taken = None
        for time_and_study in sorted(patients[patient]):
            pairs = patients[patient][time_and_study]
            if taken is not None and not all_studies:
                skipped = "another study of the patient was taken, the earliest that can be used"
                plan.reasons |= {str(outline.seg.path): skipped for outline, _ in pairs}
                plan.reasons |= {s.place.series: s.unusable or skipped for s in found.ct if s.place.study == time_and_study[1]}
                continue
            lesions = [lesion for pair in _different(pairs, plan) if (lesion := _lesion(*pair, found, root, plan))]
            if lesions:
                taken = time_and_study
                plan.lesions += lesions
        if len(patients[patient]) > 1:
            which = (
                "All were taken" if all_studies else "The earliest that can be used was taken" if taken else "None can be used"
            )
            plan.problems.append((patient, f"There are outlines in {len(patients[patient])} studies. {which}."))
    _explain_the_rest(found, plan)
    return plan


def _decide_phases(found: Found, clinical: Mapping[str, ClinicalRow], unknown_phase: Phase | None, plan: Plan) -> None:
    agents: dict[str, set[str]] = defaultdict(set)
    for series in found.ct:
        if names_agent(series):
            agents[series.place.study].add(series.place.series)
    for series in found.ct:
        row = clinical.get(series.place.patient.casefold(), ClinicalRow())
        elsewhere = bool(agents[series.place.study] - {series.place.series})
        decision = decide_phase(series, row.phases, elsewhere)
        if decision.phase == "unknown" and not decision.contradictory and unknown_phase is not None:
            decision = PhaseDecision(unknown_phase, f"--unknown-phase ({decision.source})")
        plan.decisions[series.place.series] = decision


def _outlines(found: Found, plan: Plan, progress: Progress) -> list[tuple[Outline, CtSeries]]:
    """Every outline with the CT it was drawn on."""
    pairs = []
    for done, seg in enumerate(found.seg, start=1):
        outlines, problems = read_outlines(seg)
        for text in problems:
            plan.problems.append((seg.place.patient, text))
        if not outlines:
            plan.reasons[str(seg.path)] = " ".join(problems).rstrip(".") or "it holds no outline"
        else:
            pairs += _with_ct(seg, outlines, found, plan)
        progress(done, len(found.seg), "Reading outlines")
    return pairs


def _with_ct(seg: SegObject, outlines: Sequence[Outline], found: Found, plan: Plan) -> list[tuple[Outline, CtSeries]]:
    ct, how = ct_of(seg, found.ct, outlines[0].plane)
    key = str(seg.path)
    if ct is None:
        plan.reasons[key] = how
    elif ct.unusable:
        plan.reasons[key] = f"the CT it was drawn on cannot be used: {ct.unusable}"
    elif seg.frame_of_reference and ct.first.frame_of_reference and seg.frame_of_reference != ct.first.frame_of_reference:
        plan.reasons[key] = "it has another frame of reference than the CT it refers to"
    else:
        if how == "frame of reference":
            text = "A segmentation does not say on which series it was drawn; one in its frame of reference was taken."
            plan.problems.append((seg.place.patient, text))
        return [(outline, ct) for outline in outlines]
    plan.problems.append((seg.place.patient, f"A segmentation was not used: {plan.reasons[key]}."))
    return []


def _different(pairs: Sequence[tuple[Outline, CtSeries]], plan: Plan) -> list[tuple[Outline, CtSeries]]:
    """One outline a lesion: of several that overlap the newest."""
    kept: list[tuple[Outline, CtSeries]] = []
    newest_first = sorted(pairs, key=lambda p: (p[0].seg.created, p[0].seg.number or 0, str(p[0].seg.path)), reverse=True)
    for outline, ct in newest_first:
        twin = next(
            (k for k, other in kept if k.seg is not outline.seg and _one_frame(ct, other) and same_lesion(k, outline)), None
        )
        if twin is None:
            kept.append((outline, ct))
            continue
        plan.reasons[str(outline.seg.path)] = "a newer segmentation outlines the same lesion"
        text = "Several segmentations outline one lesion; the newest was taken."
        if (ct.place.patient, text) not in plan.problems:
            plan.problems.append((ct.place.patient, text))
    return sorted(kept, key=lambda p: (p[0].seg.created, p[0].seg.number or 0, str(p[0].seg.path), p[0].number))


def _one_frame(one: CtSeries, other: CtSeries) -> bool:
    return one.first.frame_of_reference == other.first.frame_of_reference


def _lesion(outline: Outline, drawn_on: CtSeries, found: Found, root: Path, plan: Plan) -> PlannedLesion | None:
    """One series a phase, or None with the reason noted."""
    candidates: dict[Phase, list[CtSeries]] = defaultdict(list)
    for series in found.ct:
        if series.place.patient != drawn_on.place.patient or series.place.study != drawn_on.place.study:
            continue
        uid = series.place.series
        phase = plan.decisions[uid].phase
        reason = series.unusable or _unfit(series, drawn_on, outline)
        if not reason and table_path(series, found, root)[0] is None:
            reason = table_path(series, found, root)[1]
        if not reason and phase == "unknown":
            reason = f"its phase is unknown ({plan.decisions[uid].source})"
        if not reason and series is not drawn_on:
            reason = never(series)
        if reason:
            plan.reasons.setdefault(uid, reason)
        else:
            candidates[phase].append(series)
    chosen: dict[Phase, CtSeries] = {}
    for phase, several in candidates.items():
        one = drawn_on if drawn_on in several else best(several)
        if one is not None:
            chosen[phase] = one
            why = (
                "the lesion was outlined on another series of its phase"
                if one is drawn_on
                else "a better series of its phase was taken"
            )
            for series in several:
                if series is not one:
                    plan.reasons.setdefault(series.place.series, why)
    if not chosen:
        plan.reasons[str(outline.seg.path)] = "no CT of the lesion with a known phase can be used"
        reason = plan.reasons.get(drawn_on.place.series, "")
        text = f"A lesion was left out: the CT it was outlined on cannot be used ({reason}), nor another one of its study."
        plan.problems.append((drawn_on.place.patient, text))
        return None
    if drawn_on not in chosen.values():
        text = f"The CT on which a lesion was outlined is not used: {plan.reasons.get(drawn_on.place.series, '')}."
        plan.problems.append((drawn_on.place.patient, text))
    elif never(drawn_on):
        text = f"The CT on which a lesion was outlined is used although {never(drawn_on)}."
        plan.problems.append((drawn_on.place.patient, text))
    paths = {phase: path for phase, series in chosen.items() if (path := table_path(series, found, root)[0]) is not None}
    return PlannedLesion(outline, drawn_on, chosen, paths)


def _unfit(series: CtSeries, drawn_on: CtSeries, outline: Outline) -> str:
    if series is drawn_on:
        return ""
    if series.first.frame_of_reference != drawn_on.first.frame_of_reference:
        return "it has another frame of reference than the CT on which the lesion was outlined"
    return "" if covers(series, outline.geometry) else "it does not cover the whole lesion"


def _explain_the_rest(found: Found, plan: Plan) -> None:
    """A reason for every series that no lesion could use, and what the chosen ones leave to look at."""
    for lesion in plan.lesions:
        for series in lesion.ct.values():
            plan.reasons.pop(series.place.series, None)
            remark = plan.decisions[series.place.series].remark
            if remark and (series.place.patient, remark) not in plan.problems:
                plan.problems.append((series.place.patient, remark))
    used = {series.place.series for lesion in plan.lesions for series in lesion.ct.values()}
    for series in found.ct:
        if series.place.series not in used:
            plan.reasons.setdefault(series.place.series, series.unusable or "there is no outline that can be used in its study")
    for lesion in plan.lesions:
        plan.reasons.pop(str(lesion.outline.seg.path), None)
