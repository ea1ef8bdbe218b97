"""What the in-application tests share."""

import time

import slicer

NAME = "AdrenalClassifier"


def opened():
    """The module's panel, shown where the application has a main window, else entered as if it were."""
    widget = slicer.util.getModuleWidget(NAME)
    try:
        slicer.util.selectModule(NAME)
    except (RuntimeError, AttributeError):  # no main window
        widget.enter()
    return widget.shell


def left():
    """Leave the module."""
    try:
        slicer.util.selectModule("Data")
    except (RuntimeError, AttributeError):
        slicer.util.getModuleWidget(NAME).exit()


def wait(ready, seconds=120):
    """Let the application work until something holds."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise AssertionError("it did not happen in time")
        slicer.app.processEvents()
        time.sleep(0.01)


def measured(session):
    """Measurements of the current lesion, waited for."""
    wait(lambda: session.measured(session.current).values is not None or session.measured(session.current).problem)
    return session.measured(session.current)


def on_show():
    """Names of the module's own labels, lines and maps that a view shows."""
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
    own = [node for node in nodes if node.GetAttribute("AdrenalClassifier.Role")]
    layers = {
        volume
        for node in nodes
        if node.IsA("vtkMRMLSliceCompositeNode")
        for volume in (node.GetForegroundVolumeID(), node.GetLabelVolumeID())
    }
    markups = [node for node in own if node.IsA("vtkMRMLMarkupsNode") and node.GetDisplayNode()]
    shown = [node for node in markups if node.GetDisplayNode().GetVisibility()]
    return sorted(node.GetName() for node in [*shown, *(node for node in own if node.GetID() in layers)])
