"""Draw a classified lesion in a slice view and in 3D: ``python draw_case.py FOLDER [GRID]`` writes PNG files there.

A process of its own, since drawing may crash where no OpenGL is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.scene_cases import GRIDS
from support.session_case import CENTRES, Work
from support.slicer_core import VtkMessages, application, boot
from support.views import SliceView, ThreeDView

SIZE = (500, 450)


def main(folder: Path, grid: str = "axial") -> None:
    with VtkMessages() as messages:
        scene = boot()
        work = Work(scene, grid=grid)
        work.ready()
        display = work.session.ct.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(-160, 240)
        k, j, i = CENTRES[0]
        x, y, z, _ = GRIDS[grid] @ [i, j, k, 1]
        composite = scene.GetSingletonNode("Red", "vtkMRMLSliceCompositeNode")
        flat, solid = SliceView(scene, application(), composite, (x, y, z), SIZE), ThreeDView(scene, application(), SIZE)
        flat.save(folder / "outline.png")
        work.session.classify()
        work.settle()
        flat.save(folder / "result.png")
        work.session.set_saliency_visible(True)
        flat.save(folder / "map.png")
        work.session.segmentation.CreateClosedSurfaceRepresentation()
        solid.frame()
        solid.save(folder / "solid.png")
        work.session.set_saliency_visible(False)
        work.session.set_entry("age", None)
        work.draw(work.session.current or "", scale=0.95)  # stale
        work.draw(work.session.current or "", scale=1.0)
        work.session.set_phase("delayed")
        flat.save(folder / "stale.png")
        flat.close()
        solid.close()
        work.session.close()
    if messages.texts:
        raise SystemExit("VTK reported:\n" + "\n".join(messages.texts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
