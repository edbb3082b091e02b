"The deviation ledger: complete, and every switch in it real."
import inspect, json
from importlib import import_module
from operator import attrgetter
from pathlib import Path
import numpy as np, pytest, torch
from lmdisc.clustering import limits
from lmdisc.discovery import PROFILES, Config, change, find_correspondence, initial_clusters, initial_keypoints, split_crops
from lmdisc.heatmaps import decode, draw_channels
from lmdisc.landmarks import landmark_loss
from lmdisc.networks import CorrespondenceNet, landmark_net
from lmdisc.sweep import RELEASED_CODE, as_in_paper
from conftest import small_config

NOTEBOOK = Path(__file__).resolve().parents[1]/"nbs"/"deviations.ipynb"
DISAGREEMENTS = {  # of paper and released code
    "descriptors of the initial keypoints", "where K-means starts", "distance filter", "heatmap target of stage 1", "heatmap target of stage 2",
    "hinge of the contrastive loss", "learning rate", "decoder: fraction of a cell", "decoder: column 0", "normaliser of MAFL", "CED"}

def said(name):
    "What the notebook's cell that starts with `name` defines."
    cells = ["".join(c["source"]) for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    scope = {}
    exec(next(c for c in cells if c.startswith(f"{name} = ")), scope)
    return scope

LEDGER, DEPARTURES = RELEASED_CODE, said("departures")["departures"]
by_name = {row["name"]: row for row in LEDGER}
stage1 = [row["name"] for row in LEDGER if row["acts"] in ("start", "rounds")]

def test_every_disagreement_has_a_row():
    assert set(by_name) == DISAGREEMENTS and len(LEDGER) == len(DISAGREEMENTS)

def exists(path):
    "Is it a choice of `Config`, a function, or a parameter of one?"
    if not path.startswith("lmdisc."): return change(Config(), {path: attrgetter(path)(Config())}) == Config()
    parts = path.split(".")
    module = next(i for i in range(len(parts) - 1, 0, -1) if import_found(".".join(parts[:i])))
    function = getattr(import_module(".".join(parts[:module])), parts[module])
    return parts[module + 1:] == [] or parts[module + 1] in inspect.signature(function).parameters

def import_found(name):
    try: import_module(name)
    except ModuleNotFoundError: return False
    return True

@pytest.mark.parametrize("path", sorted({p for row in LEDGER for p in row["switch"]} | {p for row in DEPARTURES for p in row["paths"]}))
def test_the_switch_exists(path): assert exists(path)

def test_the_default_is_never_what_the_released_code_does():
    for row in LEDGER:
        for path, released in row["switch"].items():
            if not path.startswith("lmdisc."): assert attrgetter(path)(Config()) != released, path

def test_every_departure_of_a_profile_has_a_row():
    told = {p for row in DEPARTURES for p in row["paths"]} | set(said("departures")["budget"])
    assert {p for choices in PROFILES.values() for p in choices} <= told

@pytest.fixture(scope="module")
def start(heads_set):
    "What stage 1 starts from, and what one round makes of it, by choices."
    def run(choices):
        config = change(small_config(), {"stage1.warmup_steps": 2, "stage1.round_steps": 3, "stage1.rounds": 1} | choices)
        train, _ = split_crops(heads_set, config)
        initial, _ = initial_clusters(initial_keypoints(train, config), config)
        return find_correspondence(train, None, initial, config, None)
    return run

@pytest.fixture(scope="module")
def plain(start): return start({})

@pytest.mark.parametrize("name", [n for n in stage1 if n != "distance filter"])
def test_the_switch_changes_stage_1(name, start):
    switch = by_name[name]["switch"]
    paper, released = start(as_in_paper(*switch)), start(switch)
    assert not torch.equal(paper[2], released[2]) or paper[3] != released[3]

def test_the_distance_filter_reads_the_first_points_only():
    distances = torch.rand(12_000, 3, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(limits(distances), limits(distances, first=by_name["distance filter"]["switch"]["stage1.filter_first"]))

def test_the_filter_option_reaches_the_filter(start, plain):
    assert len(start({"stage1.filter_first": 40})[1][-1]) != len(plain[1][-1])

def test_the_switch_changes_the_targets_of_stage_2(heads_set):
    config = small_config()
    train, _ = split_crops(heads_set, config)
    places = torch.rand(len(train), 4, 2, generator=torch.Generator().manual_seed(0)) * config.size
    torch.manual_seed(0)
    psi = landmark_net(CorrespondenceNet(config.net), 4).eval()
    loss = lambda c: landmark_loss(c.stage2, train, places, c.augment)(psi, torch.Generator().manual_seed(0))["detector"].item()
    assert loss(config) != loss(change(config, by_name["heatmap target of stage 2"]["switch"]))

@pytest.mark.parametrize("name", ["decoder: fraction of a cell", "decoder: column 0"])
def test_the_switch_changes_decoding(name):
    maps = draw_channels(torch.tensor([[[0., 3.], [5.3, 4.2]]]), (12, 12))
    choices = {path.split(".")[1]: v for path, v in by_name[name]["switch"].items()}
    assert not torch.equal(decode(maps)[0], decode(maps, **choices)[0])

def test_the_lower_lids_are_nearer_to_each_other():
    from lmdisc.datasets.packed import normaliser_of
    eyes = by_name["normaliser of MAFL"]["switch"]["lmdisc.datasets.packed.packed.eyes"]
    face = np.zeros((1, 68, 2)); face[0, 36:48, 0] = [0, 1, 2, 3, 2, 1, 6, 7, 8, 9, 8, 7]
    assert normaliser_of(face, np.zeros((1, 4))) == 9 and normaliser_of(face, np.zeros((1, 4)), eyes) == 7
