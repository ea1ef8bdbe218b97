"""Fit the four models on a cohort, judge them on its test part, write the bundle."""
