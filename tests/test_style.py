"The habits of the house, over all modules and notebooks."
import ast, inspect, json, re, statistics, subprocess, sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT/"nbs").rglob("*.ipynb"))
ROOMS = [p for p in NOTEBOOKS if p.parent.name != "nbs" or p.name[0].isdigit()]
EXPERIMENTS = [p for p in NOTEBOOKS if p not in ROOMS and p.stem not in ("index", "results")]
MODULES = [p for p in sorted((ROOT/"lmdisc").rglob("*.py")) if p.name != "_modidx.py"]

def code(notebook):
    return ["".join(c["source"]) for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code"]

def first_cell(notebook): return "".join(json.loads(notebook.read_text())["cells"][0]["source"])

def lines():
    "(where, line) of all code that is read: modules, and experiments."
    written = [(p, p.read_text()) for p in MODULES] + [(p, source) for p in EXPERIMENTS for source in code(p)]
    return [(str(p.relative_to(ROOT)), line) for p, text in written for line in text.splitlines()]

def test_no_line_is_too_long():
    assert not [f"{where}: {line[:60]}..." for where, line in lines() if len(line) > 140]

def test_few_lines_are_long():
    every = lines()
    assert sum(len(line) > 120 for _, line in every) <= .06 * len(every)

SIGNATURE = re.compile(r"^(def|class) \w+\($|^\):|^ +\*{0,2}[\w, ]+(: [\w\[\], .|]+)?( ?= ?[^#]+)?,? +# |^ *\"[^\"]*\"$")

def body_of(cell):
    "The lines of an exported cell, but for its directive, docments of parameters and one-line docstrings."
    return [line for line in cell.splitlines()[1:] if line.strip() and not SIGNATURE.match(line)]

def test_exported_cells_are_short():
    assert statistics.median(len(body_of(c)) for p in ROOMS for c in code(p) if c.startswith("#| export")) <= 8

SURFACE = {                           # what users call, by module
    "store.processes": "broadcast map_batches local_rows",
    "store.files": "save_state load_state",
    "store.spill": "collect_rows select_rows",
    "store.provenance": "provenance save_table save_record",
    "store.runs": "run_of",
    "data.images": "cut_all crops_of read_picture to_cells to_pixels boxed in_picture",
    "data.points": "places_of",
    "nets.heatmaps": "draw_gaussians draw_channels peaks decode sample",
    "nets.losses": "heatmap_loss hinge contrastive_loss softmax_loss",
    "nets.detectors": "open_detector",
    "nets.networks": "landmark_net keep_channels",
    "nets.training": "learning_rate",
    "datasets.folder": "folder",
    "datasets.rendered.heads": "heads",
    "datasets.rendered.bodies": "bodies",
    "datasets.rendered.recombined": "recombined",
    "datasets.rendered.scenes": "scenes",
    "datasets": "open",
    "datasets.given": "given",
    "scores.completion": "complete",
    "scores.errors": "forward_errors backward_errors mean_shape_errors evaluate score",
    "scores.curves": "ced area cumulative_landmark_error",
    "scores.visibility": "nearest_annotated visibility_auc",
    "scores.clusters": "cluster_agreement detection_scores neighbour_purity silhouette",
    "method.detection": "detect_keypoints describe_keypoints remove_outliers mixture",
    "method.clustering": "kmeans mean_descriptors squared_distances assign limits label_keypoints cluster",
    "method.chains": "similar_pictures links chain",
    "method.cameras": "projected pose triangulate adjust angles",
    "method.shape": "fit_shape refitted problems in_sight facing",
    "method.stage1": "trusted identities detect_and_describe cluster_keypoints next_labels recover_correspondence",
    "method.merging": "overlaps absorbers",
    "method.detector": "detect LandmarkDetector.predict",
    "method.stage2": "absorb landmark_loss learn_landmarks",
    "draw.saving": "save_figure",
    "draw.pictures": "show_points plot_yaw_strip plot_followed",
    "config": "change restored profile",
    "discovery": "described cluster_scores correspondence_scores generic_keypoints discover scored",
    "use.chosen": "rename keep drop same learned_points folder_of load ChosenLandmarks.predict",
    "use.reliability": "prediction_errors repeatability best_landmarks cycle_consistency reliability best_run",
    "use.finding": "learn_finder found_boxes Finder.boxes",
    "use.symmetry": "mirror_distances symmetry",
    "use.estimator": "LandmarkDiscovery.fit LandmarkDiscovery.predict LandmarkDiscovery.transform",
    "explore.display": "thumbnail sheet",
    "explore.report": "report",
    "explore.exploration": "explored_parts explored",
    "explore.explorer": "Controls Explorer",
    "export.formats": "optional_package export_csv export_coco export_dlc export_dlc_predictions export_sleap export_movement export_nwb "
                      "export_labelstudio export_yolo export_fiftyone",
    "export.onnx": "export_onnx",
    "export.video": "frames write_video smoothed track_video",
    "lab.baselines": "learn",
    "lab.protocols": "sweep_profile pictures as_in_paper listed caption",
    "lab.agreement": "reliabilities resampled correlations",
    "lab.claims": "seed_interval judged_values judged_best by_form gate_result not_learned read_tables judge causes",
    "lab.plots": "plot_ceds plot_methods plot_by_yaw plot_scale plot_metric plot_effects plot_agreement plot_planes plot_beside",
    "lab.experiment": "crossed measured as_table Experiment.run Experiment.summary Experiment.note drawings",
    "lab.boxes": "boxes_row by_boxes",
    "lab.shipping": "make_heads carried_over",
    "lab.speed": "watch_discovery discovery_cost curve exponents training_speed matmul_speed prediction_speed eight_bits"}

@pytest.mark.parametrize("module", SURFACE)
def test_what_users_call_is_typed(module):
    for name in SURFACE[module].split():
        function = attrgetter(name)(import_module(f"lmdisc.{module}"))
        told = inspect.signature(function)
        bare = [p.name for p in told.parameters.values()
                if p.annotation is p.empty and p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        assert not bare and told.return_annotation is not told.empty, f"{module}.{name}: {bare}"

def test_names_are_imported_by_name():
    stars = re.compile(r"^from (\.|lmdisc).* import \*", re.M)
    private = re.compile(r"^ *from (?:\.|lmdisc)\S* import .*\b_(?!_)\w+|^ *from (?:\.\w*|lmdisc\S*)\._\w+ import", re.M)
    written = [(p, p.read_text()) for p in MODULES] + [(p, "\n".join(code(p))) for p in NOTEBOOKS]
    assert not [f"{p.relative_to(ROOT)}: {m[0]}" for p, text in written for m in (*stars.finditer(text), *private.finditer(text))]

@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_first_cell_says_what_it_is_for(notebook):
    assert re.match(r"# .+\n\n> .+", first_cell(notebook)), first_cell(notebook)[:80]

@pytest.mark.parametrize("notebook", [p for p in EXPERIMENTS if p.stem != "benchmarks"], ids=lambda p: p.stem)
def test_an_experiment_is_prose_arms_and_figures(notebook):
    "It defines no function, and ends with what was found in plain words."
    assert not [c for c in code(notebook) if re.search(r"^\s*(def|class) ", c, re.M)]
    cells = json.loads(notebook.read_text())["cells"]
    assert any("In plain words" in "".join(c["source"]) for c in cells)

@pytest.mark.parametrize("notebook", [p for p in EXPERIMENTS if p.stem.split("_")[0] in ("ablation", "table", "figure", "error")], ids=lambda p: p.stem)
def test_what_the_paper_found_stands_beside_it(notebook):
    "In words; and where the paper gives numbers, drawn in a panel of their own."
    text = "".join("".join(c["source"]) for c in json.loads(notebook.read_text())["cells"])
    assert "## Beside the paper" in text and ("plot_beside(" in text or re.search("no numbers|without numbers|not at hand|no curve", text))

# what differs on Windows and macOS

def calls(path):
    "(line, name, call) of everything that a module calls."
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call): yield node.lineno, getattr(node.func, "attr", getattr(node.func, "id", "")), node

def test_text_is_read_and_written_as_utf8():
    "Windows would take its own encoding: our modules, and names in other people's files, would be misread."
    def bare(name, call, own_open):
        text = name in ("read_text", "write_text") or name == "open" and isinstance(call.func, ast.Name) and not own_open
        binary = any("b" in str(getattr(a, "value", "")) for a in call.args[1:2])
        return text and not binary and not any(k.arg == "encoding" for k in call.keywords)
    found = [(p, *c) for p in MODULES for c in calls(p)]
    assert not [f"{p.relative_to(ROOT)}:{line}" for p, line, name, call in found
                if bare(name, call, p.parent.name == "datasets" and p.stem == "__init__")]

def test_nothing_is_asked_of_linux_alone():
    "Imports that Windows lacks, and processes that are forked."
    text = "\n".join(p.read_text(encoding="utf-8") for p in MODULES)
    assert not re.findall(r"^ *(?:import|from) .*\b(?:fcntl|resource|pwd|grp|termios|multiprocessing)\b.*|os\.(?:fork|kill|uname|statvfs)\(.*", text, re.M)

def test_one_cache_one_engine_one_ledger():
    text = {p: p.read_text() for p in MODULES}
    found = lambda pattern: sorted({p.stem for p, t in text.items() if re.search(pattern, t, re.M)})
    assert found(r"^def run_of\(") == ["runs"]
    assert found(r"^class Experiment") == ["experiment"]
    assert found(r"^RELEASED_CODE = ") == ["released"]
    assert [p.stem for p in NOTEBOOKS if "deviations" in p.stem] == ["deviations"]
    assert not found(r"def (remember|run_folder|points_of)\(")

def test_tests_pass_ruff():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "tests"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
