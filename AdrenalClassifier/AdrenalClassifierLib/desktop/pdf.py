"""The report as PDF: the HTML page printed by the application's own browser component, where it has one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from AdrenalClassifierLib.desktop.texts import _


def why_not() -> str:
    """Why no PDF can be made, "" when it can."""
    if hasattr(slicer, "qSlicerWebWidget"):
        return ""
    return _("A PDF needs the browser component of 3D Slicer, which this build does not have. Print the HTML report instead.")


class PdfPrinter:
    """Prints one page at a time; keep the object until ``done`` or ``failed`` was called."""

    def __init__(self) -> None:
        self._web: Any = None

    def start(self, page: Path, target: Path, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Print ``page`` to ``target``; the answer comes from the event loop."""
        self.stop()
        self._web = web = slicer.qSlicerWebWidget()

        def loaded(ok: bool) -> None:
            if ok:
                web.printToPdf(str(target))
            else:
                self.stop()
                failed(_("The report could not be opened for printing; write the HTML report instead."))

        def printed(_path: str, ok: bool) -> None:
            self.stop()
            if ok:
                done()
            else:
                failed(_("The PDF could not be written; choose another folder or write the HTML report instead."))

        web.connect("loadFinished(bool)", loaded)
        web.connect("pdfPrintingFinished(QString,bool)", printed)
        web.setUrl(page.as_uri())

    def stop(self) -> None:
        """Let the browser go."""
        if self._web is not None:
            self._web.deleteLater()
            self._web = None
