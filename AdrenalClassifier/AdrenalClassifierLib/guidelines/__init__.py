"""What published guidelines say about a lesion: ESE/ENSAT 2023, ACR 2017 and the EURINE-ACT thresholds.

Thresholds, texts, citations and published performance are data (the JSON files beside this one, with the standing of every
fact); the functions only apply them, with three-valued logic. A missing value is never taken for a benign one: what would
change the verdict and is not known is listed, and the verdict stays open.
"""
