"""Agreement between segmentations: two masks of one lesion, and many pairs of many readers.

The definition of every number is in ``definitions``; it travels with the results.
"""
