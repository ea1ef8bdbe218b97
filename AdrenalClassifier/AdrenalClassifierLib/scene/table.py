"""One row a lesion, for a table node and for a CSV file. Column names are English and stable; an empty cell is no value."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import vtk

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of

_MEASURED = (
    "volume_ml", "long_axis_mm", "short_axis_mm", "max_3d_diameter_mm", "mean_hu", "core_mean_hu", "sd_hu", "median_hu", "p10_hu",
    "p90_hu", "spontaneous_hu", "portal_hu", "delayed_hu", "fat_fraction", "fluid_fraction", "calcium_fraction", "homogeneous",
    "absolute_washout_percent", "relative_washout_percent", "phase", "voxel_count",
)  # fmt: skip
COLUMNS = (
    "lesion_id", "side", "status", *_MEASURED, "long_axis_by_hand_mm", "short_axis_by_hand_mm",
    "probability", "low", "high", "model", *(f"probability_{name.replace('+', '_')}" for name in MODELS),
    "prevalence", "conformal_set", "outside", "missing", "warnings", "software_version", "model_name", "model_version",
    "weights_sha256", "input_sha256", "device", "created", "statement",
)  # fmt: skip
TABLE = "table"

Row = dict[str, str]


def row(
    lesion_id: str,
    side: str,
    status: str,
    measured: Measurements | None,
    by_hand: dict[str, float],
    assessment: Assessment | None,
) -> Row:
    """The cells of one lesion.

    Args:
        lesion_id: of the lesion.
        side: of the lesion.
        status: as in ``session.LesionInfo``.
        measured: its measurements.
        by_hand: diameters that a reader set.
        assessment: its result while that is true, else None.
    """
    cells: dict[str, Any] = {"lesion_id": lesion_id, "side": side, "status": status}
    if measured is not None:
        cells.update({name: getattr(measured, name) for name in _MEASURED})
    cells.update({name.replace("_mm", "_by_hand_mm"): length for name, length in by_hand.items()})
    if assessment is not None:
        told = assessment.to_json()
        low, high = told["interval"] or (None, None)
        provenance = told["provenance"]
        cells.update(
            {
                **{f"probability_{name.replace('+', '_')}": item["probability"] for name, item in told["models"].items()},
                **{name: provenance[name] for name in ("software_version", "model_name", "model_version", "weights_sha256")},
                **{name: provenance[name] for name in ("input_sha256", "device", "created")},
                "probability": told["probability"],
                "low": low,
                "high": high,
                "model": told["model"],
                "prevalence": None if told["prevalence"] is None else told["prevalence"]["value"],
                "conformal_set": None if told["conformal_set"] is None else told["conformal_set"]["set"],
                "outside": told["validity"]["outside"],
                "missing": told["missing"],
                "warnings": [warning["code"] for warning in told["warnings"]],
                "statement": told["statement"],
            }
        )
    return {column: _cell(cells.get(column)) for column in COLUMNS}


def as_csv(rows: Sequence[Row]) -> str:
    """Rows under a header, as RFC 4180 with Unix line ends."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_table(scene: Any, rows: Sequence[Row]) -> Any:
    """Fill this software's table node (made when there is none) with the rows; returns it."""
    node = next((item for item in nodes_of(scene, "vtkMRMLTableNode") if item.GetAttribute(OWN) == TABLE), None)
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", "Adrenal lesions")
        node.SetAttribute(OWN, TABLE)
    was = node.StartModify()
    node.RemoveAllColumns()
    for column in COLUMNS:
        cells = vtk.vtkStringArray()
        cells.SetName(column)
        for item in rows:
            cells.InsertNextValue(item[column])
        node.AddColumn(cells)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.Modified()
    node.EndModify(was)
    return node


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ";".join(str(item) for item in value)
    return str(value)
