"""From a downloaded collection to probabilities, by the commands alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, save_bundle
from support.bundles import untrained_bundle
from support.phantom_cohort import read_results
from support.sample import run
from support.tcia_folder import Study, ball, clinical_row, patient, real_portal, tissue, write_clinical


def test_a_download_is_imported_checked_and_assessed(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    hu, gland = real_portal()
    first, second, third = (Study(tmp_path / "download", patient(n)) for n in (1, 2, 3))
    first.seg(first.ct(5, "Abd Venous", hu, (2.0, 0.977, 0.977), agent="Omnipaque"), [gland])
    first.ct(2, "Pre Abd", hu - 60, (2.0, 0.977, 0.977))
    second.seg(second.ct(3, "Abd", tissue(2)), [ball()])
    third.seg(third.ct(3, "Venous", tissue(3)), [np.zeros_like(ball())])
    table = write_clinical(tmp_path / "clinical.xlsx", [clinical_row(n, "Y", "Y", "N", "Right", 60) for n in (1, 2)])
    words = ("cohort", "import-tcia", tmp_path / "download", "--clinical", table, "--out")
    answer = run(capsys, *words, tmp_path / "out")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "1 lesions of 1 patients.")
    assert "things to look at, in import_report.txt" in answer.out
    answer = run(capsys, *words, tmp_path / "both", "--unknown-phase", "portal")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "2 lesions of 2 patients.")
    cohort = tmp_path / "both" / "cohort.csv"
    answer = run(capsys, "cohort", "check", cohort)
    assert answer.code == 0
    assert "'cohort.csv' is sound." in answer.out
    save_bundle(untrained_bundle(), tmp_path / "model", "card\n")
    answer = run(capsys, "assess", "--cohort", cohort, "--model", tmp_path / "model", "--outside-range", "show",
                 "--out", tmp_path / "results")  # fmt: skip
    assert answer.out.splitlines() == ["2 lesions: 2 assessed, 0 with an error.", SYNTHETIC_STATEMENT]
    found = read_results(tmp_path / "results")
    assert {row["model"] for row in found.values()} == {"combined"}
    assert all(0 < float(row["low"]) <= float(row["probability"]) <= float(row["high"]) < 1 for row in found.values())
    # The same folder again, and a folder without anything.
    assert run(capsys, *words, tmp_path / "out").code == 2
    (tmp_path / "nothing").mkdir()
    answer = run(capsys, "cohort", "import-tcia", tmp_path / "nothing", "--clinical", table, "--out", tmp_path / "no")
    assert answer.code == 2
    assert "'nothing' holds no DICOM file. Give the folder of the download." in answer.err
