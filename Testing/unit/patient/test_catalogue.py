"""The catalogue's data against independent recomputation and the cited tables."""

from __future__ import annotations

import math
import re

import pytest

from AdrenalClassifierLib.patient.catalogue import load_catalogue, normal_unit, unit_suffix

KEYS = """age sex discovery_mode prior_cancer prior_cancer_site weight_loss abdominal_pain hypertension antihypertensive_drugs
resistant_hypertension headache palpitations sweating diabetes bmi osteoporosis cushing_signs sex_steroid_signs rapid_onset
hypokalaemia genetic_syndrome growth_rate prior_imaging pregnancy smoking alcohol urine_steroid_metabolomics
cortisol_dst cortisol_basal urinary_free_cortisol salivary_cortisol acth dheas hydroxyprogesterone_17 androstenedione
testosterone deoxycortisol_11 hydroxypregnenolone_17 deoxycorticosterone_11 progesterone estradiol aldosterone renin
renin_activity metanephrine normetanephrine methoxytyramine_3 urine_metanephrine urine_normetanephrine
potassium ldh beta2_microglobulin chromogranin_a hba1c glucose creatinine crp"""

# Sum formulas; the molar mass follows from the abridged standard atomic weights (IUPAC 2021).
ATOMS = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "S": 32.06}
CORTISOL = "C21H30O5"
FORMULAS = {
    "cortisol_dst": CORTISOL,
    "cortisol_basal": CORTISOL,
    "urinary_free_cortisol": CORTISOL,
    "salivary_cortisol": CORTISOL,
    "dheas": "C19H28O5S",
    "hydroxyprogesterone_17": "C21H30O3",
    "androstenedione": "C19H26O2",
    "testosterone": "C19H28O2",
    "deoxycortisol_11": "C21H30O4",
    "hydroxypregnenolone_17": "C21H32O3",
    "deoxycorticosterone_11": "C21H30O3",
    "progesterone": "C21H30O2",
    "estradiol": "C18H24O2",
    "aldosterone": "C21H28O5",
    "metanephrine": "C10H15NO3",
    "normetanephrine": "C9H13NO3",
    "methoxytyramine_3": "C9H13NO2",
    "urine_metanephrine": "C10H15NO3",
    "urine_normetanephrine": "C9H13NO3",
    "glucose": "C6H12O6",
    "creatinine": "C4H7N3O",
}
ACTH_MASS = 4541.0  # a peptide of 39 amino acids; the figure of the conversion table

PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
PER = {"l": 1.0, "dl": 0.1, "ml": 1e-3, "24h": 1.0}


def molar_mass(formula: str) -> float:
    return sum(ATOMS[atom] * int(count or 1) for atom, count in re.findall(r"([A-Z])(\d*)", formula))


def amount(unit: str, mass: float) -> float:
    """mol per litre (or per 24 h) of one ``unit``."""
    above, below = normal_unit(unit).split("/")
    if above.endswith("mol"):
        return PREFIX[above.removesuffix("mol")] / PER[below]
    return PREFIX[above.removesuffix("g")] / mass / PER[below]


def converted() -> list[tuple[str, int]]:
    return [(v.key, n) for v in load_catalogue().variables.values() for n in range(1, len(v.units)) if v.key != "crp"]


def test_keys_are_those_agreed_in_their_order() -> None:
    assert list(load_catalogue().variables) == KEYS.split()


@pytest.mark.parametrize("key", [*FORMULAS, "acth"])
def test_molar_mass_follows_from_the_sum_formula(key: str) -> None:
    expected = ACTH_MASS if key == "acth" else molar_mass(FORMULAS[key])
    assert load_catalogue().variables[key].molar_mass == pytest.approx(expected, rel=5e-5)


