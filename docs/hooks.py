"""Adds README, CONTRIBUTING, notebooks, figures and the API to the site's `pages`, and checks every link of what was built.

Files keep their place in the repository, so that a link which works there works here.
"""
import ast, json, posixpath, re, sys
from html.parser import HTMLParser
from importlib import import_module
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from textwrap import dedent
from urllib.parse import unquote, urlsplit
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).resolve().parents[1]
COPIES = ROOT/"_docs"/"notebooks"                               # as the site shows them
APART = {"index", "results"}                                    # `make readme` makes pages of them
AS_THEY_ARE = "LICENSE", "CITATION.cff", "Snakefile", "sweep.yaml", "Makefile" # linked, not pages

def notebooks():
    "Notebooks of modules in the order of their numbers, and all others: paths from the root."
    found = [p.relative_to(ROOT) for p in (ROOT/"nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts and p.stem not in APART]
    number = lambda p: [int(n) for n in re.findall(r"\b(\d\d)_", p.as_posix())]
    rooms = sorted((p for p in found if number(p)), key=number)
    return rooms, sorted(p for p in found if not number(p))

def wings(rooms):
    "Notebooks of modules as a menu: one entry a folder, and one a notebook at the top level."
    for part, some in groupby(rooms, lambda p: p.parts[1]):
        paths = [p.as_posix() for p in some]
        yield paths[0] if part.endswith(".ipynb") else {re.sub(r"^\d+_", "", part): paths}

def on_config(config):
    "The notebooks in the menu, under their own titles; those of modules by wing."
    rooms, beside = notebooks()
    beside = [p.as_posix() for p in beside]
    for entry in config.nav:
        if "The method" in entry: entry["The method"] += wings(rooms)
        if "Results" in entry: entry["Results"] += [p for p in beside if not p.endswith("/explore.ipynb")]
        if "Your own pictures" in entry and "nbs/explore.ipynb" in beside:
            entry["Your own pictures"] = [entry["Your own pictures"], "nbs/explore.ipynb"]
    return config

# formulas

FORMULA = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\\w$])\$(?=\S)([^$\n]+?)(?<=\S)\$(?!\w)", re.S)

def as_mathml(text):
    "Markdown with its formulas as MathML, which browsers draw without any script; code is left alone."
    from latex2mathml.converter import convert
    def drawn(m):
        if m[1]: return m[1]
        known = re.sub(r"\\[bB]ig+[lr]?(?=[\\|()\[\]])|(\\[lr]Vert)", lambda v: r"\|" if v[1] else "", m[2] or m[3])
        made = convert(known, "block" if m[2] else "inline")
        if "\\" in made: raise PluginError(f"a formula is not understood: {m[0]}")
        return made
    return FORMULA.sub(drawn, text)

def copy(notebook):
    "Write the site's copy of a notebook: formulas as MathML, no hidden cells, no widgets, which load scripts from elsewhere."
    shown, to = json.loads((ROOT/notebook).read_text(encoding="utf-8")), COPIES/notebook
    shown["metadata"].pop("widgets", None)
    shown["cells"] = [c for c in shown["cells"] if not re.match(r"#\|\s*(hide|default_exp)", "".join(c["source"]))]
    for cell in shown["cells"]:
        if cell["cell_type"] == "markdown": cell["source"] = as_mathml("".join(cell["source"]))
    text = json.dumps(shown)
    if not to.exists() or to.read_text(encoding="utf-8") != text:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, encoding="utf-8")

# the API

def surface():
    "What users call, by module: the list in tests/test_style.py, which checks that it is typed."
    tree = ast.parse((ROOT/"tests"/"test_style.py").read_text(encoding="utf-8"))
    return next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "SURFACE")

