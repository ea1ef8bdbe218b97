"""Handcrafted features of a lesion, after the Image Biomarker Standardisation Initiative (IBSI) where it defines them.

The baseline that usually ties with networks on a few hundred lesions: shape, margin, what the lesion is made of, how it takes up
contrast material. Everything is measured on a working grid laid out by the lesion, after averaging noise away.
"""

from AdrenalClassifierLib.imaging.radiomics.extract import radiomics
from AdrenalClassifierLib.imaging.radiomics.features import FEATURES, NAMES, RadiomicFeature, Radiomics

__all__ = ["FEATURES", "NAMES", "RadiomicFeature", "Radiomics", "radiomics"]
