"""Stand-ins for the widgets of MRML and CTK, with the members that Slicer's have and no others."""

from standin.widgets.ctk_widgets import CTK_WIDGETS
from standin.widgets.mrml_widgets import MRML_WIDGETS
from standin.widgets.segment_editor import SEGMENT_WIDGETS

__all__ = ["CTK_WIDGETS", "MRML_WIDGETS", "SEGMENT_WIDGETS"]
