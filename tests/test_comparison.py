"A method beside others on every published layout, and a comparison that goes on where it stopped."
from pathlib import Path
import numpy as np, pandas as pd, pytest, torch
from lmdisc.config import change, profile
from lmdisc.lab import comparison
from lmdisc.lab.baselines import common
from lmdisc.lab.baselines.common import baseline_config, n_drawn
from lmdisc.lab.experiment import perform
from lmdisc.lab.gate import at_budget, gated
from lmdisc.lab.protocols import PAPER_FORM, as_in_paper, pictures, sweep_profile
from lmdisc.lab.tables import for_reading
from test_datasets import WRITE

ROOT = Path(__file__).resolve().parents[1]

@pytest.mark.parametrize("name", WRITE)
def test_table_faces_on_every_published_layout(name, tmp_path):
    "All methods on the first set, but for one that differs from another by an option; on the others, which differ in their files alone, the two that read landmarks from opposite ends."
    methods = ",".join(m for m in comparison.METHODS if m != "pairs") if name == "celeba" else "ours,supervised"
    WRITE[name](tmp_path/"set")
    perform(ROOT/"nbs"/"table_faces.ipynb", dict(dataset=name, root=str(tmp_path/"set"), profile="smoke", methods=methods, Ks="10", out_dir=str(tmp_path)))
    table = pd.read_csv(tmp_path/f"table_faces_{name}.csv")
    assert set(table.method) == {comparison.called(*a) for a in comparison.contestants(methods, "10")} | {"mean shape", "floor"}
    at = table.set_index("method")
    assert {"K_80", "forward_80", "backward_80", "forward_seen", "forward_placed", "visibility_auc", "trunk", "pictures_drawn"} <= set(table)
    assert table.forward_placed.notna().all() and at.forward_placed["supervised"] == at.forward["supervised"]
    assert set(table.trunk.dropna()) == {sweep_profile("smoke").net.trunk} and set(table.pictures_drawn.dropna()) == {n_drawn(sweep_profile("smoke"))}
    assert at.direct.notna().equals(pd.Series(at.index == "supervised", at.index)) and at.forward_seen["floor"] <= at.forward["floor"]
    assert table.forward.notna().all() and (tmp_path/f"table_faces_{name}.json").exists()

def test_a_comparison_goes_on_where_it_stopped(heads_set, tmp_path, monkeypatch):
    config = sweep_profile("smoke")
    ask = lambda method, K: comparison.method_points(method, K, heads_set, config, tmp_path)
    first = [ask("zhang", 5), ask("supervised", None)]
    monkeypatch.setattr(comparison, "detector_of", lambda *a: pytest.fail("trained again"))
    again = [ask("zhang", 5), ask("supervised", None)]
    for a, b in zip(first, again): assert (a.tensors["test"] == b.tensors["test"]).all() and a.minutes == b.minutes

def test_an_interrupted_training_gives_the_same_points(heads_set, tmp_path, monkeypatch):
    config, calls, one_step = sweep_profile("smoke"), [], common.Trainer.one_step
    never_stopped = comparison.method_points("imm", 5, heads_set, config)
    def stop(self, *args):
        if len(calls) == 25: raise KeyboardInterrupt
        calls.append(1)
        return one_step(self, *args)
    save_often = common.train.__defaults__
    monkeypatch.setattr(common.train, "__defaults__", (save_often[0], 10, save_often[2]))
    monkeypatch.setattr(common.Trainer, "one_step", stop)
    with pytest.raises(KeyboardInterrupt): comparison.method_points("imm", 5, heads_set, config, tmp_path)
    monkeypatch.setattr(common.Trainer, "one_step", one_step)
    assert (comparison.method_points("imm", 5, heads_set, config, tmp_path).tensors["test"] == never_stopped.tensors["test"]).all()

def test_the_scores_of_test_pictures_are_kept(heads_set):
    config = sweep_profile("smoke")
    run = comparison.method_points("supervised", None, heads_set, config)
    assert run.tensors["test_score"].shape == run.tensors["test"].shape[:2] and len(run.tensors["test_score"].unique()) > 1
    (row,), _ = comparison.compared(heads_set, config, method="zhang", K=5)
    assert np.isnan(row["visibility_auc"]) or row["visibility_auc"] == .5    # it gives every point the same score

@pytest.mark.parametrize("method, gaps", [("stages", 2), ("pairs", 2), ("ours", 0), ("imm", 0), ("supervised", 0)])
def test_the_papers_protocol_misses_what_a_method_without_a_shape_calls_hidden(method, gaps):
    points = {"test": torch.ones(2, 3, 2), "test_score": torch.tensor([[.9, .1, .9], [.2, .8, .9]])}
    scored = comparison.with_gaps(method, profile("cpu"), points, "test")
    assert np.isnan(scored).any(-1).sum() == gaps

def test_rates_are_chosen_without_the_test_pictures(heads_set):
    chosen = comparison.validation(heads_set)
    people = {part: set(chosen.split(part).fields["identity"]) for part in ("train", "test")}
    assert not people["train"] & people["test"] and len(chosen) == len(heads_set.split("train"))
    assert not (people["train"] | people["test"]) & set(heads_set.split("test").fields["identity"])
    assert chosen.data_hash not in (heads_set.data_hash, heads_set.split("train").data_hash)

