"""What is loaded is what was saved, byte for byte, or it is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from AdrenalClassifierLib.errors import BundleError
from AdrenalClassifierLib.model.bundle import CARD, MANIFEST, WEIGHTS, load_bundle, save_bundle
from AdrenalClassifierLib.model.fusion import MODELS
from support.bundles import untrained_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_bundle(untrained_bundle(), tmp_path / "bundle", "# Card\n")
    return tmp_path / "bundle"


def _sign(folder: Path, change) -> None:  # type: ignore[no-untyped-def]
    """Change the manifest and sign it anew, as another version of the software would have written it."""
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    manifest["sha256"] = "0" * 64
    text = json.dumps(manifest)
    manifest_hash = hashlib.sha256(text.encode()).hexdigest()
    (folder / MANIFEST).write_text(text.replace("0" * 64, manifest_hash))


def test_everything_survives_saving(folder: Path) -> None:
    before, after = untrained_bundle(), load_bundle(folder)
    for name in ("name", "version", "statement", "label_policy", "prevalence", "input_settings", "encoder_settings", "features"):
        assert getattr(after, name) == getattr(before, name)
    for a, b in zip(before.members, after.members, strict=True):
        assert set(a) == set(b)
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    for model in MODELS:
        assert after.fusions[model].columns == before.fusions[model].columns
        for key, value in before.fusions[model].arrays().items():
            np.testing.assert_array_equal(after.fusions[model].arrays()[key], value)
    assert after.weights_sha256 == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert sorted(p.name for p in folder.iterdir()) == sorted([MANIFEST, WEIGHTS, CARD])


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS, CARD])
def test_a_changed_byte_anywhere_is_a_refusal(folder: Path, name: str) -> None:
    original = (folder / name).read_bytes()
    for position in np.linspace(0, len(original) - 1, 23).astype(int):
        changed = bytearray(original)
        changed[position] ^= 0x01
        (folder / name).write_bytes(bytes(changed))
        with pytest.raises(BundleError):
            load_bundle(folder)
    (folder / name).write_bytes(original)
    load_bundle(folder)


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS, CARD])
def test_a_missing_or_cut_file_is_a_refusal_that_names_it(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


def test_a_newer_schema_asks_for_an_update(folder: Path) -> None:
    _sign(folder, lambda manifest: manifest.update(schema=99))
    with pytest.raises(BundleError, match=r"newer software \(schema 99; .*Update"):
        load_bundle(folder)


def test_a_well_signed_bundle_with_parts_that_do_not_fit_is_refused(folder: Path) -> None:
    _sign(folder, lambda manifest: manifest["models"]["combined"]["columns"].pop())
    with pytest.raises(BundleError, match="do not fit together"):
        load_bundle(folder)


def test_a_file_outside_the_folder_is_refused(folder: Path) -> None:
    _sign(folder, lambda manifest: manifest["files"].update({"../secret": "0" * 64}))
    with pytest.raises(BundleError, match="outside its folder"):
        load_bundle(folder)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=MANIFEST):
        load_bundle(tmp_path)
    with pytest.raises(BundleError, match=MANIFEST):
        load_bundle(tmp_path / "nothing")
    (tmp_path / MANIFEST).write_text("[1, 2]")
    with pytest.raises(BundleError, match="damaged"):
        load_bundle(tmp_path)


def test_saving_over_a_bundle_replaces_it_and_an_interrupted_save_is_refused(folder: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    save_bundle(untrained_bundle(seed=1), folder, "# Other\n")
    assert not np.array_equal(load_bundle(folder).members[0]["project.weight"], untrained_bundle().members[0]["project.weight"])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("AdrenalClassifierLib.model.bundle.write_bytes", stop)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(untrained_bundle(), folder, "# Third\n")
    with pytest.raises(BundleError):
        load_bundle(folder)
