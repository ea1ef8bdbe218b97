"""``slicer.i18n``: texts pass through ``tr``; a switch makes every text longer, as translations are."""

from __future__ import annotations

import re
from typing import Any

from PySide6 import QtCore

_FILLING = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna "
_share = 0.0
_translator: Any = None


def tr(text: str) -> str:
    """The text in the application's language."""
    return translate("", text)


def translate(context: str, text: str) -> str:
    """Likewise, with its context."""
    if not isinstance(text, str):
        raise TypeError("only texts can be translated")
    visible = len(re.sub(r"\{[^{}]*\}|<[^<>]*>", "", text))
    more = round(visible * _share)
    return text + " " + (_FILLING * (more // len(_FILLING) + 1))[:more].strip() if more else text


def lengthen(share: float) -> None:
    """Make every text longer by this share (0.4: 40 %), those of .ui files too; 0 gives the plain texts back."""
    global _share, _translator
    _share = share
    application = QtCore.QCoreApplication.instance()
    if share and _translator is None:
        _translator = _Longer()
        application.installTranslator(_translator)
    elif not share and _translator is not None:
        application.removeTranslator(_translator)
        _translator = None


class _Longer(QtCore.QTranslator):
    def isEmpty(self) -> bool:
        return False

    def translate(self, context: str, text: str, *_: Any) -> str:
        # Names of effects and nodes are not the module's texts.
        return translate(context, text) if text and not context.startswith("qMRML") else text
