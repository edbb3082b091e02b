"""What the site is made of besides `pages`: README, CONTRIBUTING, notebooks, figures and the API; and a check of every link in what was built.

Files keep the place they have in the repository, so that a link which works there works here.
"""
import ast, json, posixpath, re, sys
from html.parser import HTMLParser
from importlib import import_module
from operator import attrgetter
from pathlib import Path
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
    "Rooms of the house in their order, and what stands beside it."
    found = [p.relative_to(ROOT) for p in (ROOT/"nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts and p.stem not in APART]
    rooms = [p for p in found if p.parts[1][0].isdigit()]
    order = lambda p: (int(re.match(r"\d+", p.parts[1])[0]), p.parts)
    return sorted(rooms, key=order), sorted(p for p in found if p not in rooms)

def on_config(config):
    "The rooms and the experiments, in the menu; titles are those of the notebooks."
    rooms, beside = (list(map(Path.as_posix, some)) for some in notebooks())
    for entry in config.nav:
        if "The method" in entry: entry["The method"] += rooms
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
    "Keep a copy of a notebook for the site: formulas as MathML, no hidden cells, no widgets that would look for their scripts elsewhere."
    told, to = json.loads((ROOT/notebook).read_text(encoding="utf-8")), COPIES/notebook
    told["metadata"].pop("widgets", None)
    told["cells"] = [c for c in told["cells"] if not re.match(r"#\|\s*(hide|default_exp)", "".join(c["source"]))]
    for cell in told["cells"]:
        if cell["cell_type"] == "markdown": cell["source"] = as_mathml("".join(cell["source"]))
    text = json.dumps(told)
    if not to.exists() or to.read_text(encoding="utf-8") != text:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, encoding="utf-8")

# the API

def surface():
    "What users call, by module: the list that tests/test_style.py holds to its types."
    tree = ast.parse((ROOT/"tests"/"test_style.py").read_text(encoding="utf-8"))
    return next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "SURFACE")

def shown(thing, name):
    "A function or class: how it is called, its docstring, and every parameter's docment."
    from inspect import Parameter, formatannotation, getsource, signature
    from fastcore.docments import docments
    empty, told, called = Parameter.empty, docments(thing, full=True, returns=True), signature(thing)
    back = (told.get("return") or {}).get("docment")
    kind = lambda a: "" if a in (empty, None) else a if isinstance(a, str) else re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", formatannotation(a))
    cell = lambda v: str(v or "").replace("|", "\\|").replace("\n", " ")
    code = lambda v: f"`{v}`" if v else ""
    stars = lambda p: {p.VAR_KEYWORD: "**", p.VAR_POSITIONAL: "*"}.get(p.kind, "")
    for p in called.parameters.values():                        # fastcore takes the comment of **kwargs for that of the result
        if stars(p) and (said := re.search(rf"\*{p.name},?\s*# (.+)", getsource(thing))):
            told[p.name]["docment"], back = said[1], None if back == said[1] else back
    rows = [(code(stars(p) + p.name), code(kind(p.annotation)), code("" if p.default is empty else repr(p.default)), cell(told[p.name]["docment"]))
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
    "A Markdown file of the root, with links to folders led to the page about them."
    text = (ROOT/name).read_text(encoding="utf-8")
    for here, there in {"](figures)": "](results.md)", "](README.md": "](index.md", "](docs/pages/": "]("}.items(): text = text.replace(here, there)
    return text

def house():
    "The table of CONTRIBUTING.md, with links to the notebooks."
    lines = re.findall(r"^\| .*→.*\|$|^\|---.*\|$", page("CONTRIBUTING.md"), re.M)
    def linked(m):
        return f"[`{m[1]}`](nbs/{m[1]}.ipynb)" if (ROOT/"nbs"/f"{m[1]}.ipynb").exists() else m[0]
    return "\n".join(re.sub(r"`(\d[\w/]*)`", linked, line) for line in lines)

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
    "The house where a page asks for it with `{house}`; links out of docs/pages, which on the site is the root."
    return re.sub(r"\]\((?:\.\./){2}", "](", markdown).replace("](figures)", "](results.md)").replace("{house}", house())

# nbconvert would draw formulas and diagrams by scripts of another server; formulas are MathML by now, diagrams there are none
FETCHED = re.compile(r'<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->\s*(<script type="module">.*?</script>)?', re.S)

def on_page_content(html, page, config, files):
    "Links between notebooks, which no Markdown reader has led to their pages."
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
    "What a page points to, what it loads, and where it can be pointed to."
    def __init__(self, path):
        super().__init__()
        self.script = False
        self.to, self.loads, self.names = [], [], {""}
        self.feed(path.read_text(encoding="utf-8"))
    def handle_data(self, data):
        if self.script: self.loads += re.findall(r"https?://[^\s'\"`]+\.m?js\b", data)
    def handle_starttag(self, tag, attributes):
        told, self.script = dict(attributes), tag == "script"
        self.names |= {told.get("id"), told.get("name")}
        if tag in ("a", "area") and told.get("href"): self.to.append(told["href"])
        loaded = told.get("src") or (tag == "link" and told.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "manifest") and told.get("href"))
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
