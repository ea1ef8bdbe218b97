"""A progress bar on stderr that appears only when work takes longer than two seconds."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tqdm import tqdm

from AdrenalClassifierLib.progress import Progress

PATIENCE_S = 2.0


@contextlib.contextmanager
def progress_bar(shown: bool = True) -> Iterator[Progress]:
    """Give a Progress that draws one bar for each kind of work, with the time left; none where it is not ``shown``."""
    bars: dict[str, tqdm[None]] = {}

    def report(done: int, total: int, what: str) -> None:
        bar = bars.get(what)
        if bar is None or total != bar.total or done < bar.n:  # the same kind of work may come again, on other things
            for old in bars.values():
                old.close()
            bar = bars[what] = tqdm(
                total=total,
                desc=what,
                file=sys.stderr,
                delay=PATIENCE_S,
                leave=False,
                dynamic_ncols=True,
                mininterval=0.2,
                disable=not shown,
            )
        bar.update(done - bar.n)

    try:
        yield report
    finally:
        for bar in bars.values():
            bar.close()
