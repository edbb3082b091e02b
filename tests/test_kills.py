"A discovery that is killed at any moment ends, when it is started again, as one that was never killed."
import os, subprocess, sys, time
from pathlib import Path
import numpy as np, pytest
from lmdisc.store.files import load_state
from conftest import BRIEF, assert_same, outcome, small_config, small_heads

KILLS = int(os.environ.get("LMDISC_KILLS", 3))      # `make soak` asks for more
FILES = (0, 5, 14) if "LMDISC_KILLS" in os.environ else (5,) # of those that a discovery writes, in their order

def in_trouble(kind, nth):
    "From the `nth` file on: a checkpoint of which one half is written (and then nothing happens), or a disk that is full for three files."
    from safetensors import SafetensorError
    from lmdisc.store import files
    write, count = files.save_file, iter(range(1000))
    def save(tensors, path, metadata):
        write(tensors, path, metadata)
        if (n := next(count)) < nth or kind == "full" and n >= nth + 3: return
        os.truncate(path, path.stat().st_size // 2)
        if kind == "full": raise SafetensorError("I/O error: No space left on device (os error 28)")
        time.sleep(60)
    files.save_file = save

def work(runs, out, kind=None, nth=0):
    "A discovery with a checkpoint after every step."
    import torch
    from lmdisc.discovery import discover
    from lmdisc.store.files import save_state
    torch.set_num_threads(1)
    sys.stderr = open(os.devnull, "w")
    if kind: in_trouble(kind, nth)
    images = small_heads().take([*range(12), *range(24, 30)])
    save_state(Path(out), *outcome(discover(images, small_config(**BRIEF), runs)))

def started(server, at, *trouble):
    child = server.Process(target=work, args=[str(at/"runs"), str(at/"out.safetensors"), *trouble])
    child.start()
    return child

@pytest.fixture(scope="module")
def whole(server, heads_set, tmp_path_factory):
    "One that is never killed, and how long it takes."
    at, begun = tmp_path_factory.mktemp("whole"), time.time()
    started(server, at).join(300)
    return load_state(at/"out.safetensors"), time.time() - begun

def files_being_written(at): return [p.name for p in at.rglob("*.tmp")]

def goes_on(server, at, expected):
    "Started again, it ends as if nothing had been, and nothing half-written stays."
    again = started(server, at)
    again.join(300)
    assert again.exitcode == 0
    assert_same(load_state(at/"out.safetensors"), expected)
    assert not files_being_written(at/"runs")

@pytest.mark.parametrize("kill", range(KILLS))
def test_killed_at_any_moment(server, whole, tmp_path, kill):
    "One moment in each part of the time, so that all phases are met."
    expected, seconds = whole
    child = started(server, tmp_path)
    child.join((kill + np.random.default_rng(kill).random()) / KILLS * seconds)
    child.kill()
    child.join()
    goes_on(server, tmp_path, expected)

def stuck(at):
    "Files that have been half-written for a while."
    before = set(files_being_written(at))
    time.sleep(.3)
    return before & set(files_being_written(at))

@pytest.mark.parametrize("nth", FILES)
def test_killed_while_a_file_is_written(server, whole, tmp_path, nth):
    child = started(server, tmp_path, "half", nth)
    while not stuck(tmp_path): pass
    child.kill()
    child.join()
    assert len(files_being_written(tmp_path/"runs")) == 1
    goes_on(server, tmp_path, whole[0])

@pytest.mark.parametrize("nth", FILES)
def test_the_disk_is_full_for_a_while(server, whole, tmp_path, nth):
    child = started(server, tmp_path, "full", nth)
    child.join(300)
    assert child.exitcode == 1 and not files_being_written(tmp_path)
    goes_on(server, tmp_path, whole[0])

def test_two_at_once_in_one_folder(server, whole, tmp_path):
    "The second waits for what the first makes, and finds it."
    both = [started(server, tmp_path) for _ in range(2)]
    for child in both: child.join(300)
    assert [child.exitcode for child in both] == [0, 0]
    assert_same(load_state(tmp_path/"out.safetensors"), whole[0])
    assert not files_being_written(tmp_path/"runs")

def test_the_first_of_two_dies(server, whole, tmp_path):
    "The second, which waited, goes on where the first stopped."
    first = started(server, tmp_path)
    first.join(whole[1] / 2)
    second = started(server, tmp_path)
    time.sleep(.3)
    first.kill()
    second.join(300)
    assert second.exitcode == 0
    assert_same(load_state(tmp_path/"out.safetensors"), whole[0])

SMALL_DISK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from subprocess import check_call
from test_kills import work
runs, out = Path(sys.argv[2]), Path(sys.argv[3])
runs.mkdir()
check_call(["mount", "-t", "tmpfs", "-o", "size=300k", "none", runs])
try: work(runs, out)
except OSError as e: print(e)
check_call(["mount", "-o", "remount,size=64m", runs])
work(runs, out)
"""

@pytest.mark.skipif("LMDISC_KILLS" not in os.environ, reason="runs in make soak: it mounts a small disk")
def test_a_disk_that_is_really_full(whole, tmp_path):
    "A disk of 300 kB, which grows later; in a namespace of its own, so that no rights are needed where the system allows that."
    inside = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*inside, "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True).returncode: pytest.skip("no disk can be mounted here")
    told = subprocess.run([*inside, sys.executable, "-c", SMALL_DISK, Path(__file__).parent, tmp_path/"runs", tmp_path/"out.safetensors"],
                          capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stderr
    assert "free some space" in told.stdout, told.stdout
    assert_same(load_state(tmp_path/"out.safetensors"), whole[0])
