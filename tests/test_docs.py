"The documentation: its pages are there, its links lead somewhere, its commands are commands. `make docs` builds it, and checks all of it."
import importlib.util, re, shlex
from pathlib import Path
import pytest, yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT/"docs"/"pages"
GENERATED = {"index.md": "README.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md", "api.md": "tests/test_style.py"}
HAND_WRITTEN = sorted(PAGES.glob("*.md"))

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
    assert {p.name for p in HAND_WRITTEN} <= set(menu)

@pytest.mark.parametrize("page", HAND_WRITTEN, ids=lambda p: p.stem)
def test_links_of_a_page_lead_somewhere(page):
    links = [to.partition("#")[0] for to in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in to]
    assert not [to for to in links if to and not place_of(to).exists()]

def test_tables_of_the_results_are_there():
    assert not [t for t in re.findall(r"^\{table (\w+)\}$", (PAGES/"results.md").read_text(), re.M) if not (ROOT/"figures"/f"{t}.csv").exists()]

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
