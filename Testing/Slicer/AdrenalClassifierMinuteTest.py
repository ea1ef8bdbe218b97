"""In the application: the radiologist's minute on the sample case, by the session that the panels show."""

import tempfile
import unittest
from pathlib import Path

import slicer
from in_slicer import left, measured, on_show, opened, wait


class AdrenalClassifierMinuteTest(unittest.TestCase):
    """Run by ``Slicer --testing``, see CMakeLists.txt."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def test_the_minute(self):
        shell = opened()
        session = shell.session
        shell.open_sample()
        assert session.phase == "unenhanced"
        values = measured(session)
        assert values.problem is None
        assert values.values.volume_ml > 1
        assert session.not_yet == ()

        session.classify()
        wait(lambda: session.run.state in ("idle", "failed"))
        assert session.run.state == "idle", session.run.failure
        result = session.result(session.current)
        assert result.assessment is not None
        assert not result.stale

        session.set_phase("portal")
        assert session.result(session.current).stale
        session.set_phase("unenhanced")
        assert not session.result(session.current).stale

        with tempfile.TemporaryDirectory() as folder:
            answers = []
            session.write_report(Path(folder, "report.html"), lambda *_: answers.append("done"), answers.append)
            wait(lambda: answers)
            assert answers == ["done"]
            text = Path(folder, "report.html").read_text(encoding="utf-8")
            assert "For research use only" in text

        left()
        assert on_show() == []

    def test_leaving_in_the_middle_of_a_run_ends_it(self):
        shell = opened()
        shell.open_sample()
        shell.session.classify()
        left()
        wait(lambda: shell.session.run.state == "idle", 10)
        assert shell.session.result(shell.session.current).assessment is None
