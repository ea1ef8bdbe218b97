"""What PythonQt or a newer Qt would refuse and the stand-in does not notice: sought in the text of the module."""

from __future__ import annotations

import re

import pytest

from standin import LIBRARY

FORBIDDEN = {
    r"qt\.Q\w+\.[A-Z]\w+\.[A-Z]": "an enum by its scope: PythonQt has qt.Qt.AlignLeft, not qt.Qt.AlignmentFlag.AlignLeft",
    r"\.(sizeHint|minimumSizeHint)\b": "a property in Slicer and a function here",
    r"\bqt\.(Signal|Slot|Property)\b": "signals of Python subclasses have crashed Slicer",
    r"\.(setMargin|exec_)\(": "gone in Qt 6",
    r"\bQ(RegExp|TextCodec|DesktopWidget|Time)\b": "gone in Qt 6",
    r"\bQButtonGroup": "its signals differ between Qt 5 and 6",
    r"(app|QApplication|mainWindow\(\))\.set(StyleSheet|Palette)\(": "the application's look is not ours",
    r"\bimport (imp|threading|multiprocessing)\b|\bfrom (threading|multiprocessing)\b": "no threads in the application",
    r"\bQTimer\.singleShot\(": "Slicer's own keeps what it has called until the application ends: timers.after",
    r"\.singleShot\s*=": "no property in PythonQt: setSingleShot",
    r"currentNodeChanged\(": "said also while a scene is read and when a node is deleted: nodeActivated",
    r"slicer\.dicomDatabase": "absent without the module DICOM: getattr",
    r"\b(qt\.Q|ctk\.ctk|slicer\.q)\w+\([^()]*\b\w+=[^=]": "PythonQt's constructors take no keywords",
    r"slicer\.app\.layoutManager\(\)\.": "None without a main window",
    r"\.(findChild|findChildren)\(": "not PySide's in PythonQt: slicer.util.childWidgetVariables",
    r"slicer\.modules\.(?!sampleData)": "gone when the panel is taken down at the end of the application",
    r"\bprint\(": "a message nobody sees",
    r"currentIndexChanged\(QString\)|buttonClicked\(int\)": "overloads that Qt 6 has not",
    r"from PySide|import PySide|\bstandin\b(?!g)": "only here, not in Slicer",
    r"\b_\(f[\"']": "a text to translate must be a literal",
    r"(?<!_tail)\.(text|checked|currentText|currentIndex|currentData|enabled|visible|toolTip)\(\)": "a property, not a function",
}
FILES = sorted([LIBRARY / "AdrenalClassifier.py", *(LIBRARY / "AdrenalClassifierLib" / "desktop").glob("*.py")])


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 10


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_file_uses_what_slicer_refuses(pattern: str) -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(pattern, line) and not line.strip().startswith("#")
    ]
    assert not found, f"{FORBIDDEN[pattern]}:\n" + "\n".join(found)
