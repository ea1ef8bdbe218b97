"""The 3D Slicer module "Adrenal Classifier": what it is called, its panel, its self test. AdrenalClassifierLib does the work.

Nothing of the library is imported before the module is opened, so that starting the application costs nothing.
"""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

NAME = "AdrenalClassifier"
SAMPLE_CATEGORY = "Adrenal"
SAMPLE_NAME = "AdrenalRightSynthetic"


class AdrenalClassifier(ScriptedLoadableModule):
    """What the application shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Adrenal Classifier")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = ["Segmentations", "Markups", "Volumes", "Colors", "SubjectHierarchy"]
        self.parent.contributors = ["The Adrenal Classifier contributors"]
        self.parent.helpText = _(
            "Estimates the probability that an adrenal lesion on CT is malignant, from its image, its measurements, the history "
            "and laboratory values, and shows the reasons, the uncertainty and what the guidelines say. For research use only; "
            "not a medical device."
        )
        self.parent.helpText += self.getDefaultModuleDocumentationLink()
        self.parent.acknowledgementText = _(
            "Designed after the published abstract of Huang et al., European Journal of Radiology 2026;201:112907. Guidelines: "
            "ESE/ENSAT 2023, ACR 2017, EURINE-ACT. The bundled model was trained on synthetic data."
        )
        slicer.app.connect("startupCompleted()", register_sample_data)


class AdrenalClassifierWidget(ScriptedLoadableModuleWidget):
    """The module's panel in the application: opens, shows, hides and takes down the shell."""

    def __init__(self, parent=None):
        self.shell = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        """Build the panel; called once, when the module is opened for the first time or reloaded."""
        ScriptedLoadableModuleWidget.setup(self)
        from AdrenalClassifierLib.desktop.shell import Shell

        self.shell = Shell(self.resourcePath)
        self.layout.addWidget(self.shell.widget)
        if getattr(self.parent, "isEntered", False):  # reloaded while it is shown
            self.enter()

    def enter(self):
        """The module is shown."""
        if self.shell is not None:
            self.shell.enter()

    def exit(self):
        """Another module is shown."""
        if self.shell is not None:
            self.shell.exit()

    def cleanup(self):
        """The module is unloaded or reloaded, or the application ends."""
        shell, self.shell = self.shell, None
        if shell is not None:
            shell.close()

    def onReload(self):
        """Reload this file and the library with it."""
        import sys

        for name in [name for name in sys.modules if name.split(".")[0] == "AdrenalClassifierLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class AdrenalClassifierTest(ScriptedLoadableModuleTest):
    """Self test: the sample case is loaded, measured and judged as far as this installation allows."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all."""
        self.setUp()
        self.test_sample_case_is_measured()

    def test_sample_case_is_measured(self):
        """The sample case arrives whole: CT, phase, one lesion on the right, patient values, measurements."""
        import time

        self.delayDisplay("Loading the sample case")
        shell = slicer.util.getModuleWidget(NAME).shell
        shell.open_sample()
        session = shell.session
        assert session.phase == "unenhanced"
        assert [lesion.side for lesion in session.lesions] == ["right"]
        assert session.entries
        self.delayDisplay("Measuring")
        end = time.monotonic() + 60
        while session.measured(session.current).values is None and time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.01)
        measured = session.measured(session.current)
        assert measured.problem is None
        assert measured.values.volume_ml > 1
        assert session.not_yet == ()
        self.delayDisplay("Test passed")


def register_sample_data():
    """Put the sample case into the module Sample Data; it comes from the installation, not from the network."""
    from pathlib import Path

    try:
        import SampleData
    except ImportError:  # an application without that module
        return
    title = translate("AdrenalClassifier", "Adrenal")
    if hasattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory"):  # Slicer 5.12
        SampleData.SampleDataLogic.registerCustomSampleDataCategory(SAMPLE_CATEGORY, title)
    module = Path(slicer.util.modulePath(NAME)).parent
    folders = (module / "AdrenalClassifierLib" / "shipped" / "SampleData", module.parent / "Resources" / "SampleData")
    folder = next((f for f in folders if f.is_dir()), folders[0]) / "adrenal-right-synthetic"
    thumbnail = module / "Resources" / "Icons" / "AdrenalSample.png"
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=SAMPLE_CATEGORY,
        sampleName=SAMPLE_NAME,
        uris=[(folder / name).as_uri() for name in ("ct.nii.gz", "mask.nii.gz")],
        fileNames=["adrenal-sample-ct.nii.gz", "adrenal-sample-lesion.nii.gz"],
        nodeNames=["Adrenal sample CT", "Adrenal sample lesions"],
        loadFileTypes=["VolumeFile", "SegmentationFile"],
        thumbnailFileName=str(thumbnail) if thumbnail.is_file() else None,
        customDownloader=load_sample,
    )


def load_sample(_source=None):
    """Load the sample case with its phase, outline and patient values; returns the nodes."""
    sample = slicer.util.getModuleWidget(NAME).shell.open_sample()
    return [sample.ct, sample.segmentation]