@pytest.mark.parametrize(("key", "place"), converted())
def test_conversion_factor_is_the_molar_mass_to_four_digits(key: str, place: int) -> None:
    variable = load_catalogue().variables[key]
    mass = ACTH_MASS if key == "acth" else molar_mass(FORMULAS[key])
    exact = amount(variable.units[place].name, mass) / amount(variable.units[0].name, mass)
    last_digit = 10.0 ** (math.floor(math.log10(exact)) - 3)
    # Half a unit of the fourth digit, and the 5e-5 by which published atomic weights differ.
    assert abs(variable.units[place].factor - exact) <= 0.5 * last_digit + 5e-5 * exact


def test_mass_per_decilitre_of_crp_is_ten_times_that_per_litre() -> None:
    assert [unit.factor for unit in load_catalogue().variables["crp"].units] == [1.0, 10.0]


# Canonical unit, validation range: table of laboratory variables, "Validation (SI)".
RANGES = {
    "cortisol_dst": ("nmol/L", 5, 3000),
    "cortisol_basal": ("nmol/L", 10, 4000),
    "urinary_free_cortisol": ("nmol/24h", 5, 50_000),
    "salivary_cortisol": ("nmol/L", 0.1, 200),
    "acth": ("pmol/L", 0.1, 500),
    "dheas": ("µmol/L", 0.05, 200),
    "hydroxyprogesterone_17": ("nmol/L", 0.05, 1000),
    "androstenedione": ("nmol/L", 0.1, 500),
    "testosterone": ("nmol/L", 0.05, 200),
    "deoxycortisol_11": ("nmol/L", 0.05, 1000),
    "hydroxypregnenolone_17": ("nmol/L", 0.05, 1000),
    "deoxycorticosterone_11": ("nmol/L", 0.05, 1000),
    "progesterone": ("nmol/L", 0.05, 1000),
    "estradiol": ("pmol/L", 10, 20_000),
    "aldosterone": ("pmol/L", 10, 10_000),
    "renin": ("mIU/L", 0.1, 1000),
    "metanephrine": ("nmol/L", 0.01, 200),
    "normetanephrine": ("nmol/L", 0.01, 500),
    "methoxytyramine_3": ("nmol/L", 0.005, 100),
    "urine_metanephrine": ("µmol/24h", 0.01, 500),
    "urine_normetanephrine": ("µmol/24h", 0.01, 500),
    "potassium": ("mmol/L", 1.5, 9),
    "ldh": ("U/L", 50, 20_000),
    "beta2_microglobulin": ("mg/L", 0.3, 60),
    "age": ("years", 18, 100),
    "bmi": ("kg/m2", 12, 70),
}


@pytest.mark.parametrize("key", RANGES)
def test_canonical_unit_and_hard_range_are_those_of_the_table(key: str) -> None:
    variable = load_catalogue().variables[key]
    assert variable.unit is not None
    assert (variable.unit.name, *(variable.hard or ())) == RANGES[key]
    assert variable.unit.factor == 1
    assert variable.hard_source is not None
    assert variable.hard_source.tag == "design"


def test_number_of_drugs_is_a_count_up_to_eight() -> None:
    variable = load_catalogue().variables["antihypertensive_drugs"]
    assert (variable.kind, variable.hard, variable.units) == ("count", (0, 8), ())


def test_soft_range_is_ten_times_the_reference_within_the_hard_range() -> None:
    checked = set()
    for variable in load_catalogue().variables.values():
        if variable.soft_source is None or variable.soft_source.text != "reference x 10":
            continue
        assert variable.hard is not None
        lower = [r.lower for r in variable.reference]
        low = variable.hard.low if None in lower or 0 in lower else min(x for x in lower if x is not None) / 10
        high = max(r.upper for r in variable.reference if r.upper is not None) * 10
        expected = (max(low, variable.hard.low), min(high, variable.hard.high))
        assert variable.soft == pytest.approx(expected), variable.key
        checked.add(variable.key)
    # Ten times the limits of potassium is no useful range; its own is a choice of this software.
    assert checked == {v.key for v in load_catalogue().variables.values() if v.reference} - {"potassium"}


