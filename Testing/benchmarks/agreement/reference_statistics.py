"""Write Testing/data/agreement_icc.json: intraclass correlations of given tables by pingouin.

PYTHON_WITH_PEERS Testing/benchmarks/agreement/reference_statistics.py      (pip install pingouin==0.7.0)
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pandas as pd
import pingouin

from support.rating_tables import rating_tables

TESTING = Path(__file__).resolve().parents[2]


def main() -> None:
    pingouin.options["round.column.CI95"] = 10
    out = {}
    for name, table in rating_tables():
        rows = [{"t": t, "r": r, "s": float(s)} for t, row in enumerate(table) for r, s in enumerate(row)]
        found = pingouin.intraclass_corr(pd.DataFrame(rows), targets="t", raters="r", ratings="s")
        kinds = found.set_index("Type")
        column = next(c for c in found.columns if c.startswith("CI"))
        types = {
            "a1": next(k for k in kinds.index if k in ("ICC2", "ICC(A,1)")),
            "c1": next(k for k in kinds.index if k in ("ICC3", "ICC(C,1)")),
        }
        out[name] = {
            ours: {
                "value": float(kinds.loc[t, "ICC"]),
                "low": float(kinds.loc[t, column][0]),
                "high": float(kinds.loc[t, column][1]),
            }
            for ours, t in types.items()
        }
    versions = {name: importlib.metadata.version(name) for name in ("pingouin", "pandas", "numpy", "scipy")}
    text = json.dumps({"versions": versions, "tables": out}, indent=1)
    (TESTING / "data" / "agreement_icc.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
