"""The model: image encoder, feature groups and their fusion, calibration, and the bundle that holds them.

torch is imported inside the functions that need it, never when a module is imported.
"""
