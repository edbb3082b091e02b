"The committed verdicts: made of the committed tables by code, and none about what has not learned."
from dataclasses import replace
from pathlib import Path
import numpy as np, pandas as pd, pytest
from lmdisc.lab.claims import PAPERS, CLAIMS, by_form, judge, judged_best, read_tables

FIGURES = Path(__file__).resolve().parents[1]/"figures"
SETS = ["heads", "faces_cfp", "faces_300w"]

@pytest.fixture(scope="module")
def tables(): return read_tables(FIGURES, SETS, "cpu")

@pytest.fixture(scope="module")
def committed(): return pd.read_csv(FIGURES/"claims.csv")

def test_the_committed_verdicts_are_those_of_the_committed_tables(tables, committed):
    pd.testing.assert_frame_equal(judge(tables, "cpu"), committed, check_dtype=False, check_exact=False)

def test_no_verdict_on_what_has_not_learned(committed):
    assert {"form", "gate", "points"} <= set(committed) and set(committed.gate) <= {"passed", "not passed", "not measured"}
    judged = committed[committed.verdict != "not exercised"]
    assert (judged.gate == "passed").all() and committed[committed.form == PAPERS].dataset.nunique() >= 2

def test_a_detector_that_lost_its_points_has_not_learned(tables):
    "The paper's form as committed, had its F-measure fallen to a third; its own supervised bound is fine."
    one = tables["ablation_equivariance_paper", "faces_300w"]
    lost = one.rows.assign(f_measure=one.rows.f_measure.where(one.rows["round"] < 0, one.rows.f_measure / 3))
    table = judge(tables | {("ablation_equivariance_paper", "faces_300w"): replace(one, rows=lost)}, "cpu")
    lines = table[(table.form == PAPERS) & (table.dataset == "faces_300w")]
    assert len(lines) and set(lines.gate) == {"not passed"} and set(lines.verdict) == {"not exercised"} and lines.why.str.contains("F-measure fell to").all()

def test_a_stopped_run_leaves_no_verdict(tables):
    "Two seeds of three are no mean of three, and a stopped run in front does not hide a loss that rises."
    one = tables["ablation_equivariance_paper", "faces_300w"]
    of_0 = one.rows.seed == 0
    stopped = one.rows[of_0].iloc[:1][["form", "arm", "seed"]].assign(stopped="diverged", minutes=1.)
    table = judge(tables | {("ablation_equivariance_paper", "faces_300w"): replace(one, rows=pd.concat([stopped, one.rows[~of_0]]))}, "cpu")
    lines = table[(table.form == PAPERS) & (table.dataset == "faces_300w") & table.claim.str.startswith(("1.", "7."))]
    assert len(lines) and set(lines.verdict) == {"not exercised"} and lines.why.str.startswith("a run stopped: diverged").all()

@pytest.mark.parametrize("experiment, number", [("ablation_clusters", "3."), ("ablation_noise", "3."), ("table_faces", "10.")])
def test_where_one_run_stopped_no_claim_is_judged_from_the_others(tables, experiment, number):
    one = tables[experiment, "heads"]
    last = one.rows.method.str.startswith("IMM") if experiment == "table_faces" else one.rows.seed == one.rows.seed.max()
    labels = ["method", "seed"] if experiment == "table_faces" else [c for c in ("share", "M", "seed") if c in one.rows]
    stopped = one.rows[last].drop_duplicates(labels)[labels].assign(stopped="diverged")
    table = judge(tables | {(experiment, "heads"): replace(one, rows=pd.concat([one.rows[~last], stopped]))}, "cpu")
    lines = table[(table.dataset == "heads") & table.claim.str.startswith(number)]
    if experiment == "table_faces": assert not lines.claim.str.contains("IMM").any()       # all runs of the rival stopped
    else: assert set(lines.verdict) == {"not exercised"} and lines.why.str.contains("a run stopped: diverged").any()

def test_a_stopped_first_stage_vouches_for_nothing(tables):
    "Nor does a comparison all of whose runs stopped end the judging."
    one, compared = tables["ablation_equivariance_paper", "faces_300w"], tables["table_faces", "faces_cfp"]
    stopped = one.rows[(one.rows.arm == "clustering") & (one.rows.seed > 0)].drop_duplicates("seed")[["form", "arm", "seed"]].assign(stopped="diverged")
    kept = one.rows[(one.rows.arm != "clustering") | (one.rows.seed == 0)]
    of_paper = compared.rows.method == "the paper's own form"
    none = compared.rows[of_paper][["method", "seed"]].assign(stopped="diverged")
    table = judge(tables | {("ablation_equivariance_paper", "faces_300w"): replace(one, rows=pd.concat([kept, stopped])),
                            ("table_faces", "faces_cfp"): replace(compared, rows=pd.concat([compared.rows[~of_paper], none]))}, "cpu")
    lines = table[(table.form == PAPERS) & (table.dataset == "faces_300w")]
    assert len(lines) and set(lines.verdict) == {"not exercised"} and lines.why.str.contains("stopped: diverged").all()
    assert not ((table.form == PAPERS) & table.claim.str.startswith("10.")).any()

