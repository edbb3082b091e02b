"The documentation: its pages are there, its links lead somewhere, its commands are commands. `make docs` builds it, and checks all of it."
import importlib.util, json, re, shlex, shutil, subprocess
from pathlib import Path
import numpy as np, pytest, yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT/"docs"/"pages"
GENERATED = {"index.md": "README.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md", "api.md": "tests/test_style.py"}
IN_PAGES = sorted(PAGES.glob("*.md"))                             # written by hand, but for results.md
MADE = {"index": ROOT/"README.md", "results": PAGES/"results.md"} # by `make readme`, of these notebooks

def listed(nav):
    "Every file the menu names."
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from listed(value) if isinstance(value, list) else [value]

def place_of(uri):
    "Where a page or a picture of the site comes from."
    return ROOT/GENERATED[uri] if uri in GENERATED else PAGES/uri if (PAGES/uri).exists() else ROOT/uri

def commands():
    "Lines of the page for users that a shell gets."
    text = (PAGES/"own_pictures.md").read_text()
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines() if line]

@pytest.fixture(scope="module")
def hooks():
    "The module beside mkdocs.yml."
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT/"docs"/"hooks.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module

def test_the_menu_names_pages_that_are_there():
    menu = list(listed(yaml.safe_load((ROOT/"docs"/"mkdocs.yml").read_text())["nav"]))
    assert not [uri for uri in menu if not place_of(uri).exists()]
    assert {p.name for p in IN_PAGES} <= set(menu)

def headings(path):
    "The headings of a page or a notebook, without their marks."
    cells = json.loads(path.read_text())["cells"] if path.suffix == ".ipynb" else None
    text = path.read_text() if cells is None else "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)

def anchors(path):
    "What a link can point to in a page: its headings, as GitHub and the site name them."
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(path)}

@pytest.mark.parametrize("path", sorted((ROOT/"nbs").rglob("*.ipynb")), ids=lambda p: p.stem)
def test_a_heading_stands_once_in_a_notebook(path):
    "The site's menu would point to an anchor that is not there."
    if ".ipynb_checkpoints" in path.parts: return
    names = [heading.lower() for heading in headings(path)]
    assert len(set(names)) == len(names)

@pytest.mark.parametrize("page", [*IN_PAGES, ROOT/"README.md"], ids=lambda p: p.stem)
def test_links_of_a_page_lead_somewhere(page):
    "From where it lies in the repository, or to a page that the site makes."
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        to, _, anchor = link.partition("#")
        if "://" in link: continue
        target = ROOT/GENERATED[to] if to in GENERATED else page.parent/to if to else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link

# what `make readme` writes

def notebook(name): return json.loads((ROOT/"nbs"/f"{name}.ipynb").read_text(encoding="utf-8"))

@pytest.mark.parametrize("name", MADE)
def test_a_page_is_what_its_notebook_says(name):
    "As the Makefile converts it."
    from nbconvert import MarkdownExporter
    from traitlets.config import Config
    tags = Config({"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": ["remove-input"]}})
    text, _ = MarkdownExporter(config=tags).from_filename(str(ROOT/"nbs"/f"{name}.ipynb"))
    squeezed = re.sub(r"\n{3,}", "\n\n", text)
    assert MADE[name].read_text(encoding="utf-8").rstrip() == squeezed.rstrip()