def test_every_range_lies_within_the_next_wider_one() -> None:
    for variable in load_catalogue().variables.values():
        if variable.kind in ("flag", "choice"):
            assert variable.hard is None
            assert not variable.units
            continue
        assert variable.hard is not None
        assert variable.soft is not None
        assert variable.hard.low <= variable.soft.low < variable.soft.high <= variable.hard.high, variable.key
        for limit in (*(x for r in variable.reference for x in (r.lower, r.upper)), *(d.value for d in variable.decision_limits)):
            assert limit is None or 0 <= limit <= variable.hard.high, variable.key


def test_normetanephrine_limits_rise_with_age_as_in_eisenhofer_2013() -> None:
    # Eisenhofer, Ann Clin Biochem 2013;50:62, table: upper limits in nmol/L by completed years.
    bands = [(r.age_from, r.age_below, r.upper) for r in load_catalogue().variables["normetanephrine"].reference]
    assert bands == [(5, 18, 0.54), (18, 30, 0.55), (30, 40, 0.60), (40, 50, 0.67), (50, 60, 0.80), (60, None, 0.99)]


def test_limits_by_sex_and_general_limits_are_those_of_the_table() -> None:
    def limits(key: str) -> dict[str | None, tuple[float | None, float | None]]:
        return {r.sex: (r.lower, r.upper) for r in load_catalogue().variables[key].reference}

    assert limits("hydroxyprogesterone_17") == {"male": (0.18, 9.1), "female": (0.6, 3.0)}
    assert limits("testosterone") == {"female": (None, 2), "male": (8, 30)}
    assert limits("acth") == {"male": (1.55, 11.1), "female": (1.1, 6), None: (None, 8.8)}
    assert limits("dheas") == {None: (1.6, 12.2)}
    assert limits("aldosterone") == {None: (100, 500)}
    assert limits("metanephrine") == {None: (None, 0.45)}
    assert limits("methoxytyramine_3") == {None: (None, 0.11)}
    assert limits("cortisol_dst") == {None: (None, 50)}


def test_facts_without_a_source_say_so() -> None:
    variables = load_catalogue().variables
    tags = {key: {r.source.tag for r in v.reference} for key, v in variables.items() if v.reference}
    unsourced = {key for key, found in tags.items() if found == {"unsourced"}}
    assert unsourced == {
        "testosterone", "deoxycortisol_11", "estradiol", "urine_metanephrine", "urine_normetanephrine", "potassium", "ldh",
    }  # fmt: skip
    assert variables["acth"].decision_limit("acth_independent").source.tag == "unsourced"
    assert variables["cortisol_dst"].decision_limit("autonomous_cortisol").source.tag == "sourced"
    assert {kind.source.tag for kind in load_catalogue().ratio_kinds} == {"unsourced"}


def test_dexamethasone_limits_are_50_and_138_nmol_per_litre() -> None:
    # ESE/ENSAT 2023 (Fassnacht, EJE 2023;189:G1) and 2016 (EJE 2016;175:G1); 1.8 and 5 ug/dL are the same limits.
    variable = load_catalogue().variables["cortisol_dst"]
    unit = variable.find_unit("µg/dL")
    assert unit is not None
    for name, nmol, conventional in (("autonomous_cortisol", 50, 1.8), ("autonomous_cortisol_2016", 138, 5.0)):
        assert variable.decision_limit(name).value == nmol
        assert conventional * unit.factor == pytest.approx(nmol, abs=0.5)


def luhn(payload: str) -> str:
    digits = [int(c) for c in reversed(payload)]
    total = sum(sum(divmod(2 * d, 10)) if place % 2 == 0 else d for place, d in enumerate(digits))
    return str(-total % 10)


