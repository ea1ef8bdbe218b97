"""Which histologies count as malignant is a rule that can be changed."""

from __future__ import annotations

import pytest

from AdrenalClassifierLib.cohort.labels import histologies, label_policy, policy_names
from AdrenalClassifierLib.errors import CohortError


def test_every_histology_has_a_target_under_every_policy_or_is_left_out() -> None:
    for name in policy_names():
        policy = label_policy(name)
        for histology in histologies():
            assert policy.is_malignant(histology) is (None if histology in policy.excluded else histology in policy.malignant)


def test_the_policies_differ_in_phaeochromocytoma_and_in_nothing_else() -> None:
    usual, strict, without = (label_policy(f"phaeochromocytoma_{rule}") for rule in ("benign", "malignant", "excluded"))
    assert label_policy() == usual
    assert [p.is_malignant("phaeochromocytoma") for p in (usual, strict, without)] == [False, True, None]
    for histology in set(histologies()) - {"phaeochromocytoma"}:
        assert usual.is_malignant(histology) == strict.is_malignant(histology) == without.is_malignant(histology)


def test_carcinoma_metastasis_lymphoma_and_sarcoma_are_malignant_and_adenoma_is_not() -> None:
    policy = label_policy()
    assert policy.malignant == {"acc", "metastasis", "lymphoma", "sarcoma", "other_malignant"}
    assert policy.is_malignant("adenoma_lipid_rich") is False


def test_an_unknown_policy_is_refused_with_the_names_of_the_known_ones() -> None:
    with pytest.raises(CohortError, match="choose one of phaeochromocytoma_benign, "):
        label_policy("strict")
