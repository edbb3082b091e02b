"The house keeps its order: wings and rooms, who imports whom, what a name means, and what is loaded when."
import ast, json, re, subprocess, sys
from collections import Counter
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = 18                        # rooms and wings at the top of `lmdisc`, at most

def module_of(notebook):
    "The module a notebook exports, as `#| default_exp` names it; None if it exports none."
    code = ("".join(c["source"]) for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code")
    named = re.search(r"^#\| default_exp (\S+)", "\n".join(code), re.M)
    return named and "lmdisc." + named[1].removesuffix(".__init__")

def number_of(notebook):
    "(wing, room); a module at the top level is a wing with one room."
    numbers = [int(part[:2]) for part in notebook.relative_to(ROOT/"nbs").parts if part[:2].isdigit()]
    return tuple(numbers) if len(numbers) == 2 else (*numbers, 0)

ROOMS = {module: p for p in sorted((ROOT/"nbs").rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts and (module := module_of(p))}
NUMBERS = {module: number_of(p) for module, p in ROOMS.items()}

def tree_of(module):
    "The file of a module, and its syntax tree."
    path = ROOT/module.replace(".", "/")
    path = path/"__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path, ast.parse(path.read_text())

def imported(module):
    "Modules of the package that a module imports, anywhere in it."
    path, tree = tree_of(module)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (a.name for a in node.names if a.name in ROOMS)
        if isinstance(node, ast.ImportFrom):
            base = ".".join([*package[:len(package) - node.level + 1], *([node.module] if node.module else [])]) if node.level else node.module
            for alias in node.names:
                yield from (name for name in (base, f"{base}.{alias.name}") if name in ROOMS)

def test_every_number_is_given_once():
    assert not {number for number, n in Counter(NUMBERS.values()).items() if n > 1}

def test_a_notebook_lies_in_the_folder_of_its_wing():
    for module, path in ROOMS.items():
        folders = [re.sub(r"^\d+_", "", part) for part in path.relative_to(ROOT/"nbs").parts[:-1]]
        parts = module.split(".")[1:]
        assert parts[:len(folders)] == folders and len(parts) - len(folders) in (0, 1), path

@pytest.mark.parametrize("module", ROOMS)
def test_a_room_imports_only_from_smaller_numbers(module):
    assert not [other for other in imported(module) if other != module and NUMBERS[other] >= NUMBERS[module]]

def test_every_bar_obeys_the_environment():
    assert [module for module in ROOMS if re.search(r"^(import|from) (.*\b)?tqdm", tree_of(module)[0].read_text(), re.M)
            and "store.progress import" not in tree_of(module)[0].read_text()] == ["lmdisc.store.progress"]

def test_nobody_imports_the_lab():
    assert not [module for module in ROOMS if ".lab" not in module for other in imported(module) if other.startswith("lmdisc.lab")]

def test_the_top_level_can_be_taken_in_at_a_glance():
    rooms = [p for p in (ROOT/"lmdisc").iterdir() if p.name[0] != "_" and p.name not in ("py.typed", "assets")]
    assert len(rooms) <= TOP_LEVEL

def test_a_public_name_means_one_thing():
    def names(module):
        for node in tree_of(module)[1].body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)): yield node.name
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    counted = Counter(n for module in ROOMS for n in set(names(module)) if n[0] != "_")
    assert not {n for n, times in counted.items() if times > 1}

def test_the_map_names_every_room():
    map_ = (ROOT/"CONTRIBUTING.md").read_text()
    assert not [p.stem for p in ROOMS.values() if not re.search(rf"\b{p.stem}\b", map_)]

# what is loaded

LOADS = """
import sys, time
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
print(*sorted(m for m in sys.modules if m.split(".")[0] in ("lmdisc", "torch", "matplotlib", "seaborn", "pandas")), f"{{seconds:.2f}}")
"""

def loaded(code):
    "Modules of interest that some code loads in a process of its own, and the seconds it takes."
    done = subprocess.run([sys.executable, "-c", LOADS.format(code=code)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    *modules, seconds = done.stdout.splitlines()[-1].split()
    return set(modules), float(seconds)

def heavy(modules): return {m for m in modules if m.startswith("lmdisc.lab") or m.split(".")[0] in ("matplotlib", "seaborn")}

def test_importing_the_package_loads_nothing_else():
    modules, seconds = loaded("import lmdisc")
    assert modules == {"lmdisc"}, modules
    assert seconds < 2                # 0.02 s on a free machine

def test_the_package_offers_what_users_need():
    modules, _ = loaded("import lmdisc; [getattr(lmdisc, name) for name in lmdisc.__all__]")
    assert not heavy(modules)
    import lmdisc
    assert set(lmdisc.__all__) == {"discover", "LandmarkDiscovery", "load", "open", "profile", "ImageSet"} <= set(dir(lmdisc))
    with pytest.raises(AttributeError, match="lmdisc.* has no attribute 'detect'"): lmdisc.detect

def test_predict_loads_neither_the_lab_nor_matplotlib(tmp_path):
    from PIL import Image
    Image.new("RGB", (64, 64), "grey").save(tmp_path/"face.png")
    command = ["predict", "--model", "heads", str(tmp_path/"face.png"), "--out", str(tmp_path/"points.csv")]
    modules, seconds = loaded(f"from lmdisc.cli import main; assert main({command}) == 0")
    assert not heavy(modules), heavy(modules)
    assert (tmp_path/"points.csv").exists()
    print(f"lmdisc predict, from start to end: {seconds:.1f} s")