def test_half_of_a_range_is_not_the_range(tables):
    "Claim 6 is about overlaps from 0.6 to 0.8."
    one = tables["ablation_merging", "heads"]
    for few in ([.7], [.7, .8]):
        table = judge(tables | {("ablation_merging", "heads"): replace(one, rows=one.rows[one.rows.overlap.isin(few)])}, "cpu")
        assert not ((table.dataset == "heads") & table.claim.str.startswith("6.")).any()

def test_a_rival_trained_for_less_is_no_comparison(tables):
    "IMM on faces_cfp, had it learned from half of the pictures."
    one = tables["table_faces", "faces_cfp"]
    imm, better = one.rows.method.str.startswith("IMM"), one.rows.select_dtypes("number").columns.str.startswith("forward")
    rows = one.rows.assign(pictures_drawn=one.rows.pictures_drawn.where(~imm, 9600)).copy()
    rows.loc[imm, rows.select_dtypes("number").columns[better]] *= .4
    lines = judge(tables | {("table_faces", "faces_cfp"): replace(one, rows=rows)}, "cpu").query("claim.str.startswith('10.') & dataset == 'faces_cfp' & claim.str.contains('IMM')")
    assert len(lines) == 2 and set(lines.verdict) == {"not exercised"} and lines.why.str.contains("drew 9,600 pictures, ours 19,200").all()

def test_a_rival_is_trained_as_long_as_the_form_it_is_compared_with(tables):
    "IMM on faces_cfp has drawn more pictures than ours, and fewer than the paper's own form."
    lines = judge(tables, "cpu").query("claim.str.startswith('10.') & dataset == 'faces_cfp' & claim.str.contains('IMM')").set_index("form")
    assert "drew" not in lines.why["ours"] and lines.verdict[PAPERS] == "not exercised"
    assert "IMM [15], K = 30 drew 76,800 pictures, ours 19,200, the paper's own form 200,000" in lines.why[PAPERS]

def test_ours_given_more_steps_needs_a_gate_of_these(tables):
    one = tables["table_faces", "faces_cfp"]
    longer = one.rows.assign(pictures_drawn=one.rows.pictures_drawn.where(one.rows.method != "ours", 38_400))
    lines = judge(tables | {("table_faces", "faces_cfp"): replace(one, rows=longer)}, "cpu").query("form == 'ours' & dataset == 'faces_cfp' & claim.str.startswith('11.')")
    assert list(lines.gate) == ["not measured"] and list(lines.verdict) == ["not exercised"]

def test_which_seeds_of_two_methods_stand_beside_each_other_does_not_count(tables):
    one = tables["table_faces", "faces_cfp"]
    imm = one.rows.method == "IMM [15], K = 30"
    others = one.rows.assign(seed=one.rows.seed.where(~imm, (one.rows.seed + 1) % 3))
    tens = [judge(tables | {("table_faces", "faces_cfp"): replace(one, rows=rows)}, "cpu").query("claim.str.startswith('10.')") for rows in (one.rows, others)]
    pd.testing.assert_frame_equal(*tens)

@pytest.mark.parametrize("experiment, column, number", [
    ("ablation_tsne_paper", "purity", "4. purity"), ("gate_paper", "passes", "8."), ("ablation_init_paper", "f_measure", "8."),
    ("ablation_init_paper", "forward", "9. forward error over"), ("table_faces", "pictures_drawn", "10.")])
def test_a_missing_number_is_no_verdict(tables, experiment, column, number):
    "Of one seed, or of the gate."
    one = tables[experiment, "faces_cfp"]
    rows = one.rows.astype({column: object})
    first = rows.index[rows.method.str.startswith("IMM")] if experiment == "table_faces" else rows.index[rows[column].notna()][:1]
    rows.loc[first, column] = np.nan
    if column != "passes": rows[column] = rows[column].astype(float)
    form = "ours" if experiment == "table_faces" else PAPERS
    lines = judge(tables | {(experiment, "faces_cfp"): replace(one, rows=rows)}, "cpu")
    lines = lines[(lines.form == form) & (lines.dataset == "faces_cfp") & lines.claim.str.startswith(number)]
    assert len(lines) and set(lines.verdict) == {"not exercised"}

