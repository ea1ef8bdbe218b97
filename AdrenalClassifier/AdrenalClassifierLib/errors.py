"""What can go wrong, each with one sentence that says what is wrong and what to do.

Hosts show ``str(error)`` as it is: a dialog in Slicer, a message in the page, one line on stderr with exit code 2.
A message never carries a patient's name, identifier or date, and names a file by its last path component only.
"""

import traceback
from pathlib import Path


class AdrenalError(Exception):
    """Base of every error that the user can mend. ``str()`` is one sentence for the user."""


class ImageReadError(AdrenalError):
    """A CT or a mask cannot be read: missing, damaged, of an unknown kind, or not a CT in Hounsfield units."""


class SeriesChoiceError(ImageReadError):
    """A DICOM folder holds several series and none was chosen. ``series`` lists them.

    Attributes:
        series: the series found (``AdrenalClassifierLib.imaging.dicom_series.SeriesInfo``), in a stable order.
    """

    def __init__(self, message: str, series: "tuple[object, ...]" = ()) -> None:
        super().__init__(message)
        self.series = series


class GeometryError(AdrenalError):
    """Two images do not share a grid or a frame of reference, or slice positions are not those of a volume."""


class MaskError(AdrenalError):
    """A mask is empty, or the asked-for segment is not in it."""


class PatientValueError(AdrenalError):
    """A clinical or laboratory value is unknown, has the wrong unit, or is outside its hard range.

    Attributes:
        problems: one sentence for each fault that was found; the message is all of them.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class CohortError(AdrenalError):
    """A cohort table cannot be used. ``problems`` holds one sentence for each fault that was found.

    Attributes:
        problems: sentences, each naming row and column.
    """

    def __init__(self, message: str, problems: "tuple[str, ...]" = ()) -> None:
        super().__init__(message)
        self.problems = problems


class BundleError(AdrenalError):
    """A model bundle is incomplete, was changed after it was written, or has a schema this version does not read."""


class MissingDependencyError(AdrenalError):
    """An optional package is not installed. The sentence says which one, what it is for and how to get it."""


class OutputError(AdrenalError):
    """A result cannot be written where it was asked for."""


class StudyError(AdrenalError):
    """A reader study does not allow what was asked for, or one of its files was changed."""


DETAIL_LINES = 12
"""Places of a fault that are named."""


def places(error: BaseException) -> str:
    """Where an error arose, without folders and without its message, which might hold what a user typed."""
    frames = traceback.extract_tb(error.__traceback__)[-DETAIL_LINES:]
    lines = [f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}" for frame in frames]
    return "\n".join([*lines, type(error).__name__])
