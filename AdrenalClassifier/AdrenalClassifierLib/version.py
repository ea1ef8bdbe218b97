"""The version of the software, in one place: the distribution, the bundle and every result carry it."""

__version__ = "0.1.0"
