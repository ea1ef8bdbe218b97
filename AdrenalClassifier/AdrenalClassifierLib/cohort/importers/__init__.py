"""Cohort tables from public collections as they are downloaded."""
