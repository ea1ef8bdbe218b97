"""What of a case would be lost, and who may go on to the next one: logic without widgets."""

from __future__ import annotations

import weakref
from typing import Any

from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.errors import AdrenalError


class UnsavedWorkError(AdrenalError):
    """The next case was asked for while work would be lost or a computation runs."""


class CaseGuard:
    """Knows whether the case differs from what was last saved, and lets nobody past without a word about it.

    Volumes and outlines stay in the scene when the next case begins, so they are not asked for.

    Args:
        session: the work on one scene.
    """

    def __init__(self, session: Any) -> None:
        # Not the session itself: it is the key under which guards are kept, and must be able to go.
        self._session = weakref.ref(session)
        self._results: Any = None
        self._values: Any = None

    def saved_results(self) -> None:
        """The results as they are now lie in a file."""
        self._results = self._now_results()

    def saved_values(self) -> None:
        """The patient's values as they are now lie in a file."""
        self._values = self._now_values()

    def saved(self) -> None:
        """All lies in a file: the scene was saved."""
        self.saved_results()
        self.saved_values()

    @property
    def unsaved(self) -> tuple[str, ...]:
        """What would be lost, in words; empty when nothing would."""
        results, values = self._now_results(), self._now_values()
        found = []
        if results != self._results and any(made is not None for made, _by_hand in results):
            found.append(_("results"))
        if results != self._results and any(by_hand for _made, by_hand in results):
            found.append(_("diameters set by hand"))
        if values != self._values and values:
            found.append(_("patient values"))
        return tuple(found)

    def next_case(self, discard: bool = False) -> None:
        """Begin the next case.

        Args:
            discard: the person has said that the work may be lost.

        Raises:
            UnsavedWorkError: a computation runs, or something is unsaved and ``discard`` is not given.
        """
        if self._work.run.state in ("starting", "running"):
            raise UnsavedWorkError(_("A classification is running. Wait for it or cancel it first."))
        if self.unsaved and not discard:
            raise UnsavedWorkError(_("The case is not saved. Save it, or say that it may be lost."))
        self._work.start_new_case()
        self._results = self._values = None

    @property
    def _work(self) -> Any:
        return self._session()

    def _now_values(self) -> tuple[Any, ...]:
        return tuple(sorted(self._work.entries.items()))

    def _now_results(self) -> tuple[Any, ...]:
        """What a saved result holds, to be compared."""
        found = []
        for lesion in self._work.lesions:
            assessment = self._work.result(lesion.segment_id).assessment
            by_hand = self._work.measured(lesion.segment_id).by_hand
            found.append((None if assessment is None else assessment.provenance, tuple(sorted(by_hand.items()))))
        return tuple(found)


_guards: weakref.WeakKeyDictionary[Any, CaseGuard] = weakref.WeakKeyDictionary()


def guard_of(session: Any) -> CaseGuard:
    """The one guard of a session, shared by the panels."""
    return _guards.setdefault(session, CaseGuard(session))
