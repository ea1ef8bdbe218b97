"""In the application: a scene is saved, closed and restored; nodes are taken away under the module's feet."""

import tempfile
import time
import unittest
from pathlib import Path

import slicer
from in_slicer import left, measured, on_show, opened, wait


class AdrenalClassifierSceneTest(unittest.TestCase):
    """Run by ``Slicer --testing``, see CMakeLists.txt."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def tearDown(self):
        slicer.mrmlScene.Clear(0)

    def test_a_saved_scene_is_restored(self):
        shell = opened()
        shell.open_sample()
        session = shell.session
        before = (session.phase, dict(session.entries), [(lesion.name, lesion.side) for lesion in session.lesions])
        volume = measured(session).values.volume_ml
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "case.mrb"))
            assert slicer.util.saveScene(path)
            slicer.mrmlScene.Clear(0)
            assert session.ct is None
            assert session.lesions == ()
            assert slicer.util.loadScene(path)
        assert (session.phase, dict(session.entries), [(lesion.name, lesion.side) for lesion in session.lesions]) == before
        assert abs(measured(session).values.volume_ml - volume) < 1e-6
        left()

    def test_a_scene_that_is_added_takes_nothing_away(self):
        shell = opened()
        shell.open_sample()
        session = shell.session
        measured(session)
        session.add_lesion("left")
        before = (session.ct, session.segmentation, session.phase, session.current, session.lesions)
        with tempfile.TemporaryDirectory() as folder:
            other = slicer.vtkMRMLScene()
            other.AddNewNodeByClass("vtkMRMLTextNode", "Something else")
            path = str(Path(folder, "other.mrml"))
            other.SetURL(path)
            assert other.Commit()
            assert slicer.util.loadScene(path)
        end = time.monotonic() + 1
        wait(lambda: time.monotonic() > end)  # the selectors are filled anew
        assert (session.ct, session.segmentation, session.phase, session.current, session.lesions) == before
        ui = slicer.util.childWidgetVariables(shell.ct.widget)
        assert ui.ctSelector.currentNode() is session.ct
        left()

    def test_deleting_nodes_leaves_a_reason_and_no_overlay(self):
        for take in ("ct", "segmentation", "segment", "scene"):
            with self.subTest(take):
                slicer.mrmlScene.Clear(0)
                shell = opened()
                shell.open_sample()
                session = shell.session
                measured(session)
                if take == "ct":
                    slicer.mrmlScene.RemoveNode(session.ct)
                elif take == "segmentation":
                    slicer.mrmlScene.RemoveNode(session.segmentation)
                elif take == "segment":
                    session.segmentation.GetSegmentation().RemoveSegment(session.current)
                else:
                    slicer.mrmlScene.Clear(0)
                slicer.app.processEvents()
                assert session.not_yet
                left()
                assert on_show() == []
