"A method beside others on every published layout, and a comparison that goes on where it stopped."
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
import matplotlib.pyplot as plt, numpy as np, pandas as pd, pytest, torch
from PIL import Image
from lmdisc.config import change, profile
from lmdisc.lab import comparison, plots
from lmdisc.lab.baselines import common
from lmdisc.lab.baselines.common import baseline_config, n_drawn
from lmdisc.lab.experiment import fewer_seeds, perform
from lmdisc.lab.gate import at_budget, gated
from lmdisc.lab.protocols import PAPER_FORM, pictures, sweep_profile
from lmdisc.lab.tables import for_reading
from lmdisc.store.runs import Run, load_results
from test_datasets import WRITE

ROOT = Path(__file__).resolve().parents[1]

@pytest.mark.parametrize("name", WRITE)
def test_table_faces_on_every_published_layout(name, tmp_path):
    "All methods on the first set, but for one that differs from another by an option and one that learns nothing from so few pictures; on the others, which differ in their files alone, the two that read landmarks from opposite ends."
    methods = ",".join(m for m in comparison.METHODS if m not in ("pairs", "paper")) if name == "celeba" else "ours,supervised"
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

def test_figure_3_is_drawn_on_the_papers_own_set(tmp_path):
    "LS3D, where the yaw of a face is that of its 68 points."
    WRITE["ls3d"](tmp_path/"set")
    perform(ROOT/"nbs"/"figure_pose.ipynb", dict(dataset="ls3d", root=str(tmp_path/"set"), methods="supervised", out_dir=str(tmp_path)))
    (_, yaws), *_ = load_results(tmp_path/"runs"/"figure_pose_ls3d.json")
    yaw = yaws.tensors["yaw"].numpy()
    assert (tmp_path/"figure_pose_ls3d.png").exists() and np.isfinite(yaw).all() and (np.diff(yaw) >= 0).all()

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

@pytest.mark.parametrize("method", ["zhang", "adapted", "supervised"])
def test_a_method_is_trained_once_whatever_it_predicts(method, heads_set, tmp_path, monkeypatch):
    config, test = sweep_profile("smoke"), comparison.split_crops(heads_set, sweep_profile("smoke"))[1]
    first = comparison.method_points(method, 5, heads_set, config, tmp_path)
    monkeypatch.setattr(common.Trainer, "one_step", lambda *a: pytest.fail("trained again"))
    further = comparison.method_points(method, 5, heads_set, config, tmp_path, more={"again": test})
    assert (further.tensors["again"] == first.tensors["test"]).all() and set(first.about["parts"]) < set(further.about["parts"])

def test_the_scores_of_test_pictures_are_kept(heads_set):
    config = sweep_profile("smoke")
    run = comparison.method_points("supervised", None, heads_set, config)
    assert run.tensors["test_score"].shape == run.tensors["test"].shape[:2] and len(run.tensors["test_score"].unique()) > 1
    (row,), _ = comparison.compared(heads_set, config, method="zhang", K=5)
    assert np.isnan(row["visibility_auc"]) or row["visibility_auc"] == .5    # it gives every point the same score

@pytest.mark.parametrize("method, shape, gaps", [("stages", False, 2), ("pairs", False, 2), ("ours", True, 0), ("ours", False, 2), ("imm", True, 0), ("supervised", True, 0)])
def test_the_papers_protocol_misses_what_a_discovery_without_a_shape_calls_hidden(method, shape, gaps):
    "Without one that was found, not one that was asked for."
    points = {"test": torch.ones(2, 3, 2), "test_score": torch.tensor([[.9, .1, .9], [.2, .8, .9]])}
    scored = comparison.with_gaps(method, profile("cpu"), Run([{"gaps": not shape}], points), "test")
    assert np.isnan(scored).any(-1).sum() == gaps

def test_a_discovery_that_finds_no_shape_has_gaps(heads_set, monkeypatch):
    found = lambda shape: SimpleNamespace(detector=SimpleNamespace(shape=shape, predict=lambda crops: (np.ones((len(crops), 3, 2)), np.ones((len(crops), 3)))))
    for shape, gaps in ((None, True), ("one", False)):
        monkeypatch.setattr(comparison, "discover", lambda *given: found(shape))
        assert comparison.method_points("ours", None, heads_set, sweep_profile("smoke")).rows == [{"gaps": gaps}]

