"The committed verdicts: made of the committed tables by code, and none about what has not learned."
from pathlib import Path
import numpy as np, pandas as pd, pytest
from lmdisc.lab.claims import PAPERS, CLAIMS, by_form, judge, judged_best, read_tables

FIGURES = Path(__file__).resolve().parents[1]/"figures"
SETS = ["heads", "faces_cfp", "faces_300w"]

@pytest.fixture(scope="module")
def tables(): return read_tables(FIGURES, SETS)

@pytest.fixture(scope="module")
def committed(): return pd.read_csv(FIGURES/"claims.csv")

def test_the_committed_verdicts_are_those_of_the_committed_tables(tables, committed):
    pd.testing.assert_frame_equal(judge(tables, "cpu"), committed, check_dtype=False, check_exact=False)

def test_no_verdict_on_what_has_not_learned(committed):
    assert {"form", "gate", "points"} <= set(committed) and set(committed.gate) <= {"passed", "not passed", "not measured"}
    judged = committed[committed.verdict != "not exercised"]
    assert (judged.gate == "passed").all() and committed[committed.form == PAPERS].dataset.nunique() >= 2

def test_a_detector_that_lost_its_points_has_not_learned(tables):
    "The paper's form as committed, even if its own supervised bound were fine."
    gate = tables["gate", "heads"]
    fine = gate.rows.assign(form=PAPERS, trunk="hourglass", passes=True)
    table = judge(tables | {("gate_paper", "heads"): type(gate)(fine, gate.drawn, "hourglass")}, "cpu")
    lines = table[(table.form == PAPERS) & (table.dataset == "heads")]
    assert len(lines) and set(lines.gate) == {"not passed"} and set(lines.verdict) == {"not exercised"} and lines.why.str.contains("F-measure fell to").all()

def test_a_method_that_has_not_learned_is_no_comparison(tables):
    "IMM and Zhang et al. as committed, even if the budget were fine."
    fine = {("gate", d): type(t)(t.rows.assign(experiment="table_faces", pictures_drawn=tables["table_faces", d].drawn, passes=True), t.drawn, t.trunk)
            for (name, d), t in tables.items() if name == "gate"}
    lines = judge(tables | fine, "cpu").query("claim.str.startswith('10.')")
    assert len(lines) == 8 and set(lines.verdict) == {"not exercised"} and lines.why.str.contains("compared with, are off by").all()

def test_a_best_at_the_end_of_its_grid_is_not_known(tables, committed):
    found, claim = by_form(tables), next(c for c in CLAIMS if c.judged is judged_best)
    for d in SETS:
        _, grid = claim.values(found["ablation_clusters", d, "ours"].rows, d, "cpu")
        line = committed[(committed.claim == claim.text) & (committed.dataset == d)].iloc[0]
        if grid.mean().idxmax() in grid.columns[[0, -1]]: assert line.verdict == "inconclusive" and not np.isfinite([line.low, line.high]).any()
    assert "inconclusive" in set(committed.verdict[committed.claim == claim.text])
