"What a notebook cannot show: the package builds, and its parts are in step."
import configparser, json, re, shutil, subprocess, sys, venv
from pathlib import Path
import pytest

try: import tomllib
except ModuleNotFoundError: import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = configparser.ConfigParser(interpolation=None)
SETTINGS.read(ROOT/"settings.ini")
SETTINGS, PROJECT = SETTINGS["DEFAULT"], tomllib.loads((ROOT/"pyproject.toml").read_text())

def run(*command, **kwargs): return subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)

def tracked():
    "The files git knows."
    if not (ROOT/".git").exists() or not shutil.which("git"): pytest.skip("not a git checkout")
    return [ROOT/f for f in run("git", "-C", ROOT, "ls-files", "-z").stdout.split("\0") if f and (ROOT/f).is_file()]

# metadata

def test_settings_and_pyproject_are_in_step():
    project, nbdev = PROJECT["project"], PROJECT["tool"]["nbdev"]
    assert project["name"] == SETTINGS["lib_name"]
    assert project["description"] == SETTINGS["description"]
    assert project["keywords"] == SETTINGS["keywords"].split()
    assert project["authors"] == [{"name": SETTINGS["author"]}] and not SETTINGS["author_email"]
    assert project["requires-python"] == f">={SETTINGS['min_python']}"
    assert (project["license"], SETTINGS["license"]) == ("Apache-2.0", "apache2")
    assert project["entry-points"]["nbdev"] == {SETTINGS["lib_name"]: f"{SETTINGS['lib_name']}._modidx:d"}
    for key, value in nbdev.items():
        assert SETTINGS[key] == (" ".join(value) if isinstance(value, list) else str(value).title() if isinstance(value, bool) else value), key

def test_one_version():
    import lmdisc
    cff = re.search(r"^version: (\S+)", (ROOT/"CITATION.cff").read_text(), re.M)[1]
    assert lmdisc.__version__ == SETTINGS["version"] == cff
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "lmdisc.__version__"}

def test_every_dependency_has_an_exact_version():
    exact = {re.split("==", l)[0].lower() for l in (ROOT/"constraints.txt").read_text().splitlines() if "==" in l}
    wanted = PROJECT["project"]["dependencies"] + sum(PROJECT["project"]["optional-dependencies"].values(), [])
    assert not {re.match(r"[\w-]+", w)[0].lower() for w in wanted} - exact

# building

@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    "The tracked files, somewhere else."
    to = tmp_path_factory.mktemp("copy")
    for f in tracked():
        (to/f.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(f, to/f.relative_to(ROOT))
    return to

def test_the_wheel_works_outside_the_checkout(copy, tmp_path):
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, copy)
    assert built.returncode == 0, built.stderr
    wheel, = tmp_path.glob("lmdisc-*.whl")
    env = tmp_path/"env"
    venv.create(env, system_site_packages=False, symlinks=True, with_pip=False)
    here = run(env/"bin"/"python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", here, wheel, check=True)
    # the dependencies are those already installed here; lmdisc itself must not be
    others = [p for p in sys.path if p.endswith("site-packages")]
    (Path(here)/"others.pth").write_text("\n".join(others))
    modules = sorted(".".join(f.relative_to(copy).with_suffix("").parts) for f in (copy/"lmdisc").glob("**/*.py"))
    code = f"import importlib, lmdisc; print(lmdisc.__file__); [importlib.import_module(m.removesuffix('.__init__')) for m in {modules}]"
    done = run(env/"bin"/"python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(here)
    assert set(PROJECT["project"]["scripts"]) == {"lmdisc"} and (Path(here)/"bin"/"lmdisc").exists()

def test_modules_are_what_their_notebooks_export(copy):
    before = {f.relative_to(copy): f.read_text() for f in (copy/"lmdisc").glob("**/*.py")}
    assert run(Path(sys.executable).parent/"nbdev_export", cwd=copy).returncode == 0
    after = {f.relative_to(copy): f.read_text() for f in (copy/"lmdisc").glob("**/*.py")}
    assert not [str(f) for f in before.keys() | after.keys() if before.get(f) != after.get(f)]

# what is committed

def test_every_figure_says_how_it_was_made():
    figures = [f for f in tracked() if f.parent == ROOT/"figures" and f.suffix != ".json"]
    assert not [f.name for f in figures if not f.with_suffix(".json").exists()]
    assert not [f.name for f in figures if f.suffix == ".png" and f.stat().st_size > 800_000]
    for f in figures: assert {"notebook", "seed", "commit", "versions"} <= json.loads(f.with_suffix(".json").read_text()).keys(), f.name

def test_no_path_of_a_machine_is_committed():
    path = re.compile(rb"(?:^|[\s\"'(=:\[])(/(?:home|Users|root|work|mnt|tmp)/[\w.-]+|[A-Z]:\\\\Users)", re.M)
    assert not {str(f.relative_to(ROOT)): m[1] for f in tracked() if (m := path.search(f.read_bytes()))}
