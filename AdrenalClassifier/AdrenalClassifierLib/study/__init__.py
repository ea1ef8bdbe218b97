"""Blinded reader studies as plain functions over folders.

The coordinator's folder: ``create``, ``release``, ``collect``, ``status``, ``analysis``, ``results``. A reader's folder (a
package): ``work`` and ``worklist``. Nothing here knows a screen; a host calls these functions and shows what they return.
"""
