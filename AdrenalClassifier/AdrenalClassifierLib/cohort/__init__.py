"""Many lesions at once: the cohort table and its checker, patient-level splits, the synthetic cohort."""