def test_rates_are_chosen_without_the_test_pictures(heads_set):
    chosen = comparison.validation(heads_set)
    people = {part: set(chosen.split(part).fields["identity"]) for part in ("train", "test")}
    assert not people["train"] & people["test"] and len(chosen) == len(heads_set.split("train"))
    assert not (people["train"] | people["test"]) & set(heads_set.split("test").fields["identity"])
    assert chosen.data_hash not in (heads_set.data_hash, heads_set.split("train").data_hash)

def test_a_text_column_is_read(heads_set):
    table = pd.DataFrame([dict(method="ours", seed=s, K=9, forward=.1 + s / 100, trunk="hourglass", pictures_drawn=240) for s in (0, 1)])
    assert for_reading(table)["measured here"].loc["ours"].to_dict() == {"K": "9, 9", "forward": "10.5 ± 0.7"}
    assert for_reading(table.assign(size=96))["measured here"].loc["ours"].to_dict() == {"K": "9, 9", "size": "96 px", "forward": "10.5 ± 0.7"}

def test_the_gate_lets_through_what_labels_learn():
    config = sweep_profile("smoke")
    rows = [dict(form="ours", trunk=config.net.trunk, seed=s, pictures_drawn=n_drawn(config) * i, direct=e, mean_shape=.2) for s in (0, 1) for i, e in ((1, .05), (2, .045), (4, .044))]
    at = at_budget(gated(pd.DataFrame(rows)), n_drawn(config), config.net.trunk)
    assert at.direct_twice.tolist() == [.045, .045] and at.passes.all()
    assert not gated(pd.DataFrame(rows).assign(mean_shape=.09)).passes[0]    # worse than half of the mean shape

def test_the_bound_of_a_form_has_its_own_backbone_loss_and_optimiser(heads_set, monkeypatch):
    config, asked = change(sweep_profile("smoke"), PAPER_FORM), []
    points = comparison.method_points
    monkeypatch.setattr(comparison, "method_points", lambda *a: asked.append(a) or points(*a))
    (row,) = comparison.taught(heads_set, config, drawn=8, own=True)
    _, _, _, trained, _, rate = asked[0]
    how = baseline_config(trained, 10, rate)
    assert (how.net.trunk, how.learning, how.emphasis) == ("hourglass", config.learning1, config.stage1.emphasis) and np.isfinite(row["direct"])
    assert how.learning.optimizer == "rmsprop" and how.emphasis == 0 and n_drawn(trained) == 8
    assert baseline_config(sweep_profile("smoke"), 10).emphasis == 10

def test_training_goes_on_until_it_is_flat_and_a_stopped_length_costs_no_other(tmp_path, monkeypatch):
    "Every rate at the first length, the best at longer ones."
    def at_length(images, config, runs=None, times=1, lr=None, **given):
        if lr == 1e-3 and times == 8: raise FloatingPointError("the loss is no number")
        error = (.2 if lr == 1e-4 else .1) / times if lr else .1
        return [dict(forward=error, backward=error, forward_placed=error, pictures_drawn=times)]
    at_length.__module__ = comparison.__name__
    monkeypatch.setattr(comparison, "at_length", at_length)
    perform(ROOT/"nbs"/"tune_baselines.ipynb", dict(grid="imm: 1e-4,1e-3; zhang: 1e-4; pairs:", most=8, least=2, out_dir=str(tmp_path)))
    table = pd.read_csv(tmp_path/"tune_baselines.csv")
    tried = lambda m: table[table.of == m][["rate", "times"]].values.tolist()
    assert tried("imm") == [[1e-4, 2], [1e-3, 2], [1e-3, 4], [1e-3, 8]] and tried("zhang") == [[1e-4, 2], [1e-4, 4], [1e-4, 8]]
    assert table[table.of == "imm"].stopped.notna().tolist() == [False, False, False, True]
    assert table[table.stopped.isna()].forward_placed.notna().all()                  # the shorter lengths are there
    assert table[table.of == "pairs"].times.tolist() == [1, 2]                       # flat

def test_a_longer_training_draws_so_many_more_pictures_and_is_kept(heads_set, tmp_path, monkeypatch):
    people, config = comparison.validation(heads_set), sweep_profile("smoke")
    ask = lambda times: comparison.at_length(people, config, tmp_path, times, method="supervised", lr=1e-3)[0][0]
    first, second = ask(1), ask(2)
    assert [first["pictures_drawn"], second["pictures_drawn"]] == [n_drawn(config), 2 * n_drawn(config)]
    monkeypatch.setattr(comparison, "detector_of", lambda *a: pytest.fail("trained again"))
    assert ask(1)["forward"] == first["forward"] and ask(2)["forward"] == second["forward"]

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