@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    "A folder with figures/ as git has it staged: `make reproduce` puts this machine's numbers into those that lie there."
    if not (ROOT/".git").exists() or not shutil.which("git"): return ROOT
    folder = tmp_path_factory.mktemp("staged")
    files = subprocess.run(["git", "ls-files", "-z", "figures"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["git", "checkout-index", "-z", "--stdin", f"--prefix={folder}/"], cwd=ROOT, input=files, check=True)
    return folder

@pytest.mark.parametrize("name", MADE)
def test_numbers_of_a_page_are_those_of_the_tables(name, staged, monkeypatch):
    "What its cells say of figures/ is what they said when it was written."
    monkeypatch.chdir(staged)
    names = {}
    for cell in notebook(name)["cells"]:
        if cell["cell_type"] != "code": continue
        *defined, last = "".join(cell["source"]).rsplit("\n", 1)
        exec("".join(defined), names)
        assert eval(last, names).data == "".join(cell["outputs"][0]["data"]["text/markdown"])

def test_the_readme_is_short():
    lines = (ROOT/"README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120 and max(map(len, lines)) <= 160

def test_the_readme_shows_what_its_first_command_prints(capsys, monkeypatch):
    from lmdisc.cli import main
    monkeypatch.chdir(ROOT)
    command, shown = re.search(r"^\$ lmdisc (.+)\n((?:.+\n)+?)\.\.\.$", (ROOT/"README.md").read_text(encoding="utf-8"), re.M).groups()
    assert not main(shlex.split(command))
    number = re.compile(r"\d+\.\d+")
    shown, printed = shown.splitlines(), capsys.readouterr().out.splitlines()
    for a, b in zip(shown, printed[:len(shown)], strict=True):
        assert number.sub("#", a) == number.sub("#", b)
        # processors differ in the last digits; a tenth of a pixel is far below what a landmark is accurate to
        np.testing.assert_allclose([float(x) for x in number.findall(a)], [float(x) for x in number.findall(b)], atol=.1)

def test_commands_for_users_are_commands():
    from lmdisc.cli import parser
    ours = [shlex.split(c)[1:] for c in commands() if c.startswith("lmdisc ")]
    assert {c[0] for c in ours} >= {"discover", "predict", "quality", "name", "export", "video"}
    for c in ours: parser().parse_args(c)                            # exits where it does not understand

def test_a_broken_link_is_found(hooks, tmp_path):
    (tmp_path/"sub").mkdir()
    (tmp_path/"index.html").write_text('<h1 id="top">a</h1><a href="sub/b.html#here">b</a><a href="https://example.org">elsewhere</a>')
    (tmp_path/"sub"/"b.html").write_text('<p id="here"></p><a href="../index.html#top">a</a><img src="data:,">')
    assert not hooks.broken(tmp_path)
    (tmp_path/"sub"/"b.html").write_text('<a href="c.html">c</a><a href="../index.html#no">a</a><script src="https://cdn.example.org/x.js"></script>'
                                         '<script>import("https://cdn.example.org/y.mjs")</script>')
    assert sorted(hooks.broken(tmp_path)) == [
        "index.html: sub/b.html#here has no such anchor", "sub/b.html loads https://cdn.example.org/x.js",
        "sub/b.html loads https://cdn.example.org/y.mjs", "sub/b.html: ../index.html#no has no such anchor", "sub/b.html: c.html is not there"]

def test_formulas_become_mathml_and_code_stays(hooks):
    pytest.importorskip("latex2mathml")
    text = hooks.as_mathml("a share $m \\times n$ of `$HOME`, 5 $ or 6 $ each\n\n```\n$x$\n```")
    assert text.count("<math") == 1 and "`$HOME`, 5 $ or 6 $ each" in text and "$x$" in text

def test_every_entry_of_the_api_is_shown(hooks):
    text = hooks.api()
    names = [n for things in hooks.surface().values() for n in things.split()]
    assert [n for n in re.findall(r"^### (\S+)$", text, re.M)] == names
    assert "| `pictures` | `ImageSet | Crops` | | `ImageSet`, or `Crops` of this detector's size |" in text.replace("|  |", "| |")

@pytest.mark.parametrize("block", ["    lmdisc/\n      store/   files\n\n      data/    images\n", "```text\nlmdisc/\n  store/   files\n\n  data/    images\n```\n"], ids=["indented", "fenced"])
def test_the_tree_of_modules_is_shown(hooks, monkeypatch, block):
    from mkdocs.exceptions import PluginError
    monkeypatch.setattr(hooks, "page", lambda name: f"# Working on it\n\n    make setup\n\n```sh\nls\n```\n\n{block}\n    lmdisc/other/\n")
    shown = hooks.house()
    assert shown.startswith("```text\nlmdisc/\n  store/   files\n\n  data/    images\n") and shown.endswith("\n```")
    monkeypatch.setattr(hooks, "page", lambda name: "no tree")
    with pytest.raises(PluginError, match="no block of code that starts with lmdisc/"): hooks.house()

def test_modules_are_in_the_menu_by_wing(hooks):
    rooms, beside = hooks.notebooks()
    menu = list(hooks.wings(rooms))
    assert "nbs/09_discovery.ipynb" in menu and next(iter(menu[0])) == "store"
    assert list(listed(menu)) == [p.as_posix() for p in rooms] and Path("nbs/discover.ipynb") in beside
