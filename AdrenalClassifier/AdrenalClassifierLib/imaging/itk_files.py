"""ITK's readers of image files, without the warnings they print."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import SimpleITK

sitk: Any = SimpleITK  # its classes carry no types


@contextlib.contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep ITK from printing warnings while the block runs (in the whole process: ITK has one switch)."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def read_itk(path: Path, kind: str) -> Any:
    """The SimpleITK image in a file, by the named ITK reader whatever its name. Raises RuntimeError (ITK's own text)."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO(kind)
    reader.SetFileName(str(path))
    return reader.Execute()


def array_of(image: Any) -> Any:
    """A copy of the voxels: (k, j, i), with a last axis for the components where there are several."""
    return sitk.GetArrayFromImage(image)
