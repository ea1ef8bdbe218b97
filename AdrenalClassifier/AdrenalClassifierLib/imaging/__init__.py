"""From files to numbers: read a CT and its masks, cut out the lesion, measure it, prepare the network's input.

Conventions of the whole package: arrays are ``(k, j, i)``; positions are LPS millimetres, as in DICOM and SimpleITK;
attenuation is in Hounsfield units (HU).
"""