def test_loinc_codes_have_a_valid_check_digit_and_belong_to_one_variable() -> None:
    codes = [code for v in load_catalogue().variables.values() for code in v.loinc]
    assert len(codes) > 40
    for code in codes:
        payload, check = code.code.split("-")
        assert check == luhn(payload), code.code
    assert len({code.code for code in codes}) == len(codes)


def test_loinc_codes_whose_property_was_verified_are_those_marked_so() -> None:
    verified = {code.code for v in load_catalogue().variables.values() for code in v.loinc if code.property_verified}
    marked = "45050-2 2147-7 2141-0 2191-5 1668-3 1854-9 14603-5 2986-8 14567-2 14586-2 57462-4 2609-6 2671-6 9811-1"
    assert verified == set(marked.split())


@pytest.mark.parametrize(
    ("unit", "suffix"),
    [
        ("nmol/L", "nmol_l"), ("µg/dL", "ug_dl"), ("nmol/24h", "nmol_24h"), ("U/L", "u_l"), ("mIU/L", "miu_l"),
        ("ng/mL/h", "ng_ml_h"),
        ("years", "years"), ("mm/year", "mm_year"), ("kg/m2", "kg_m2"), ("%", "percent"),
    ],
)  # fmt: skip
def test_column_suffix_of_a_unit(unit: str, suffix: str) -> None:
    assert unit_suffix(unit) == suffix


def test_columns_are_plain_names_and_each_means_one_thing() -> None:
    catalogue = load_catalogue()
    names = [column.name for column in catalogue.columns.values()]
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)
    assert len(catalogue.canonical_columns()) == len(catalogue.variables)
    by_owner = {(column.variable.key, column.role, column.unit) for column in catalogue.columns.values()}
    expected = sum(max(1, len(v.units)) * (1 if v.group == "history" or not v.units else 3) for v in catalogue.variables.values())
    assert len(by_owner) == expected
    for name, column in catalogue.columns.items():
        assert name.startswith(column.variable.key)
    assert catalogue.columns["cortisol_dst_upper_limit_ug_dl"].role == "upper_limit"
    assert catalogue.columns["age_years"].variable.key == "age"


def test_renin_concentration_and_activity_share_no_unit() -> None:
    variables = load_catalogue().variables
    names = [{normal_unit(n) for u in variables[key].units for n in (u.name, *u.aliases)} for key in ("renin", "renin_activity")]
    assert names[0].isdisjoint(names[1])


def test_units_of_one_variable_are_never_mistaken_for_each_other() -> None:
    for variable in load_catalogue().variables.values():
        names = [normal_unit(n) for u in variable.units for n in (u.name, *u.aliases)]
        assert len(names) == len(set(names)), variable.key


@pytest.mark.parametrize("text", ["µg/dL", "μg/dl", "ug / dL", "mcg/dl", " UG/DL "])
def test_spellings_of_micro_name_the_same_unit(text: str) -> None:
    unit = load_catalogue().variables["cortisol_dst"].find_unit(text)
    assert unit is not None
    assert unit.name == "µg/dL"


def test_choices_are_those_agreed() -> None:
    def values(key: str) -> str:
        return " ".join(choice.value for choice in load_catalogue().variables[key].choices)

    assert values("discovery_mode") == "incidental cancer_staging symptoms genetic_screening other"
    assert values("genetic_syndrome") == "none li_fraumeni men1 men2 vhl nf1 sdhx lynch cah fap"
    assert values("prior_imaging") == "none stable growing new"
    assert values("urine_steroid_metabolomics") == "low moderate high"
    assert (
        values("prior_cancer_site") == "lung breast kidney melanoma colorectal other_gastrointestinal urothelial lymphoma other"
    )


def test_catalogue_cannot_be_changed() -> None:
    catalogue = load_catalogue()
    with pytest.raises(TypeError):
        catalogue.variables["age"] = catalogue.variables["bmi"]
    assert catalogue is load_catalogue()
