"""What a button does, guarded: a mistake that the user can mend is one sentence, anything else has its details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.errors import AdrenalError, places


def guarded(call: Callable[..., Any]) -> Callable[..., None]:
    """Wrap a slot: an AdrenalError is shown as its sentence; another one is shown with its details and raised again."""

    def slot(*values: Any) -> None:
        try:
            call(*values)
        except AdrenalError as error:
            slicer.util.errorDisplay(str(error))
        except Exception as error:
            text = _("This did not work because of a fault in the software. Report it with the details.")
            slicer.util.errorDisplay(text, detailedText=places(error))
            raise

    return slot