def test_rates_and_steps_of_ours_are_chosen_by_the_same_rule(tmp_path):
    "Of a grid around its own rate, in both stages alike; where its own is best and flat, nothing changes."
    config, figure = sweep_profile("smoke"), tmp_path/"tune_baselines.csv"
    (tmp_path/"tune_baselines.json").write_text('{"parameters": {"profile": "smoke"}}')
    own = config.learning1.lr
    def chosen(*tried):
        rows = [dict(of="ours", rate=rate, times=times, size=config.data.size, forward_placed=e) for rate, times, e in tried]
        pd.DataFrame(rows).to_csv(figure)
        (ours,) = comparison.side_by_side("ours", "10", "0", comparison.chosen_on(tmp_path, "heads", config, "smoke"))
        return change(config, ours.changes)
    assert chosen((own / 3, 1, .06), (own, 1, .05), (3 * own, 1, .07), (own, 2, .0499)) == config
    better = chosen((own / 3, 1, .04), (own, 1, .05), (3 * own, 1, .07), (own / 3, 2, .03), (own / 3, 4, .0299))
    assert np.isclose([better.learning1.lr, better.learning2.lr], [own / 3, config.learning2.lr / 3]).all()
    assert n_drawn(better) == 2 * n_drawn(config)

@pytest.mark.parametrize("wrong, message", [
    (lambda: comparison.contestants("ours,vgg", "10"), "no method 'vgg' to compare; there are ours, paper, stages, pairs, imm"),
    (lambda: comparison.contestants("imm", "ten"), "whole numbers between commas are wanted"),
    (lambda: pictures("celeba", "smoke", root="/nowhere"), "there is no folder .*nowhere/?.*; get the set from")])
def test_a_wrong_name_is_one_clear_line(wrong, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message): wrong()

