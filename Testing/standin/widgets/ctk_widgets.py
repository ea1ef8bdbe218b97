"""CTK's widgets (Libs/Widgets of commontk/CTK): the part of their members that a module needs."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6 import QtCore, QtGui, QtWidgets

from standin.widgets.declared import declared, finished, kept


@finished
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A headline that shows or hides its contents: the widget's own layout."""

    SIGNALS: ClassVar[dict[str, str]] = {"contentsCollapsed(bool)": "contentsCollapsed"}
    contentsCollapsed = QtCore.Signal(bool)
    collapsed = declared("bool", "collapsed", False)
    collapsedHeight = declared("int", "collapsedHeight", 14)
    flat = declared("bool", "flat", False)

    def __init__(self, *words: Any) -> None:
        super().__init__(*(w for w in words if not isinstance(w, str)))
        for word in words:
            if isinstance(word, str):
                self.setText(word)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self._head(), 0, 0)
        self.toggled.connect(lambda on: setattr(self, "collapsed", not on))

    def _head(self) -> int:
        return self.fontMetrics().height() + 8

    def _changed(self, name: str) -> None:
        if name == "collapsed":
            hidden = self.collapsed
            self.setChecked(not hidden)
            for child in self.children():
                if isinstance(child, QtWidgets.QWidget):
                    child.setVisible(not hidden)
            self.setMaximumHeight(self._head() + kept(self).get("collapsedHeight", 14) if hidden else 16777215)
            self.updateGeometry()
            self.contentsCollapsed.emit(hidden)

    def childEvent(self, event: Any) -> None:
        child = event.child()
        if event.type() == QtCore.QEvent.ChildAdded and isinstance(child, QtWidgets.QWidget) and self.collapsed:
            child.setVisible(False)
        super().childEvent(event)

    def hitButton(self, position: Any) -> bool:
        return bool(position.y() < self._head())

    def sizeHint(self) -> Any:
        head = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 40, self._head())
        return head if self.collapsed or self.layout() is None else self.layout().totalSizeHint().expandedTo(head)

    def minimumSizeHint(self) -> Any:
        head = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 40, self._head())
        return head if self.collapsed or self.layout() is None else self.layout().totalMinimumSize().expandedTo(head)

    def paintEvent(self, event: Any) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, self._head())
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(4, 4, self._head() - 8, self._head() - 8)
        kind = QtWidgets.QStyle.PE_IndicatorArrowRight if self.collapsed else QtWidgets.QStyle.PE_IndicatorArrowDown
        painter.drawPrimitive(kind, arrow)
        words = QtCore.QRect(self._head() + 2, 0, self.width - self._head() - 2, self._head())
        painter.drawItemText(words, int(QtCore.Qt.AlignVCenter), self.palette, self.enabled, self.text, QtGui.QPalette.ButtonText)
        if not self.collapsed:
            painter.setPen(self.palette.color(QtGui.QPalette.Mid))
            painter.drawRect(QtCore.QRect(0, self._head() - 1, self.width - 1, self.height - self._head()))


@finished
class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box that can be folded."""

    collapsed = declared("bool", "collapsed", False)
    collapsedHeight = declared("int", "collapsedHeight", 14)

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.setCheckable(True)
        self.toggled.connect(lambda on: setattr(self, "collapsed", not on))

    def _changed(self, name: str) -> None:
        if name == "collapsed":
            hidden = self.collapsed
            self.setChecked(not hidden)
            for child in self.children():
                if isinstance(child, QtWidgets.QWidget):
                    child.setVisible(not hidden)
            self.setMaximumHeight(self.fontMetrics().height() + kept(self).get("collapsedHeight", 14) if hidden else 16777215)

    def childEvent(self, event: Any) -> None:
        child = event.child()
        if event.type() == QtCore.QEvent.ChildAdded and isinstance(child, QtWidgets.QWidget) and self.collapsed:
            child.setVisible(False)
        super().childEvent(event)


@finished
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for "nothing chosen"."""

    NeverScroll, AlwaysScroll, ScrollWithFocus, ScrollWithNoVScrollBar = range(4)
    scrollWheelEffect = declared("int", "scrollWheelEffect", 1)
    defaultText = declared("QString", "defaultText", "")
    forceDefault = declared("bool", "forceDefault", False)
    currentUserDataAsString = QtCore.Property(
        "QString", lambda s: str(s.currentData or ""), lambda s, v: s.setCurrentIndex(s.findData(v))
    )

    def _changed(self, name: str) -> None:
        if name == "defaultText":
            self.setPlaceholderText(self.defaultText)

    def wheelEvent(self, event: Any) -> None:
        if self.scrollWheelEffect == self.NeverScroll:
            event.ignore()
        else:
            super().wheelEvent(event)