def test_runs_of_the_earlier_nmi_beside_new_ones_are_of_the_earlier_nmi(tables):
    one = tables["ablation_clusters", "heads"]
    mixed = one.rows.assign(scored_points=np.where(one.rows.M == 60, 900., np.nan))
    lines = judge(tables | {("ablation_clusters", "heads"): replace(one, rows=mixed)}, "cpu").query("claim.str.startswith('3.') & dataset == 'heads'")
    assert len(lines) and set(lines.verdict) == {"not exercised"} and lines.why.str.contains("NMI of the earlier measure").all()

def test_tables_of_another_profile_are_not_judged():
    with pytest.raises(ValueError, match="was measured at profile cpu, not gpu"): read_tables(FIGURES, SETS, "gpu")

def test_the_papers_form_is_judged_by_runs_of_it_alone(tables):
    "Older arms \"as in the paper\" kept our backbone and keypoints: they are of neither form."
    assert "as in the paper" in set(tables["ablation_equivariance", "heads"].rows.form)
    found = by_form(tables)
    assert "as in the paper" not in set(found["ablation_equivariance", "heads", "ours"].rows.form)
    for (_, _, form), one in found.items(): assert one.trunk == ("hourglass" if form == PAPERS else "xfeat")

def test_the_papers_form_is_compared_with_imm_and_zhang_too(tables):
    "Claim 10 is about the paper's own method; a single seed, as on heads, cannot be judged."
    found, lines = by_form(tables), judge(tables, "cpu").query("claim.str.startswith('10.')")
    assert set(lines.dataset[lines.form == PAPERS]) == {"faces_cfp"} and set(lines.dataset[lines.form != PAPERS]) == {"heads", "faces_cfp"}
    assert "ours" not in set(found["table_faces", "faces_cfp", PAPERS].rows.method) and ("table_faces", "heads", PAPERS) not in found
    assert (lines.measured[lines.form == PAPERS].to_numpy() > lines.measured[(lines.form != PAPERS) & (lines.dataset == "faces_cfp")].to_numpy()).all()

def test_no_verdict_rests_on_an_nmi_that_left_points_out(committed):
    about = committed[committed.claim.str.startswith(("1.", "2.", "3."))]
    assert about.points.notna().any() and set(about.verdict[about.points.isna()]) <= {"not exercised"}

def test_a_method_that_has_not_learned_is_no_comparison(tables):
    "IMM and Zhang et al., were they as far off as before they were tuned, even if the budget were fine."
    fine = {("gate", d): type(t)(t.rows.assign(experiment="table_faces", pictures_drawn=tables["table_faces", d].drawn, passes=True), t.drawn, t.trunk)
            for (name, d), t in tables.items() if name == "gate"}
    for d in ("heads", "faces_cfp"):
        t = tables["table_faces", d]
        off = .6 * t.rows[t.rows.method == "mean shape"].forward_placed.mean()
        rivals = t.rows.method.str.startswith(("IMM", "Zhang"))
        fine["table_faces", d] = replace(t, rows=t.rows.assign(forward_placed=t.rows.forward_placed.where(~rivals, off)))
    lines = judge(tables | fine, "cpu").query("claim.str.startswith('10.')")
    assert len(lines) == 6 and set(lines.verdict) == {"not exercised"} and lines.why.str.contains("compared with, are off by").all()

def test_an_error_that_has_not_learned_is_not_judged(tables):
    "Landmarks may be fine where they are likeliest while the error with gaps filled is above half of the mean shape's, as on heads."
    one = tables["ablation_merging", "faces_300w"]
    far = one.rows.assign(forward=one.rows.mean_shape * one.rows.overlap)
    lines = judge(tables | {("ablation_merging", "faces_300w"): replace(one, rows=far)}, "cpu").query("claim.str.startswith('6. forward') & dataset == 'faces_300w'")
    filled, likeliest = (lines[lines.claim.str.contains("likeliest") == which].iloc[0] for which in (False, True))
    assert filled.gate == "not passed" and filled.verdict == "not exercised" and "are off by 80% of what the mean shape is" in filled.why
    assert likeliest.gate == "passed"

def test_a_best_at_the_end_of_its_grid_is_not_known(tables):
    found, claim = by_form(tables), next(c for c in CLAIMS if c.judged is judged_best)
    grids = [claim.values(found["ablation_clusters", d, "ours"].rows, d, "cpu")[1] for d in SETS]
    at_an_end = [grid for grid in grids if grid.mean().idxmax() in grid.columns[[0, -1]]]
    assert at_an_end
    for grid in at_an_end:
        verdict = claim.judged(grid, claim.least, claim.most)
        assert verdict.verdict == "inconclusive" and not np.isfinite([verdict.low, verdict.high]).any()
