"""The synthetic cohort: patients, laboratory values and CT phantoms, fully determined by a seed.

Nothing here is a patient. Numbers come from the tables beside the code (``tables/*.json``), each with its source:
``sourced`` names the publication, ``design`` is a choice for software and no clinical fact.
"""