@finished
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line edit with a magnifying glass and a button that clears it."""

    showSearchIcon = declared("bool", "showSearchIcon", False)

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.setClearButtonEnabled(True)


@finished
class ctkRangeWidget(QtWidgets.QWidget):
    """Two numbers, the lower and the upper end of a range."""

    SIGNALS: ClassVar[dict[str, str]] = {
        "minimumValueChanged(double)": "minimumValueChanged",
        "maximumValueChanged(double)": "maximumValueChanged",
        "valuesChanged(double,double)": "valuesChanged",
    }
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    valuesChanged = QtCore.Signal(float, float)
    decimals = declared("int", "decimals", 2)
    singleStep = declared("double", "singleStep", 1.0)
    minimum = declared("double", "minimum", 0.0)
    maximum = declared("double", "maximum", 99.0)
    minimumValue = declared("double", "minimumValue", 0.0)
    maximumValue = declared("double", "maximumValue", 99.0)
    suffix = declared("QString", "suffix", "")

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self._low, self._high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._low)
        row.addWidget(QtWidgets.QSlider(QtCore.Qt.Horizontal), 1)
        row.addWidget(self._high)
        self._low.valueChanged.connect(lambda v: setattr(self, "minimumValue", v))
        self._high.valueChanged.connect(lambda v: setattr(self, "maximumValue", v))
        self._changed("")

    def setRange(self, low: float, high: float) -> None:
        self.minimum, self.maximum = low, high

    def setValues(self, low: float, high: float) -> None:
        values = kept(self)
        changed = (self.minimumValue, self.maximumValue) != (low, high)
        values["minimumValue"], values["maximumValue"] = low, high
        self._show()
        if changed:
            self.minimumValueChanged.emit(low)
            self.maximumValueChanged.emit(high)
            self.valuesChanged.emit(low, high)

    def _show(self) -> None:
        for box, value in ((self._low, self.minimumValue), (self._high, self.maximumValue)):
            box.blockSignals(True)
            box.setRange(self.minimum, self.maximum)
            box.setDecimals(self.decimals)
            box.setSingleStep(self.singleStep)
            box.setSuffix(self.suffix)
            box.setValue(value)
            box.blockSignals(False)

    def _changed(self, name: str) -> None:
        self._show()
        if name in ("minimumValue", "maximumValue"):
            getattr(self, name + "Changed").emit(getattr(self, name))
            self.valuesChanged.emit(self.minimumValue, self.maximumValue)


@finished
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path that is typed or chosen."""

    SIGNALS: ClassVar[dict[str, str]] = {
        "currentPathChanged(QString)": "currentPathChanged",
        "validInputChanged(bool)": "validInputChanged",
    }
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    Dirs, Files = 1, 2
    currentPath = declared("QString", "currentPath", "")
    filters = declared("int", "filters", 7)
    nameFilters = declared("QStringList", "nameFilters", [])
    settingKey = declared("QString", "settingKey", "")

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit()
        row.addWidget(self._edit, 1)
        row.addWidget(QtWidgets.QToolButton())
        self._edit.editingFinished.connect(lambda: setattr(self, "currentPath", self._edit.text))

    def addCurrentPathToHistory(self) -> None:
        pass

    def _changed(self, name: str) -> None:
        if name == "currentPath":
            self._edit.setText(self.currentPath)
            self.currentPathChanged.emit(self.currentPath)


@finished
class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that names a folder and lets another one be chosen."""

    SIGNALS: ClassVar[dict[str, str]] = {
        "directoryChanged(QString)": "directoryChanged",
        "directorySelected(QString)": "directorySelected",
    }
    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)
    directory = declared("QString", "directory", "")
    caption = declared("QString", "caption", "")
    text = declared("QString", "text", "")

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._button = QtWidgets.QPushButton()
        row.addWidget(self._button)

    def _changed(self, name: str) -> None:
        self._button.setText(self.text or self.directory)
        if name == "directory":
            self.directoryChanged.emit(self.directory)


CTK_WIDGETS = (
    ctkCollapsibleButton,
    ctkCollapsibleGroupBox,
    ctkComboBox,
    ctkSearchBox,
    ctkRangeWidget,
    ctkPathLineEdit,
    ctkDirectoryButton,
)
