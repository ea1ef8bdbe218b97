"""The model on disk: ``bundle.json``, ``weights.safetensors`` and ``MODEL_CARD.md`` in one folder.

``bundle.json`` holds the SHA-256 of every other file and one of itself, so a byte that changed after training is found
before a number is computed. Weights are safetensors: loading them runs no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import BundleError, MissingDependencyError
from AdrenalClassifierLib.files import atomic_path, sha256_of, write_bytes, write_text
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.model.conformal import ConformalScores
from AdrenalClassifierLib.model.embedding import EmbeddingReference
from AdrenalClassifierLib.model.encoder import EncoderSettings
from AdrenalClassifierLib.model.features import Feature
from AdrenalClassifierLib.model.fusion import MODELS, Fusion, ModelName
from AdrenalClassifierLib.model.plausible import PlausibleRange
from AdrenalClassifierLib.model.validity import ValidityReference
from AdrenalClassifierLib.version import __version__

SCHEMA = 2
MANIFEST, WEIGHTS, CARD = "bundle.json", "weights.safetensors", "MODEL_CARD.md"
SYNTHETIC_STATEMENT = "For research use only. Not a medical device. This model was trained on synthetic data."
_UNSIGNED = "0" * 64

BASELINE = "size_attenuation"

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ModelBundle:
    """A trained model with all that is needed to apply it and to say where it came from.

    Attributes:
        name: model name, also its folder's.
        version: model version.
        statement: sentence shown wherever a probability of this model stands.
        training_data: kind (``synthetic`` or ``clinical``), seed, numbers of patients and lesions.
        label_policy: histology -> malignant, as the model was trained.
        prevalence: share of malignant lesions in training; the probabilities hold for it.
        input_settings: how a lesion becomes the network's input.
        encoder_settings: shape of the network.
        members: weights of each ensemble member by parameter name.
        features: the feature list, in order.
        fusions: the four models.
        baseline: a logistic regression on size and spontaneous attenuation alone, which the models must beat.
        thresholds: name -> probability, per model, fixed on training data.
        conformal: what new lesions are compared with for the conformal set, per model.
        plausible: where values of each input usually lie.
        validity: what the validity gate knows of the training cohort.
        trained_on: first 16 digits of the fingerprints of the training lesions (``cohort.duplicates``): enough to tell whether a
            lesion was among them, nothing about the lesion.
        performance: what training reported (cross-validation and test part), per model.
        weights_sha256: checksum of the weights file.
    """

    name: str
    version: str
    statement: str
    training_data: Mapping[str, Any]
    label_policy: Mapping[str, bool]
    prevalence: float
    input_settings: InputSettings
    encoder_settings: EncoderSettings
    members: tuple[Weights, ...]
    features: tuple[Feature, ...]
    fusions: Mapping[ModelName, Fusion]
    baseline: Fusion
    thresholds: Mapping[ModelName, Mapping[str, float]]
    conformal: Mapping[ModelName, ConformalScores] = field(default_factory=dict)
    plausible: tuple[PlausibleRange, ...] = ()
    validity: ValidityReference = field(default_factory=ValidityReference)
    trained_on: frozenset[str] = frozenset()
    performance: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""


def save_bundle(bundle: ModelBundle, folder: Path, card: str) -> None:
    """Write the three files. The manifest comes last, so an interrupted write leaves a folder that is refused.

    Args:
        bundle: the model; its weights are stored in half precision, which moves a logit by less than 1e-3.
        folder: made if it does not exist; an older bundle in it is replaced.
        card: text of the model card (Markdown).

    Raises:
        OutputError: the folder cannot be written.
        MissingDependencyError: safetensors is not installed.
    """
    save_file, _ = _safetensors()
    folder = Path(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    tensors: dict[str, NDArray[Any]] = {}
    for n, member in enumerate(bundle.members):
        for name, value in member.items():
            stored = np.ascontiguousarray(value)
            tensors[f"member{n}/{name}"] = stored.astype(np.float16) if stored.dtype == np.float32 else stored
    fusions = _fusions(bundle)
    for model, fusion in fusions.items():
        tensors |= {f"fusion/{model}/{k}": np.ascontiguousarray(v) for k, v in fusion.arrays().items()}
    for model, scores in bundle.conformal.items():
        tensors |= {f"conformal/{model}/{k}": v for k, v in scores.arrays().items()}
    if bundle.validity.embedding is not None:
        tensors |= {f"embedding/{k}": v for k, v in bundle.validity.embedding.arrays().items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary)
    write_text(folder / CARD, card)
    manifest = {
        "schema": SCHEMA,
        "name": bundle.name,
        "version": bundle.version,
        "software_version": __version__,
        "statement": bundle.statement,
        "training_data": dict(bundle.training_data),
        "label_policy": dict(bundle.label_policy),
        "prevalence": bundle.prevalence,
        "preprocessing": bundle.input_settings.to_json(),
        "encoder": bundle.encoder_settings.to_json(),
        "members": len(bundle.members),
        "features": [f.to_json() for f in bundle.features],
        "models": {
            m: {"columns": list(f.columns), "explains": list(f.explains), "groups": list(f.groups)} for m, f in fusions.items()
        },
        "thresholds": {m: dict(t) for m, t in bundle.thresholds.items()},
        "conformal": sorted(bundle.conformal),
        "plausible": [item.to_json() for item in bundle.plausible],
        "validity": {
            "ranges": {key: list(limits) for key, limits in bundle.validity.ranges.items()},
            "embedding": bundle.validity.embedding is not None,
        },
        "trained_on": sorted(bundle.trained_on),
        "performance": bundle.performance,
        "files": {name: sha256_of(folder / name) for name in (WEIGHTS, CARD)},
        "sha256": _UNSIGNED,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    signature = hashlib.sha256(text.encode("utf-8")).hexdigest()
    write_bytes(folder / MANIFEST, text.replace(f'"sha256": "{_UNSIGNED}"', f'"sha256": "{signature}"').encode("utf-8"))


def _fusions(bundle: ModelBundle) -> dict[str, Fusion]:
    return {**{str(name): fusion for name, fusion in bundle.fusions.items()}, BASELINE: bundle.baseline}


def load_bundle(folder: Path) -> ModelBundle:
    """Read a bundle after verifying every checksum.

    Raises:
        BundleError: a file is missing or changed, the schema is newer than this software, or the content is inconsistent.
        MissingDependencyError: safetensors is not installed.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for name, expected in manifest["files"].items():
        if Path(name).name != name:
            raise BundleError(f"The model bundle names a file outside its folder ('{Path(name).name}'). Do not use it.")
        if not (folder / name).is_file():
            raise BundleError(f"The model bundle is incomplete: '{name}' is missing. Copy the whole folder again.")
        if sha256_of(folder / name) != expected:
            raise BundleError(f"'{name}' in the model bundle was changed after training (checksum differs). Copy it again.")
    if WEIGHTS not in manifest["files"]:
        raise BundleError(f"The model bundle is incomplete: it lists no '{WEIGHTS}'. Copy the whole folder again.")
    _, load_file = _safetensors()
    tensors = load_file(folder / WEIGHTS)
    try:
        return _assemble(manifest, tensors)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError("The model bundle's parts do not fit together. Train it again or copy the original.") from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"'{folder.name}' is not a model bundle: it has no {MANIFEST}. Choose a folder made by 'train'.")
    raw = path.read_bytes()
    try:
        manifest = json.loads(raw)
        schema, signature, files = manifest["schema"], manifest["sha256"], manifest["files"]
        valid = isinstance(schema, int) and isinstance(signature, str) and isinstance(files, dict)
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        raise BundleError(f"The model bundle's {MANIFEST} is damaged. Copy the whole folder again.")
    if schema < SCHEMA:
        raise BundleError(
            f"The model bundle was written by older software (schema {schema}; this version reads {SCHEMA}). Train it again."
        )
    if schema > SCHEMA:
        raise BundleError(
            f"The model bundle was written by newer software (schema {schema}; this version reads up to {SCHEMA}). Update."
        )
    unsigned = raw.replace(signature.encode(), _UNSIGNED.encode())
    if hashlib.sha256(unsigned).hexdigest() != signature:
        raise BundleError(f"The model bundle's {MANIFEST} was changed after training (checksum differs). Copy it again.")
    return manifest  # type: ignore[no-any-return]


