"""Names that tell nothing, orders that differ between readers, and chance that can be repeated.

Two sources of chance are kept apart. The **seed** stands in the manifest: it decides which lesions are drawn and in which order
each reader meets them. The **secret** (32 random bytes in the coordinator's key file) makes the codes of the cases and moves
crops and hints: whoever knows the seed and the cohort still cannot tell which code is which lesion.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import optimize

ALPHABET = "ABCDEFGHJKLMNPQRTUVWXYZ346789"
"""Letters and digits that are not taken for each other when read aloud or written by hand (no I O S, 0 1 2 5)."""
CODE_LENGTH = 6


def code_of(secret: bytes, *parts: object) -> str:
    """Six characters by HMAC-SHA-256 of ``parts``: without the secret neither guessable nor in any order."""
    number = int.from_bytes(_hmac(secret, "code", *parts)[:16], "big")
    out = ""
    for _ in range(CODE_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        out += ALPHABET[digit]
    return out


def codes_of(secret: bytes, names: Sequence[str], *parts: object) -> dict[str, str]:
    """A distinct code for each name; the rare second use of a code is avoided by drawing again."""
    out: dict[str, str] = {}
    used: set[str] = set()
    for name in sorted(names):
        attempt = 0
        while (code := code_of(secret, *parts, name, attempt)) in used:
            attempt += 1
        used.add(code)
        out[name] = code
    return out


def chance(secret: bytes, *parts: object) -> random.Random:
    """Random numbers that belong to ``parts`` and cannot be repeated without the secret."""
    # No cryptographic use: the numbers move crops and hints, and the seed itself is an HMAC.
    return random.Random(_hmac(secret, "chance", *parts))


def shuffled(names: Iterable[str], *salt: object) -> list[str]:
    """Names in the order of SHA-256 of salt and name: the same on every machine, whatever order they came in."""
    text = "\x1f".join(map(str, salt))
    return sorted(names, key=lambda name: (hashlib.sha256(f"{text}\x1f{name}".encode()).digest(), name))


def reading_orders(names: Sequence[str], readings: Sequence[str], seed: int) -> dict[str, list[str]]:
    """A random order of ``names`` for each reading.

    No name stands at the same place in two readings as long as there are places enough; with more readings than names, names
    return to a place as seldom as can be. Each order is the cheapest assignment of names to places at random costs (by SHA-256),
    to which a place that a name had before adds more than all of them together.
    """
    orders: dict[str, list[str]] = {}
    ordered = sorted(names)
    for reading in readings:
        cost = np.array([[uniform("order", seed, reading, name, place) for place in range(len(ordered))] for name in ordered])
        for earlier in orders.values():
            for place, name in enumerate(earlier):
                cost[ordered.index(name), place] += len(ordered) + 1
        _, places = optimize.linear_sum_assignment(cost)
        orders[reading] = [ordered[n] for n in np.argsort(places)]
    return orders


def uniform(*parts: object) -> float:
    """Between 0 and 1, from SHA-256 of ``parts``."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _hmac(secret: bytes, *parts: object) -> bytes:
    return hmac.new(secret, "\x1f".join(map(str, parts)).encode(), hashlib.sha256).digest()
