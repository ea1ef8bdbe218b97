"""In the application: the module loads, opens, says what it is, and is left without a trace."""

import unittest

import slicer
from in_slicer import left, on_show, opened, wait


class AdrenalClassifierLoadTest(unittest.TestCase):
    """Run by ``Slicer --testing``, see CMakeLists.txt."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def test_it_opens_on_an_empty_scene_and_says_what_is_missing(self):
        shell = opened()
        ui = slicer.util.childWidgetVariables(shell.widget)
        assert "For research use only" in ui.statementLabel.text
        assert "No CT is chosen" in ui.statusLabel.text
        assert shell.session.not_yet
        left()

    def test_the_sample_case_is_registered(self):
        def names():
            return [source.sampleName for source in slicer.modules.sampleDataSources.get("Adrenal", [])]

        wait(lambda: "AdrenalRightSynthetic" in names(), 10)  # at startupCompleted(), which may come after this test begins

    def test_the_sample_case_is_loaded_by_its_name(self):
        import SampleData

        loaded = SampleData.downloadSamples("AdrenalRightSynthetic")
        assert [node.GetClassName() for node in loaded] == ["vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"]

    def test_opening_and_leaving_ten_times_leaves_nothing(self):
        for _ in range(10):
            opened()
            left()
        assert on_show() == []
