"""The same lesion under two names: found by content, whatever the files are called and however they store it.

A fingerprint is made of what does not change when a CT and its mask are renamed, converted, mirrored, stored in another axis
order or wrapped in DICOM: how often each whole HU occurs inside the mask, and how many voxels the mask is long along each axis,
in no order. Position, orientation and spacing are left out, so that a lesion is also found in a scan that was cut or moved.

Collisions: two different lesions would have to agree in size and in the whole histogram of HU. Voxels of a real scan carry noise
of several HU, so that already a hundred of them practically never agree by chance. A mask of few voxels, or one in a computed
phantom without noise, holds fewer than 16 different HU; its place in the patient (to 1 mm) is then part of the fingerprint, so
that two balls of one size and one HU in two phantoms are not taken for one.

What it cannot see: a lesion that was outlined again, resampled, smoothed, given other noise, compressed with loss or rescaled by
more than rounding; the same lesion scanned twice; another phase of the same lesion, unless both rows share one phase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.resample import bounding_box

Fingerprint = tuple[str, ...]
"""One SHA-256 for each phase, in no particular order; two lesions are the same when they share one."""
LISTED = 6
FEW_VALUES = 16
"""A histogram with fewer different HU does not identify a lesion by itself."""
ROUNDING_MM = 0.3137
"""Added before positions are cut to whole mm: they are mostly multiples of simple fractions, which then lie far from the edge."""
MOST_BINS = 1 << 17
"""HU that span more than this (never in a CT) are sorted instead of counted."""


def fingerprint(lesion: Lesion) -> Fingerprint:
    """What identifies the content of a lesion, about 2 ms for 100 mL.

    Returns:
        A digest for each phase that covers the whole lesion, without repeats. The name of the phase is not part of it: the same
        CT given as portal in one row and as unenhanced in another is the same CT.
    """
    box = bounding_box(lesion.mask)
    if box is None:
        return ()
    extent = sorted(int(b - a) for a, b in zip(*box, strict=True))
    ends = lesion.geometry.to_world(np.asarray(box, float) - [[0.5], [0.5]])
    place = np.floor(np.sort(ends, axis=0) + ROUNDING_MM)
    out = []
    for phase in lesion.phases:
        values = lesion.hu(phase)
        if values is None:
            continue
        inside = values[lesion.mask]
        if not np.isfinite(inside).all():
            continue  # partly outside that scan: what is left says less than it seems
        found, counts = _histogram(np.rint(inside).astype(np.int64))
        digest = hashlib.sha256(np.asarray(extent, "<i8").tobytes())
        digest.update(found.astype("<i8").tobytes())
        digest.update(counts.astype("<i8").tobytes())
        if found.size < FEW_VALUES:
            digest.update(place.astype("<i8").tobytes())
        out.append(digest.hexdigest())
    return tuple(dict.fromkeys(out))


def _histogram(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The values that occur, increasing, and how often."""
    low = int(values.min())
    if int(values.max()) - low >= MOST_BINS:
        found, counts = np.unique(values, return_counts=True)
        return found, counts
    counts = np.bincount(values - low)
    used = np.flatnonzero(counts)
    return used + low, counts[used]


def find_duplicates(
    fingerprints: Mapping[str, Fingerprint],
    patients: Mapping[str, str],
    split: Mapping[str, str | None] | None = None,
    rows: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """Lesions that have the same content under several names.

    Args:
        fingerprints: of each lesion, by lesion_id.
        patients: patient_id by lesion_id.
        split: ``train`` or ``test`` by lesion_id; None, or a None in it, where it is not decided yet.
        rows: row numbers by lesion_id, for messages that name rows instead of lesions.

    Returns:
        One sentence for each group of equal lesions: first those that stand in both train and test, then those of several
        patients, then repeats within a patient. Empty when every lesion is there once. The order of the lesions does not matter.
    """
    found: list[tuple[int, list[str]]] = []
    for group in _groups(fingerprints):
        parts = {split.get(name) for name in group} - {None} if split else set()
        found.append((0 if len(parts) > 1 else 1 if len({patients[name] for name in group}) > 1 else 2, group))
    order = sorted(found, key=lambda item: (item[0], sorted(rows[n] for n in item[1]) if rows else [], item[1]))
    return tuple(f"{_named(group, rows)}: {_SENTENCES[kind]}" for kind, group in order)


_SENTENCES = (
    "the same lesion stands in both train and test (equal CT values within equal masks), so the test would not be one. Keep one.",
    "the same lesion stands under several patients (equal CT values within equal masks). Keep one, or correct the files.",
    "the same lesion stands more than once (equal CT values within equal masks). Keep one, or correct the files.",
)


def _groups(fingerprints: Mapping[str, Fingerprint]) -> list[list[str]]:
    """Lesions joined by a common digest, directly or through others; groups of one left out."""
    leader: dict[str, str] = {name: name for name in fingerprints}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    first: dict[str, str] = {}
    for name, digests in fingerprints.items():
        for digest in digests:
            leader[find(name)] = find(first.setdefault(digest, name))
    groups: dict[str, list[str]] = {}
    for name in fingerprints:
        groups.setdefault(find(name), []).append(name)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def _named(group: Sequence[str], rows: Mapping[str, int] | None) -> str:
    names = [str(n) for n in sorted(rows[name] for name in group)] if rows else [f"'{name}'" for name in group]
    rest = len(names) - LISTED
    shown = [*names[:LISTED], f"{rest} more"] if rest > 0 else names
    return f"{'Rows' if rows else 'Lesions'} {', '.join(shown[:-1])} and {shown[-1]}"
