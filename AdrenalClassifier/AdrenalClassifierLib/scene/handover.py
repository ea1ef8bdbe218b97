"""Lesions and results on their way to the worker and back."""

from __future__ import annotations

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.imaging.lesion_file import read_values, write_lesion, write_values

__all__ = ["assessment_of", "read_values", "write_lesion", "write_values"]

assessment_of = Assessment.from_json