def test_a_text_column_is_read(heads_set):
    table = pd.DataFrame([dict(method="ours", seed=s, K=9, forward=.1 + s / 100, trunk="hourglass", pictures_drawn=240) for s in (0, 1)])
    assert for_reading(table)["measured here"].loc["ours"].to_dict() == {"K": "9, 9", "forward": "10.5 ± 0.5"}
    assert for_reading(table.assign(size=96))["measured here"].loc["ours"].to_dict() == {"K": "9, 9", "size": "96 px", "forward": "10.5 ± 0.5"}

def test_the_gate_lets_through_what_labels_learn():
    config = sweep_profile("smoke")
    rows = [dict(form="ours", trunk=config.net.trunk, seed=s, pictures_drawn=n_drawn(config) * i, direct=e, mean_shape=.2) for s in (0, 1) for i, e in ((1, .05), (2, .045), (4, .044))]
    at = at_budget(gated(pd.DataFrame(rows)), n_drawn(config), config.net.trunk)
    assert at.direct_twice.tolist() == [.045, .045] and at.passes.all()
    assert not gated(pd.DataFrame(rows).assign(mean_shape=.09)).passes[0]    # worse than half of the mean shape

def test_the_bound_of_a_form_has_its_own_backbone_loss_and_optimiser(heads_set, monkeypatch):
    config, asked = change(sweep_profile("smoke"), PAPER_FORM | as_in_paper("net.trunk", "net.keep")), []
    points = comparison.method_points
    monkeypatch.setattr(comparison, "method_points", lambda *a: asked.append(a) or points(*a))
    (row,) = comparison.taught(heads_set, config, drawn=8, own=True)
    _, _, _, trained, _, rate = asked[0]
    how = baseline_config(trained, 10, rate)
    assert (how.net.trunk, how.learning, how.emphasis) == ("hourglass", config.learning1, config.stage1.emphasis) and np.isfinite(row["direct"])
    assert how.learning.optimizer == "rmsprop" and how.emphasis == 0 and n_drawn(trained) == 8
    assert baseline_config(sweep_profile("smoke"), 10).emphasis == 10

def test_training_goes_on_until_it_is_flat_and_where_it_stopped(heads_set, tmp_path, monkeypatch):
    people, config = comparison.validation(heads_set), sweep_profile("smoke")
    ask = lambda most: comparison.until_flat(people, config, tmp_path, "supervised", None, 1e-3, most)
    first = ask(1)
    trained, detector_of = [], comparison.detector_of
    monkeypatch.setattr(comparison, "detector_of", lambda *a: trained.append(a) or detector_of(*a))
    rows = ask(2)
    assert [(r["times"], r["pictures_drawn"]) for r in rows] == [(1, n_drawn(config)), (2, 2 * n_drawn(config))]
    assert len(trained) == 1 and rows[0]["forward"] == first[0]["forward"]          # the first length was kept
    errors = iter((.2, .15, .149, .1))
    monkeypatch.setattr(comparison, "compared", lambda *a: ([dict(forward_placed=next(errors))], {}))
    assert [r["times"] for r in ask(16)] == [1, 2, 4]
    errors = iter((.15, .149))
    assert [r["times"] for r in comparison.until_flat(people, config, method="imm", least=4)] == [4, 8]

def test_a_comparison_takes_what_was_chosen_on_its_own_set(tmp_path):
    config = sweep_profile("smoke")
    rows = [dict(of="imm", rate=r, times=t, forward_placed=e) for r, t, e in ((1e-3, 1, .1), (1e-3, 2, .08), (1e-3, 4, .079), (1e-4, 1, .2))]
    pd.DataFrame(rows).to_csv(tmp_path/"tune_baselines_faces_cfp.csv")
    (tmp_path/"tune_baselines_faces_cfp.json").write_text('{"parameters": {"profile": "smoke"}}')
    tuned = comparison.chosen_on(tmp_path, "faces_cfp", config, "smoke")
    ours, imm = comparison.side_by_side("ours,imm", "10", "0,1", tuned)
    assert not ours.changes and imm.given["lr"] == 1e-3 and n_drawn(change(config, imm.changes)) == 2 * n_drawn(config)
    assert imm.changes["data.size"] == config.data.size                              # a table of before: all had one size
    pd.DataFrame(rows).assign(size=96).to_csv(tmp_path/"tune_baselines_faces_cfp.csv")
    assert comparison.chosen_on(tmp_path, "faces_cfp", config, "smoke")["imm"][0]["data.size"] == 96
    assert not comparison.chosen_on(tmp_path, "heads", config, "smoke") and not comparison.chosen_on(tmp_path, "faces_cfp", config, "cpu")

@pytest.mark.parametrize("wrong, message", [
    (lambda: comparison.contestants("ours,vgg", "10"), "no method 'vgg' to compare; there are ours, stages, pairs, imm"),
    (lambda: comparison.contestants("imm", "ten"), "whole numbers between commas are wanted"),
    (lambda: pictures("celeba", "smoke", root="/nowhere"), "there is no folder .*nowhere/?.*; get the set from")])
def test_a_wrong_name_is_one_clear_line(wrong, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message): wrong()
