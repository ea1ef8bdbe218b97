"""Worker processes: every item gets one result, whatever becomes of the process that held it, and none is left behind."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from AdrenalClassifierLib.batch.processes import each
from AdrenalClassifierLib.errors import AdrenalError
from support.batch_work import dying, lost, refusing, sleeping, squaring


def test_every_item_gets_its_result_once() -> None:
    assert sorted(each(range(12), 2, squaring, lost)) == [(n, n * n) for n in range(12)]
    assert list(each([], 2, squaring, lost)) == []
    assert not multiprocessing.active_children()


def test_an_item_that_kills_its_process_gets_the_result_of_the_lost_and_the_others_go_on() -> None:
    found = dict(each([3, 13, 4, 26, 5, 6], 2, squaring, lost))
    assert found == {3: 9, 4: 16, 5: 25, 6: 36, 13: -1, 26: -1}
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("make", "sentence"), [(refusing, "The model is not there."), (dying, "end before they start")])
def test_workers_that_cannot_work_stop_the_run_with_a_sentence(make, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AdrenalError, match=sentence):
        list(each([1, 2], 2, make, lost))
    assert not multiprocessing.active_children()


def test_a_run_that_is_given_up_leaves_no_process_behind() -> None:
    results = each([0.0, 60.0, 60.0], 2, sleeping, lambda item: item)
    assert next(results) == 0
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 5
    assert not multiprocessing.active_children()
