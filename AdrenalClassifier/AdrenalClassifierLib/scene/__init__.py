"""The case in a MRML scene: volumes and segments in, measurements, results and overlays out, and their state in between.

MRML only (``slicer`` and ``vtk``), no widget: shared by every host that shows a scene. World coordinates are LPS at the border
of this room and RAS inside MRML.
"""
