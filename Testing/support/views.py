"""Pictures of a scene without a screen, through Slicer's own displayable managers. May crash where no OpenGL is: probe first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import slicer
import vtk

SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
)


def can_render() -> bool:
    """Whether this machine draws without a screen; found out by a process of its own, which may crash."""
    code = (
        "import vtk\nw = vtk.vtkRenderWindow(); w.SetOffScreenRendering(1); w.SetSize(10, 10)\n"
        "r = vtk.vtkRenderer(); w.AddRenderer(r); w.Render()\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, env={**os.environ}, check=False).returncode == 0


class View:
    """One view; keep it as long as pictures are taken."""

    def __init__(self, size: tuple[int, int], factory: Any, managers: tuple[str, ...], application: Any) -> None:
        self.window, self.renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(application)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.factory = factory
        self.group = slicer.vtkMRMLDisplayableManagerGroup()

    def start(self, node: Any) -> None:
        self.group.Initialize(self.factory, self.renderer)
        self.group.SetMRMLDisplayableNode(node)

    def save(self, path: Path) -> None:
        """Render and write a PNG."""
        self.window.Render()
        self.window.Render()  # texts are laid out during the first pass
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        writer = vtk.vtkPNGWriter()
        writer.SetInputConnection(grab.GetOutputPort())
        writer.SetFileName(str(path))
        writer.Write()

    def close(self) -> None:
        self.group.SetMRMLDisplayableNode(None)
        self.window.Finalize()


class SliceView(View):
    """An axial, sagittal or coronal slice view through a point."""

    def __init__(self, scene: Any, application: Any, composite: Any, at_ras: tuple[float, ...], size: tuple[int, int]) -> None:
        super().__init__(size, slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), SLICE_MANAGERS, application)
        name = composite.GetLayoutName()
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application)
        self.logic.SetMRMLScene(scene)
        self.logic.SetSliceNode(node)
        self.logic.SetSliceCompositeNode(composite)
        application.GetSliceLogics().AddItem(self.logic)
        mapper = vtk.vtkImageMapper()
        mapper.SetColorLevel(127.5)
        mapper.SetColorWindow(255)
        mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(mapper)
        self.actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self.actor)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.start(node)
        self.logic.ResizeSliceNode(*size)
        self.logic.FitSliceToBackground(*size)
        node.JumpSliceByCentering(*at_ras)


class ThreeDView(View):
    """A 3D view."""

    def __init__(self, scene: Any, application: Any, size: tuple[int, int]) -> None:
        super().__init__(size, slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), THREE_D_MANAGERS, application)
        cameras = slicer.vtkSlicerCamerasModuleLogic()
        cameras.SetMRMLApplicationLogic(application)
        cameras.SetMRMLScene(scene)
        application.SetModuleLogic("Cameras", cameras)
        self.cameras = cameras
        node = scene.CreateNodeByClass("vtkMRMLViewNode")
        node.UnRegister(None)
        node.SetSingletonTag("1")
        node.SetLayoutName("1")
        node = scene.AddNode(node)
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        self.start(node)

    def frame(self) -> None:
        """Put everything that is seen into the picture."""
        self.window.Render()
        self.renderer.ResetCamera()
