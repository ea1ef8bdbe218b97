"""Section 3: what is measured on the current lesion, as it is drawn."""

from __future__ import annotations

from typing import Any

import slicer

from AdrenalClassifierLib.desktop.icons import Resource
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.wording import phase_words
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.report.wording import number
from AdrenalClassifierLib.scene.measuring import Measured
from AdrenalClassifierLib.scene.session import Session

MISSING = "–"
NO_BREAK = "\u00a0"
DIAMETERS = {"longAxisValue": "long_axis_mm", "shortAxisValue": "short_axis_mm", "maximumValue": "max_3d_diameter_mm"}


class MeasurePanel:
    """The measurements of the current lesion."""

    def __init__(self, session: Session, resource: Resource) -> None:
        self._session = session
        self.widget = slicer.util.loadUI(resource("UI/MeasurePanel.ui"))
        self._ui = ui = slicer.util.childWidgetVariables(self.widget)
        ui.linesCheck.connect("toggled(bool)", guarded(session.set_lines_visible))
        ui.coreCheck.connect("toggled(bool)", guarded(session.set_core_visible))
        session.changed.connect(self._changed)
        self.render()

    def close(self) -> None:
        """Leave the session."""
        self._session.changed.disconnect(self._changed)

    def _changed(self, topic: str) -> None:
        if topic in ("ct", "lesions", "current", "measurements"):
            self.render()

    def render(self) -> None:
        """Show the session's state."""
        ui, current = self._ui, self._session.current
        for check, on in ((ui.linesCheck, self._session.lines_visible), (ui.coreCheck, self._session.core_visible)):
            check.blockSignals(True)
            check.checked = on
            check.blockSignals(False)
        measured = Measured() if current is None else self._session.measured(current)
        state = self._state(current, measured)
        ui.stateLabel.text = state
        ui.stateLabel.visible = bool(state)
        values = measured.values
        ui.valuesWidget.visible = values is not None
        # Old numbers beside a newer outline are not to be read as its own.
        ui.valuesWidget.enabled = not measured.busy
        ui.linesCheck.enabled = ui.coreCheck.enabled = values is not None
        ui.linesCheck.toolTip = (
            _("Drag an end of a line to set a diameter by hand; the model goes on using the measured one")
            if values is not None
            else _("There is no lesion with an outline yet.")
        )
        ui.coreCheck.toolTip = (
            _("The thin white contour: attenuation with the edge left out is measured inside it")
            if values is not None
            else _("There is no lesion with an outline yet.")
        )
        for name, text in ({} if values is None else rows(values, measured)).items():
            getattr(ui, name).text = text
        ui.noticesLabel.text = "" if values is None else "\n".join(f"• {notice.text}" for notice in measured.notices)
        ui.noticesLabel.visible = bool(ui.noticesLabel.text)

    def _state(self, current: str | None, measured: Measured) -> str:
        if measured.problem:
            return measured.problem
        if measured.busy:
            return _("Measuring …")
        if current is None:
            return _("Measurements appear here while a lesion is outlined.")
        if measured.values is None:
            return _("This lesion is not outlined yet. Measurements appear while it is drawn.")
        return ""


def rows(values: Measurements, measured: Measured) -> dict[str, str]:
    """The text of every value label, by its object name; a value that does not exist is a dash with its reason."""
    shown = {
        "volumeValue": _("{value} mL").format(value=_digits(values.volume_ml)),
        "meanValue": _("{mean} HU, SD {sd}").format(mean=_hu(values.mean_hu), sd=_hu(values.sd_hu)),
        "coreValue": _("{mean} HU ({phase})").format(mean=_hu(values.core_mean_hu), phase=phase_words(values.phase).lower()),
        "spontaneousValue": _spontaneous(values),
        "absoluteWashoutValue": _washout(values.absolute_washout_percent, _("needs unenhanced, portal and delayed phase")),
        "relativeWashoutValue": _washout(values.relative_washout_percent, _("needs portal and delayed phase")),
        "tissueValue": _("fat {fat} %, fluid range {fluid} %, calcium {calcium} %").format(
            fat=_percent(values.fat_fraction), fluid=_percent(values.fluid_fraction), calcium=_percent(values.calcium_fraction)
        ),
        "homogeneousValue": _structure(values.homogeneous),
    }
    for label, key in DIAMETERS.items():
        text = _("{value} mm").format(value=f"{getattr(values, key):.1f}")
        by_hand: Any = measured.by_hand.get(key)
        if by_hand is not None:
            text = _("{measured}; by hand {value} mm").format(measured=text, value=f"{by_hand:.1f}")
        shown[label] = text
    return {name: text.replace(" %", NO_BREAK + "%") for name, text in shown.items()}


def _spontaneous(values: Measurements) -> str:
    if values.spontaneous_hu is None:
        return _("{dash} (needs an unenhanced CT)").format(dash=MISSING)
    return _("{mean} HU").format(mean=_hu(values.spontaneous_hu))


def _washout(percent: float | None, needs: str) -> str:
    return f"{number(percent, 0)} %" if percent is not None else f"{MISSING} ({needs})"


def _structure(homogeneous: bool | None) -> str:
    if homogeneous is None:
        return _("too small to tell")
    return _("homogeneous") if homogeneous else _("heterogeneous")


def _hu(value: float) -> str:
    return number(value, 0)


def _percent(share: float) -> str:
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