def shown(thing, name):
    "A function or class: how it is called, its docstring, and every parameter's docment."
    from inspect import Parameter, formatannotation, getsource, signature
    from fastcore.docments import docments
    empty, notes, called = Parameter.empty, docments(thing, full=True, returns=True), signature(thing)
    back = (notes.get("return") or {}).get("docment")
    kind = lambda a: "" if a in (empty, None) else a if isinstance(a, str) else re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", formatannotation(a))
    cell = lambda v: str(v or "").replace("|", "\\|").replace("\n", " ")
    code = lambda v: f"`{v}`" if v else ""
    stars = lambda p: {p.VAR_KEYWORD: "**", p.VAR_POSITIONAL: "*"}.get(p.kind, "")
    for p in called.parameters.values():                        # fastcore takes the comment of **kwargs for that of the result
        if stars(p) and (said := re.search(rf"\*{p.name},?\s*# (.+)", getsource(thing))):
            notes[p.name]["docment"], back = said[1], None if back == said[1] else back
    rows = [(code(stars(p) + p.name), code(kind(p.annotation)), code("" if p.default is empty else repr(p.default)), cell(notes[p.name]["docment"]))
            for p in called.parameters.values() if p.name != "self"]
    if called.return_annotation not in (empty, None) or back: rows.append(("*returns*", code(kind(called.return_annotation)), "", cell(back)))
    table = ["| parameter | type | default | |", "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)]
    asked = ", ".join(stars(p) + p.name if p.default is empty else f"{p.name}=…" for p in called.parameters.values() if p.name != "self")
    return f"### {name}\n\n```python\n{name}({asked})\n```\n\n{thing.__doc__ or ''}\n\n" + "\n".join(table) + "\n"

def api():
    "The API page."
    sys.path.insert(0, str(ROOT))
    parts = ["# API\n\nWhat users call, by module. The comment beside a parameter says its shape, unit and range. "
             "Everything else is shown, tested and explained in [the notebooks](method.md).\n"]
    for name, things in surface().items():
        module = import_module(f"lmdisc.{name}")
        notebook = re.search(r"File to edit: (?:\.\./)*(nbs/\S+\.ipynb)", Path(module.__file__).read_text(encoding="utf-8"))[1]
        parts.append(f"## lmdisc.{name}\n\n{module.__doc__ or ''} Notebook: [{Path(notebook).stem}]({notebook}).\n")
        parts += [shown(attrgetter(t)(module), t) for t in things.split()]
    return "\n\n".join(parts)

# pages from elsewhere

def page(name):
    "A Markdown file of the root; links to folders become links to the page about them."
    text = (ROOT/name).read_text(encoding="utf-8")
    for here, there in {"](figures)": "](results.md)", "](README.md": "](index.md", "](docs/pages/": "]("}.items(): text = text.replace(here, there)
    return text

def house():
    "The tree of modules in CONTRIBUTING.md: its first fenced or indented block that starts with `lmdisc/`."
    blocks = re.finditer(r"^```.*\n((?:(?!```).*\n)*)```$|((?:^ {4}.*\n|^\n)+)", page("CONTRIBUTING.md") + "\n", re.M)
    trees = (dedent(m[1] or m[2] or "").strip("\n") for m in blocks)
    tree = next((tree for tree in trees if tree.startswith("lmdisc/")), None)
    if tree is None: raise PluginError("CONTRIBUTING.md has no block of code that starts with lmdisc/")
    return f"```text\n{tree}\n```"

@event_priority(100)                                            # before mkdocs-jupyter looks for notebooks
def on_files(files, config):
    "Everything that is not in `pages`."
    made = {"index.md": page("README.md"), "CONTRIBUTING.md": page("CONTRIBUTING.md"), "CHANGELOG.md": page("CHANGELOG.md"), "api.md": api()}
    for name, text in made.items(): files.append(File.generated(config, name, content=text))
    rooms, beside = notebooks()
    for n in rooms + beside:
        copy(n)
        files.append(File(n.as_posix(), str(COPIES), config.site_dir, config.use_directory_urls))
    used = [p for p in (ROOT/"figures").iterdir() if p.suffix in (".png", ".csv", ".json")] + [ROOT/n for n in AS_THEY_ARE]
    for p in used: files.append(File.generated(config, p.relative_to(ROOT).as_posix(), abs_src_path=str(p)))
    return files

def on_page_markdown(markdown, page, config, files):
    "The tree of modules in place of `{house}`; links out of docs/pages, which on the site is the root."
    return re.sub(r"\]\((?:\.\./){2}", "](", markdown).replace("](figures)", "](results.md)").replace("{house}", house())

# nbconvert loads scripts of another server for formulas and diagrams; formulas are MathML by now, and there are no diagrams
FETCHED = re.compile(r'<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->\s*(<script type="module">.*?</script>)?', re.S)

def on_page_content(html, page, config, files):
    "Links between notebooks as links between their pages, which the Markdown reader does not do."
    if not page.file.src_uri.endswith(".ipynb"): return html
    html = FETCHED.sub("", html)
    here = posixpath.dirname(page.file.src_uri)
    def led(m):
        to = urlsplit(m[2])
        if to.scheme or not to.path or to.path.startswith(("/", "data:")): return m[0]
        uri = posixpath.normpath(posixpath.join(here, unquote(to.path)))
        uri = {"README.md": "index.md", "nbs/index.ipynb": "index.md", "nbs/results.ipynb": "results.md", "figures": "results.md"}.get(uri, uri)
        file = files.get_file_from_path(uri)
        return f'{m[1]}="{get_relative_url(file.url, page.file.url)}{"#" + to.fragment if to.fragment else ""}"' if file else m[0]
    return re.sub(r'\b(href|src)="([^"]*)"', led, html)

# links

class Links(HTMLParser):
    "The links of a page, the files it loads, and its anchors."
    def __init__(self, path):
        super().__init__()
        self.script = False
        self.to, self.loads, self.names = [], [], {""}
        self.feed(path.read_text(encoding="utf-8"))
    def handle_data(self, data):
        if self.script: self.loads += re.findall(r"https?://[^\s'\"`]+\.m?js\b", data)
    def handle_starttag(self, tag, attributes):
        given, self.script = dict(attributes), tag == "script"
        self.names |= {given.get("id"), given.get("name")}
        if tag in ("a", "area") and given.get("href"): self.to.append(given["href"])
        linked = tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "manifest")
        loaded = given.get("src") or linked and given.get("href")
        if loaded: self.loads.append(loaded)

def broken(site):
    "Links that lead nowhere, and whatever would be fetched from another server."
    site = Path(site).resolve()
    pages, wrong = {p: Links(p) for p in site.rglob("*.html") if p.name != "404.html"}, []
    for path, links in pages.items():
        for link in links.to + links.loads:
            to, where = urlsplit(link), path.relative_to(site)
            if to.scheme or to.netloc:
                if link in links.loads and to.scheme != "data": wrong.append(f"{where} loads {link}")
                continue
            target = (path.parent/unquote(to.path)).resolve() if to.path else path
            if target.is_dir(): target = target/"index.html"
            if not target.exists(): wrong.append(f"{where}: {link} is not there")
            elif target in pages and unquote(to.fragment) not in pages[target].names: wrong.append(f"{where}: {link} has no such anchor")
    return wrong

def on_post_build(config):
    "Nothing is published with a broken link."
    if wrong := broken(config.site_dir): raise PluginError("links:\n  " + "\n  ".join(wrong))
