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
COPIES = ROOT/"_docs"/"notebooks"                               # with formulas as MathML
APART = {"index"}                                               # it is the README
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
    def drawn(m): return m[1] or convert(m[2] or m[3], "block" if m[2] else "inline")
    return FORMULA.sub(drawn, text)

def copied(notebook):
    "A notebook with MathML in place of formulas, written only when it differs."
    told, to = json.loads((ROOT/notebook).read_text(encoding="utf-8")), COPIES/notebook
    for cell in told["cells"]:
        if cell["cell_type"] == "markdown": cell["source"] = as_mathml("".join(cell["source"]))
    text = json.dumps(told)
    if not to.exists() or to.read_text(encoding="utf-8") != text:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, encoding="utf-8")
    return to

# the API

def surface():
    "What users call, by module: the list that tests/test_style.py holds to its types."
    tree = ast.parse((ROOT/"tests"/"test_style.py").read_text(encoding="utf-8"))
    return next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "SURFACE")

def shown(thing):
    "A function or class as nbdev shows it: its signature with every parameter's docment, and its docstring."
    from nbdev.showdoc import BasicMarkdownRenderer
    text = BasicMarkdownRenderer(thing)._repr_markdown_()
    return re.sub(r"^(---|\[source\].*)\n", "", text, flags=re.M).replace("lmdisc.images.", "").replace("pathlib.", "")

def api():
    "The API page."
    sys.path.insert(0, str(ROOT))
    parts = ["# API\n\nWhat users call, by module. The comment beside a parameter says its shape, unit and range. "
             "Everything else is shown, tested and explained in [the notebooks](method.md).\n"]
    for name, things in surface().items():
        module = import_module(f"lmdisc.{name}")
        notebook = re.search(r"File to edit: (?:\.\./)*(nbs/\S+\.ipynb)", Path(module.__file__).read_text(encoding="utf-8"))[1]
        parts.append(f"## lmdisc.{name}\n\n{module.__doc__ or ''} Notebook: [{Path(notebook).stem}]({notebook}).\n")
        parts += [shown(attrgetter(t)(module)) for t in things.split()]
    return "\n\n".join(parts)

# pages from elsewhere

def table_of(name):
    "A table of figures/ in Markdown, numbers short."
    import pandas as pd
    frame = pd.read_csv(ROOT/"figures"/f"{name}.csv")
    cell = lambda v: "–" if pd.isna(v) else f"{v:.3g}" if isinstance(v, float) else str(v).replace("|", "\\|")
    lines = [list(frame.columns), ["---"] * frame.shape[1], *[[cell(v) for v in row] for row in frame.itertuples(index=False)]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

def page(name):
    "A Markdown file of the root, with links to folders led to the page about them."
    return (ROOT/name).read_text(encoding="utf-8").replace("](figures)", "](results.md)").replace("](README.md", "](index.md")

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
    for n in rooms + beside: files.append(File.generated(config, n.as_posix(), abs_src_path=str(copied(n))))
    used = [p for p in (ROOT/"figures").iterdir() if p.suffix in (".png", ".csv", ".json")] + [ROOT/n for n in AS_THEY_ARE]
    for p in used: files.append(File.generated(config, p.relative_to(ROOT).as_posix(), abs_src_path=str(p)))
    return files

def on_page_markdown(markdown, page, config, files):
    "Tables where a page asks for them: `{table NAME}` and `{house}`."
    if page.file.src_uri not in ("results.md", "method.md"): return markdown
    return re.sub(r"^\{table (\w+)\}$", lambda m: table_of(m[1]), markdown, flags=re.M).replace("{house}", house())

def on_page_content(html, page, config, files):
    "Links between notebooks, which no Markdown reader has led to their pages; a README's headings from there, too."
    if not page.file.src_uri.endswith(".ipynb"): return html
    here = posixpath.dirname(page.file.src_uri)
    def led(m):
        to = urlsplit(m[2])
        if to.scheme or not to.path or to.path.startswith(("/", "data:")): return m[0]
        uri = posixpath.normpath(posixpath.join(here, unquote(to.path)))
        uri = {"README.md": "index.md", "nbs/index.ipynb": "index.md", "figures": "results.md"}.get(uri, uri)
        file = files.get_file_from_path(uri)
        return f'{m[1]}="{get_relative_url(file.url, page.file.url)}{"#" + to.fragment if to.fragment else ""}"' if file else m[0]
    return re.sub(r'\b(href|src)="([^"]*)"', led, html)

def on_post_page(output, page, config):
    "Formulas are MathML by now: the MathJax that notebooks ask another server for is left out."
    return re.sub(r"<script[^>]*>(?:(?!</script>).)*?(?:MathJax|mathjax)(?:(?!</script>).)*?</script>|<script[^>]*mathjax[^>]*></script>", "", output, flags=re.S)

# links

class Links(HTMLParser):
    "What a page points to, what it loads, and where it can be pointed to."
    def __init__(self, path):
        super().__init__()
        self.to, self.loads, self.names = [], [], {""}
        self.feed(path.read_text(encoding="utf-8"))
    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
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