@pytest.fixture
def drawn(tmp_path, monkeypatch):
    "What a notebook draws of a method that finds two points in the middle of each picture; IMM learned from smaller crops than ours."
    side, shown = sweep_profile("smoke").data.size, {}
    def in_the_middle(method, K, images, config, *args, more=()):
        n = [len(more[part]) for part in more] or [len(images.split("test"))]
        xy = torch.full((n[0], 2, 2), config.data.size / 2 - .5)
        rows = [dict(gaps=False)]
        return Run(rows, {part: v for part in (*more, "test") for part, v in ((part, xy), (f"{part}_score", torch.ones(n[0], 2)))}, {})
    monkeypatch.setattr(comparison, "method_points", in_the_middle)
    for plot in "plot_methods", "plot_spread":
        monkeypatch.setattr(plots, plot, lambda pictures, points, *a, **k: shown.update(points) or plt.figure())
    pd.DataFrame([dict(of="imm", rate=1e-3, times=1, size=side // 2, forward_placed=.1)]).to_csv(tmp_path/"tune_baselines.csv")
    (tmp_path/"tune_baselines.json").write_text('{"parameters": {"profile": "smoke"}}')
    def draw(name):
        perform(ROOT/"nbs"/f"{name}.ipynb", dict(methods="ours,imm", out_dir=str(tmp_path)))
        assert len(shown) == 2
        return shown.values()
    return draw

@pytest.mark.parametrize("name", ["figure_viewpoint", "figure_pose"])
def test_methods_with_crops_of_their_own_size_are_drawn_in_the_same_place(name, drawn):
    "Figures 1 and 3, where IMM learned from smaller crops: a point in the middle of these is drawn in the middle."
    side = sweep_profile("smoke").data.size
    for xy in drawn(name): np.testing.assert_allclose(xy, side / 2 - .5)

def test_points_found_in_smaller_crops_lie_in_the_same_place_of_the_box(drawn):
    (ours, *_), (imm, *_) = drawn("figure_spread")
    np.testing.assert_allclose(ours, imm, atol=1e-4)
    assert np.abs(ours).max() < .6 and np.ptp(ours[:, 0], axis=0).max() > .01      # near the middle of the box, whose place in the crop varies

def test_what_was_chosen_and_committed_holds_in_another_folder_too(tmp_path):
    at, committed = comparison.own_settings(tmp_path, "faces_300w", profile("cpu"), "cpu"), comparison.chosen_on(ROOT/"figures", "faces_300w", profile("cpu"), "cpu")
    for method in ("imm", "zhang"): assert at[method] == committed[method] and at[method][0]["data.size"] == 96
    assert set(comparison.own_settings(tmp_path, "heads", profile("smoke"), "smoke")) == {"paper"}

def test_a_tuning_of_one_method_leaves_what_was_committed_of_others(tmp_path):
    pd.DataFrame([dict(of="imm", rate=.5, times=1, size=96, forward_placed=.1)]).to_csv(tmp_path/"tune_baselines_faces_300w.csv")
    (tmp_path/"tune_baselines_faces_300w.json").write_text('{"parameters": {"profile": "cpu"}}')
    at, committed = (comparison.own_settings(f, "faces_300w", profile("cpu"), "cpu") for f in (tmp_path, ROOT/"figures"))
    assert at["imm"][1] == {"lr": .5} and at["zhang"] == committed["zhang"]

def test_adaptation_does_not_begin_from_the_labels_it_is_judged_by(heads_set, monkeypatch):
    "Sanchez et al. on people who sign, whose labels their core knows."
    monkeypatch.setattr(comparison, "core_set", lambda crops: heads_set)
    with pytest.raises(ValueError, match="begins from the labels of another category; these pictures have those of signing"):
        comparison.method_points("adapted", 5, heads_set, sweep_profile("smoke"))

def test_methods_that_reconstruct_pictures_take_the_steps_of_the_profile():
    "In steps of eight pictures IMM learned less from as many pictures drawn."
    config = profile("cpu")
    steps = {m: comparison.own_config(m, config).stage2.batch for m in ("ours", "imm", "zhang", "adapted", "pairs", "supervised")}
    assert [steps[m] == config.stage2.batch for m in steps] == [True] * 4 + [False] * 2
    assert len({n_drawn(comparison.own_config(m, config)) for m in steps}) == 1

def test_the_papers_own_form_is_compared_at_a_size_of_its_own(heads_set):
    (arm,) = comparison.side_by_side("paper", "10", "0", comparison.paper_arm("smoke", "heads"))
    config = change(sweep_profile("smoke"), arm.changes)
    (row,), _ = comparison.compared(heads_set, config, **arm.given)
    assert row["trunk"] == "hourglass" and np.isfinite(row["forward"]) and row["coverage"] <= 1
    for other in (sweep_profile("smoke"), profile("cpu"), change(profile("cpu"), {"net.trunk": "hourglass"})):
        with pytest.raises(ValueError, match="not of the paper's own form"): comparison.own_config("paper", other)
    larger = change(profile("cpu"), comparison.paper_arm("cpu", "faces_cfp")["paper"][0])
    assert (larger.data.size, larger.data.n_images, n_drawn(larger), larger.initial.detector) == (96, 0, 200_000, "superpoint")

def test_the_papers_own_form_takes_the_margin_of_the_set_that_is_asked_for(tmp_path, monkeypatch):
    "A folder here with the name of a published set is not meant where a root is given."
    margin = lambda root: comparison.paper_arm("cpu", "celeba", root)["paper"][0]["data.margin"]
    published = margin("")
    monkeypatch.chdir(tmp_path)
    (tmp_path/"celeba").mkdir()
    assert margin("elsewhere") == published != margin("")

def test_a_caption_names_methods_with_fewer_seeds():
    runs = [({"method": m, "seed": s}, Run([], about={"config": {}})) for m, n in (("ours", 3), ("IMM [15], K = 10", 1), ("IMM [15], K = 30", 1)) for s in range(n)]
    assert fewer_seeds(runs, [0, 1, 2]) == "IMM [15]: 1 seed" and fewer_seeds(runs, [0]) == ""

def test_a_folder_named_as_a_rendered_set_is_a_folder_in_experiments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path/"heads").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path/"heads"/"a.png")
    with pytest.raises(ValueError, match="heads cannot be scored: it needs annotated landmarks"): pictures("heads", "smoke")

def test_a_caption_names_methods_that_learned_from_other_pictures():
    def run(method, drawn, **data):
        config = change(sweep_profile("smoke"), {f"data.{name}": value for name, value in data.items()})
        return {"method": method}, Run([{"pictures_drawn": drawn}], {}, {"config": {"config": asdict(config)}})
    usual = n_drawn(sweep_profile("smoke"))
    runs = [run("ours", usual), run("IMM [15], K = 10", 960, size=96), run("IMM [15], K = 30", 960, size=96), run("Zhang 2018 [51], K = 10", 960, size=96),
            run("the paper's own form", 200_000, size=96, n_images=0), ({"method": "pictures"}, Run([{}], {}, {}))]
    said = comparison.own_sizes(runs, sweep_profile("smoke"))
    n = sweep_profile("smoke").data.n_images
    assert said == f"IMM [15], Zhang 2018 [51]: {n} pictures of 96 px, 960 drawn; the paper's own form: all pictures of 96 px, 200,000 drawn"
    assert comparison.own_sizes(runs[:1], sweep_profile("smoke")) == ""
