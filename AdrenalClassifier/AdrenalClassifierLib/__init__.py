"""Adrenal Classifier: probability of malignancy of an adrenal lesion on CT, for research use only.

The package is a tower of rooms; each imports only the rooms below it (README, "Architecture"). Importing the package,
or any room but ``model`` and ``training``, does not load torch.
"""

from AdrenalClassifierLib.version import __version__

__all__ = ["__version__"]
