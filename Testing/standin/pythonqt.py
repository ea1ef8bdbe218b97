"""PySide6 with the manners of PythonQt, which 3D Slicer uses: properties are attributes, unknown attributes are refused.

What PythonQt does and this module imitates, on every Qt class and for the life of the process:

- a Q_PROPERTY is read and written as an attribute (``button.text = "a"``) and cannot be called; ``button.setText("a")`` stays;
- ``obj.connect("clicked(bool)", f)`` and ``obj.disconnect("clicked(bool)", f)`` beside ``obj.clicked.connect(f)``;
- ``obj.name`` is the object name, ``obj.className()`` the class;
- an attribute that a Qt class does not have can be neither read nor set (a class of one's own that derives from a Qt class may).

Not imitated: emitting a signal by calling it, ``obj.delete()``, enums that compare with numbers (use neither).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

MODULES = (QtCore, QtGui, QtWidgets, QtUiTools)
_EXCLUDED = {("QTimer", "singleShot"), ("QProgressBar", "text"), ("QWidget", "sizeHint"), ("QWidget", "minimumSizeHint")}
"""A static function and a property share a name: the function wins on the class, the property is set through setattr. Virtual
functions: PySide would take the property for an override. A module must not use these two: in Slicer they are properties."""

_plain_get: Callable[[Any, str], Any] = QtCore.QObject.__getattribute__
_installed = False
loading = 0
"""Above 0 while a .ui file is being read."""


def install() -> None:
    """Give every Qt class PythonQt's manners; once a process."""
    global _installed
    if _installed:
        return
    for module in MODULES:
        for kind in [getattr(module, name) for name in dir(module)]:
            meta = getattr(kind, "staticMetaObject", None)
            if isinstance(kind, type) and isinstance(meta, QtCore.QMetaObject):
                for index in range(meta.propertyOffset(), meta.propertyCount()):
                    name = meta.property(index).name()
                    if (kind.__name__, name) not in _EXCLUDED:
                        setattr(kind, name, as_attribute(name))
                if "__setattr__" in vars(kind):
                    kind.__setattr__ = _set
    QtCore.QObject.name = property(lambda s: QtCore.QObject.property(s, "objectName"), lambda s, v: s.setObjectName(v))
    QtCore.QObject.className = lambda s: s.metaObject().className()
    # A QProcess has two bases and does not look at that of QObject.
    for kind in (QtCore.QObject, QtCore.QProcess):
        kind.__getattribute__ = _get
    _installed = True


def as_attribute(name: str) -> property:
    """A Python property over the Qt property of that name."""
    return property(lambda s: QtCore.QObject.property(s, name), lambda s, v: _put(s, name, v))


def _put(thing: Any, name: str, value: Any) -> None:
    if QtCore.QObject.setProperty(thing, name, value):
        return
    setter = getattr(thing, "set" + name[0].upper() + name[1:], None)
    if setter is None:
        raise TypeError(f"cannot set {name} of a {type(thing).__name__} to {value!r}")
    setter(value)


def _get(self: Any, name: str) -> Any:
    if name in ("connect", "disconnect"):
        plain, ours = _plain_get(self, name), _connect if name == "connect" else _disconnect
        # PySide itself calls connect() too (QTimer.singleShot), with its own arguments.
        return lambda *words: ours(self, *words) if words and isinstance(words[0], str) and len(words) == 2 else plain(*words)
    return _plain_get(self, name)


def _set(self: Any, name: str, value: Any) -> None:
    kind = type(self)
    described = getattr(kind, name, None)
    if isinstance(described, QtCore.Property):
        if described.fset is None:
            raise AttributeError(f"Property '{name}' of {kind.__name__} is not writable")
        described.fset(self, value)
    elif hasattr(type(described), "__set__"):
        described.__set__(self, value)
    elif loading and isinstance(value, QtCore.QObject) and not name.startswith("_"):
        pass  # PySide's loader makes children attributes of the form; Slicer's does not
    elif QtCore.QObject.metaObject(self).indexOfProperty(name) >= 0:
        _put(self, name, value)
    elif isinstance(value, QtCore.SignalInstance):
        _plain_get(self, "__dict__")[name] = value  # PySide's own cache
    elif kind.__module__.startswith(("PySide6", "standin")) and not (name.startswith("_") and hasattr(kind, "_KEEPS")):
        raise AttributeError(
            f"Attribute '{name}' does not exist and creation of new attributes on C++ objects is not allowed ({kind.__name__})"
        )
    else:
        _plain_get(self, "__dict__")[name] = value


# --- signals by their signature


_connections: dict[tuple[int, str], list[tuple[Any, Any]]] = {}


def signal_of(thing: Any, signature: str) -> Any:
    """The bound signal of a signature such as ``clicked(bool)``. Raises AttributeError when there is none of just that kind."""
    signature = re.sub(r"\s+|const |&", "", signature)
    known = getattr(type(thing), "SIGNALS", {})
    if signature in known:
        return _plain_get(thing, known[signature])
    name = signature.split("(")[0]
    if any(other.split("(")[0] == name for other in known):
        raise AttributeError(f"{type(thing).__name__} has no signal '{signature}'; it has {sorted(known)}")
    meta = thing.metaObject()
    if "(" not in signature or meta.indexOfSignal(signature) < 0:
        raise AttributeError(f"{thing.metaObject().className()} has no signal '{signature}'")
    bound = _plain_get(thing, name)
    try:
        return bound[signature]  # by signature picks the overload
    except (KeyError, IndexError, TypeError):
        return bound


def _connect(thing: Any, signature: str, slot: Callable[..., Any]) -> bool:
    if not callable(slot):
        raise TypeError(f"the slot of '{signature}' cannot be called")
    signal = signal_of(thing, signature)
    count = 0 if signature.rstrip().endswith("()") else signature.count(",") + 1

    # PySide passes as many values as a slot names; "*values" would receive none.
    calls: tuple[Callable[..., Any], ...] = (lambda: slot(), lambda a: slot(a), lambda a, b: slot(a, b))
    call = calls[count]
    signal.connect(call)
    # The key must not keep the object alive, and PySide's wrapper may be made anew: the C++ address names it.
    key = (_address(thing), signature)
    if key not in _connections:
        thing.destroyed.connect(lambda *_: _connections.pop(key, None))
    _connections.setdefault(key, []).append((slot, call))
    return True


def _disconnect(thing: Any, signature: str, slot: Callable[..., Any]) -> bool:
    kept = _connections.get((_address(thing), signature), [])
    for pair in kept:
        if pair[0] == slot:
            signal_of(thing, signature).disconnect(pair[1])
            kept.remove(pair)
            return True
    raise RuntimeError(f"'{signature}' was not connected to {slot!r}")


def _address(thing: Any) -> int:
    import shiboken6

    return int(shiboken6.getCppPointer(thing)[0])


def connections() -> int:
    """How many connections by signature are open: what a widget leaves behind."""
    return sum(len(kept) for kept in _connections.values())