def _assemble(manifest: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> ModelBundle:
    members = []
    for n in range(manifest["members"]):
        prefix = f"member{n}/"
        member = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        if not member:
            raise ValueError(prefix)
        members.append({k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in member.items()})
    fusions = {}
    for model in (*MODELS, BASELINE):
        part = manifest["models"][model]
        fusions[model] = Fusion.from_arrays(
            part["columns"], part["explains"], part["groups"], _under(f"fusion/{model}/", tensors)
        )
    return ModelBundle(
        name=str(manifest["name"]),
        version=str(manifest["version"]),
        statement=str(manifest["statement"]),
        training_data=manifest["training_data"],
        label_policy=manifest["label_policy"],
        prevalence=float(manifest["prevalence"]),
        input_settings=InputSettings.from_json(manifest["preprocessing"]),
        encoder_settings=EncoderSettings.from_json(manifest["encoder"]),
        members=tuple(members),
        features=tuple(Feature.from_json(item) for item in manifest["features"]),
        fusions={model: fusions[model] for model in MODELS},
        baseline=fusions[BASELINE],
        thresholds=manifest["thresholds"],
        conformal={m: ConformalScores.from_arrays(_under(f"conformal/{m}/", tensors)) for m in manifest.get("conformal", ())},
        plausible=tuple(PlausibleRange.from_json(item) for item in manifest.get("plausible", ())),
        validity=_validity(manifest.get("validity", {}), tensors),
        trained_on=frozenset(manifest["trained_on"]),
        performance=manifest["performance"],
        weights_sha256=manifest["files"][WEIGHTS],
    )


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def _validity(part: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> ValidityReference:
    ranges = {str(key): (float(low), float(high)) for key, (low, high) in part.get("ranges", {}).items()}
    embedding = EmbeddingReference.from_arrays(_under("embedding/", tensors)) if part.get("embedding") else None
    return ValidityReference(ranges, embedding)


def _safetensors() -> tuple[Any, Any]:
    try:
        from safetensors.numpy import load_file, save_file
    except ImportError as error:
        raise MissingDependencyError(
            "The probability needs the packages torch and safetensors, which are not installed. "
            "Install them with: pip install 'adrenal-classifier[torch]'."
        ) from error
    return save_file, load_file
