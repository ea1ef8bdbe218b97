"""What leaves the case: the report, tables, and DICOM objects. A result that is stale does not leave it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.assessment import Assessment, write_assessments
from AdrenalClassifierLib.errors import AdrenalError, OutputError
from AdrenalClassifierLib.files import write_json, write_text
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.desk import Desk, Steps
from AdrenalClassifierLib.scene.handover import write_lesion, write_values
from AdrenalClassifierLib.scene.masks import GROWN, lesion_number
from AdrenalClassifierLib.scene.measuring import Measuring
from AdrenalClassifierLib.scene.ports import CANCELLED, Failure
from AdrenalClassifierLib.scene.running import Running
from AdrenalClassifierLib.scene.segments import segment_of, side_stated, tag
from AdrenalClassifierLib.scene.table import Row, as_csv, row, write_table

Written = Callable[[tuple[Path, ...]], None]
NotWritten = Callable[[Failure], None]


class Outputs:
    """The part of the session that writes."""

    _case: Case
    _running: Running
    _measuring: Measuring
    _desk: Desk
    _jobs: list[_Job]

    def write_report(self, path: Path, done: Written, failed: NotWritten) -> None:
        """Have the worker write the page; ``done`` gets the files. Raises AdrenalError when there is nothing true to report."""
        self._write("report", self._true(), {"out": str(path)}, done, failed)

    def write_dicom(self, folder: Path, ct_files: Sequence[Path], done: Written, failed: NotWritten) -> None:
        """Have the worker write a segmentation and a structured report that refer to the CT's own files.

        Every lesion that is outlined goes along; one without a result that is true goes without a probability.

        Args:
            folder: where the files go.
            ct_files: all slices of the CT that is shown.
            done: gets the files.
            failed: called otherwise.

        Raises:
            AdrenalError: no lesion is outlined, or the CT did not come from DICOM.
        """
        if not ct_files:
            raise OutputError("The CT did not come from DICOM files, so DICOM objects cannot refer to it. Export CSV or JSON.")
        ids = [segment_id for segment_id in self._case.segment_ids() if not self._empty(segment_id)]
        if not ids:
            raise OutputError("No lesion is outlined yet. Outline one first.")
        results = [(name, None if self._running.result(name).stale else self._running.result(name).assessment) for name in ids]
        grown = [name for name in ids if tag(segment_of(self._case.segmentation, name), GROWN)]
        numbers = [f"lesion-{lesion_number(self._case.segmentation, name)}" for name in grown]
        arguments = {"out": str(folder), "ct_files": [str(path) for path in ct_files], "semiautomatic": numbers}
        self._write("dicom", results, arguments, done, failed)

    def write_json(self, path: Path) -> None:
        """Write assessment.json. Raises AdrenalError when there is nothing true to write, OutputError when it cannot be."""
        write_assessments(Path(path), tuple(assessment for _, assessment in self._true() if assessment is not None))

    def write_csv(self, path: Path) -> None:
        """Write one row a lesion; a stale result's cells are empty. Raises OutputError."""
        write_text(Path(path), as_csv(self._rows()))

    def write_patient(self, path: Path) -> None:
        """Write the patient's values, without identity. Raises PatientValueError, OutputError."""
        write_json(Path(path), self._case.patient()[0].to_json())

    def write_table(self) -> Any:
        """Put the rows of ``write_csv`` into a table node; returns it."""
        return write_table(self._case.scene, self._rows())

    def _rows(self) -> list[Row]:
        rows = []
        for segment_id in self._case.segment_ids():
            measured, result = self._measuring.measured(segment_id), self._running.result(segment_id)
            status = "empty" if measured.values is None and self._empty(segment_id) else "outlined"
            if result.assessment is not None:
                status = "stale" if result.stale else "assessed"
            rows.append(
                row(
                    f"lesion-{lesion_number(self._case.segmentation, segment_id)}",
                    side_stated(self._case.segmentation, segment_id),
                    status,
                    None if measured.busy else measured.values,
                    dict(measured.by_hand),
                    None if result.stale else result.assessment,
                )
            )
        return rows

    def _empty(self, segment_id: str) -> bool:
        try:
            return self._case.outline(segment_id) is None
        except AdrenalError:
            return False

    def _true(self) -> list[tuple[str, Assessment | None]]:
        """Every lesion that has a result. Raises OutputError when one of them is stale, or when there is none."""
        found: list[tuple[str, Assessment | None]] = []
        for segment_id in self._case.segment_ids():
            result = self._running.result(segment_id)
            if result.stale:
                raise OutputError("A result is out of date: something it stands on has changed. Press Update first.")
            if result.assessment is not None:
                found.append((segment_id, result.assessment))
        if not found:
            raise OutputError("There is no result yet. Press Classify first.")
        return found

    def _write(
        self,
        do: str,
        results: Sequence[tuple[str, Assessment | None]],
        arguments: dict[str, Any],
        done: Written,
        failed: NotWritten,
    ) -> None:
        """Hand over one lesion in a turn of the event loop: cutting out and writing a dozen takes longer than a slot may."""
        keys = {segment_id: self._running.key(segment_id) for segment_id, _ in results}
        told = [None if made is None else self._case.state.lesion(segment_id).assessment for segment_id, made in results]
        values = [None if made is None else self._running.kept[segment_id].saliency for segment_id, made in results]

        def prepare(folder: Path) -> Steps:
            files, maps = [], []
            for number, ((segment_id, _), saliency) in enumerate(zip(results, values, strict=True)):
                if self._running.key(segment_id) != keys[segment_id]:
                    raise OutputError("The case changed while the files were prepared. Nothing was written; try again.")
                files.append(str(folder / f"lesion-{number}.npz"))
                write_lesion(Path(files[-1]), self._case.lesion(segment_id))
                maps.append(None if saliency is None else str(folder / f"saliency-{number}.npz"))
                if saliency is not None:
                    write_values(folder / f"saliency-{number}.npz", saliency)
                yield
            return {"lesions": files, "assessments": told, "saliency": maps, **arguments}

        job = _Job(failed)

        def written(answer: dict[str, Any]) -> None:
            self._jobs.remove(job)
            done(tuple(Path(name) for name in answer["files"]))

        def not_written(failure: Failure) -> None:
            self._jobs.remove(job)
            failed(failure)

        self._desk.ask_in_steps(do, prepare, written, not_written)
        self._jobs.append(job)

    def _forget_jobs(self, tell: bool) -> None:
        """The case is gone: whoever waits for a file of it hears that none comes."""
        jobs, self._jobs = self._jobs, []
        for job in jobs if tell else ():
            job.failed(Failure(CANCELLED, "The file was not written: its case was closed."))


@dataclass(frozen=True, eq=False)
class _Job:
    """Files that somebody waits for."""

    failed: NotWritten
