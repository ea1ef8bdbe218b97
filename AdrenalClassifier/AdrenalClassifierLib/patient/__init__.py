"""What is known about the patient: the catalogue of clinical variables, units, validation, and the record of values.

``catalogue.json`` is the data, with a source and its standing for every fact; ``catalogue`` loads it, ``record`` holds
values in canonical units, ``parse`` reads them from JSON, a table row or a form, ``limits`` compares them with limits.
A value that is not known is absent, never 0. No identity belongs here.
"""
