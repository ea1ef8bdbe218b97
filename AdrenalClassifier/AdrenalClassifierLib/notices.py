"""A remark about an input that does not stop the work: a mask at the image border, an unusual value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One warning: a stable ``code`` for machines (lower_snake_case) and one sentence ``text`` for people."""

    code: str
    text: str
