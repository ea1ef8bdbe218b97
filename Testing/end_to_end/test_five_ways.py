"""One lesion, stored in five ways, is one lesion."""

from __future__ import annotations

import pytest

from support.sample import CT, MASK, PATIENT, WAYS, run


def close(a, b, path: str = "") -> None:  # type: ignore[no-untyped-def]
    """Equal up to rounding in files: 1e-4 of a probability, a millimetre's ten-thousandth, a hundredth of a HU."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            close(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), path
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            close(x, y, f"{path}/{n}")
    elif isinstance(a, float):
        assert a == pytest.approx(b, abs=1e-4, rel=1e-5), path
    else:
        assert a == b, path


@pytest.mark.parametrize("way", WAYS)
def test_measurements_and_probability_are_the_same(way: str, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    given = ("--phase", "unenhanced", "--json")
    expected = run(capsys, "assess", "--ct", CT, "--mask", MASK, "--patient", PATIENT, *given).json
    ct, mask = WAYS[way](tmp_path)
    answer = run(capsys, "assess", "--ct", ct, "--mask", mask, "--patient", PATIENT, *given)
    assert answer.code == 0, answer.err
    found = answer.json
    assert found["probability"] == pytest.approx(expected["probability"], abs=1e-4)
    for key in ("measurements", "models", "guidelines", "contributions", "missing", "side"):
        close(found[key], expected[key], key)
    measured = run(capsys, "measure", "--ct", ct, "--mask", mask, *given).json
    close({k: measured[k] for k in expected["measurements"]}, expected["measurements"])
