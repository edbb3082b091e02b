"The explorer in a real browser: JupyterLab, headless Chromium, a hand that clicks, drags and types."
import json, os, shutil, socket, subprocess, sys, time
from pathlib import Path
from urllib.request import urlopen
import numpy as np, pytest

ROOT = Path(__file__).resolve().parents[1]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
PATIENCE = 60                         # s: for a kernel to start and import, on a busy machine

def packed(images, path):
    "Pictures with their yaw as a packed set."
    from lmdisc.draw.saving import encoded
    looks = [encoded(images[i], "jpeg", quality=95) for i in range(len(images))]
    np.savez(path, jpeg=np.frombuffer(b"".join(looks), np.uint8), offsets=np.cumsum([0, *map(len, looks)]), landmarks=images.landmarks,
             name=images.names, split=images.fields["split"], yaw=images.fields["yaw"])
    return path

@pytest.fixture(scope="module")
def selenium():
    if not (BROWSER and DRIVER): pytest.skip(f"no browser here: {'chromedriver' if BROWSER else 'chromium'} is not installed")
    for name in ("jupyterlab", "anywidget", "ipywidgets"): pytest.importorskip(name)
    return pytest.importorskip("selenium.webdriver", reason="no browser here: selenium is not installed")

@pytest.fixture(scope="module")
def run(selenium, heads_set, tmp_path_factory):
    "A run as `lmdisc discover` leaves it, and its pictures."
    from lmdisc.cli import main
    folder = tmp_path_factory.mktemp("explored")
    pictures = packed(heads_set, folder/"heads.npz")
    assert main(["discover", str(pictures), "--profile", "smoke", "--n-images", "24", "--out", str(folder/"run")]) == 0
    return folder/"run", pictures

@pytest.fixture(scope="module")
def lab(run, tmp_path_factory):
    "The address of the notebook, served by JupyterLab."
    home = tmp_path_factory.mktemp("lab")
    notebook = json.loads((ROOT/"nbs"/"explore.ipynb").read_text())
    given = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    given["source"] = f"run, pictures = {str(run[0])!r}, {str(run[1])!r}"
    (home/"explore.ipynb").write_text(json.dumps(notebook))
    with socket.socket() as s: s.bind(("127.0.0.1", 0)); port = s.getsockname()[1]
    own = {k: str(home/".jupyter"/k) for k in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    env = os.environ | own | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    quiet = home/".jupyter"/"JUPYTERLAB_SETTINGS_DIR"/"@jupyterlab"/"apputils-extension"/"notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false"}')
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=secret", f"--ServerApp.root_dir={home}", "--ServerApp.port_retries=0"]
    with open(home/"log", "w") as log: server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=env, cwd=home, stdout=log, stderr=log)
    try:
        give_up = time.time() + PATIENCE
        while True:
            try: urlopen(f"http://127.0.0.1:{port}/api?token=secret", timeout=5); break
            except OSError: assert server.poll() is None and time.time() < give_up, (home/"log").read_text()[-3000:]
            time.sleep(.2)
        yield f"http://127.0.0.1:{port}/lab/tree/explore.ipynb?token=secret"
    finally:
        server.terminate()
        try: server.wait(20)
        except subprocess.TimeoutExpired: server.kill()

class Hand:
    "Somebody in front of the browser."
    def __init__(self, selenium, pictures):
        options = selenium.ChromeOptions()
        options.binary_location = BROWSER
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,1000"): options.add_argument(flag)
        self.driver = selenium.Chrome(options, selenium.ChromeService(DRIVER))
        self.actions, self.pictures, self.n = selenium.ActionChains, pictures, 0

    def all(self, css): return self.driver.find_elements("css selector", css)
    def one(self, css, patience=PATIENCE):
        return self.until(lambda: next((e for e in self.all(css) if e.is_displayed()), None), css, patience)
    def until(self, what, said="", patience=PATIENCE):
        "Wait until it holds; the page may be drawn anew while it is looked at."
        from selenium.common.exceptions import WebDriverException
        give_up = time.time() + patience
        while time.time() < give_up:
            try:
                if answer := what(): return answer
            except WebDriverException: pass
            time.sleep(.05)
        self.picture("gave_up")
        raise AssertionError(f"waited {patience} s in vain for {said or what}; above the board stands {self.said()!r}")

    def do(self, what, then, said=""):
        "Do something, again and again if nothing comes of it, until something is true."
        from selenium.common.exceptions import WebDriverException
        def once():
            try: what()
            except WebDriverException: return False
            give_up = time.time() + 15
            while time.time() < give_up:
                try:
                    if answer := then(): return answer
                except WebDriverException: pass
                time.sleep(.05)
        return self.until(once, said)

    def said(self): return " ".join(e.text for e in self.all("[role=status]"))
    def picture(self, name):
        self.n += 1
        if not self.pictures: return
        self.driver.execute_script("document.querySelector('.lmd')?.scrollIntoView({block: 'start'}); document.querySelector('.jp-WindowedPanel-outer')?.scrollBy(0, -70)")
        time.sleep(.3)
        self.driver.save_screenshot(str(Path(self.pictures)/f"{self.n:02d}_{name}.png"))
    def press(self, text, then):
        button = lambda: next(b for b in self.all("button.jupyter-button") if b.text.strip() == text)
        self.do(lambda: button().click(), then, text)
    def keys(self, *keys): self.actions(self.driver).send_keys(*keys).perform()
    def names(self): return [e.get_attribute("value") for e in self.all(".lmd .row input[type=text]")]
    def dots(self): return self.all(".lmd svg g[data-key]")
    def point(self, name): return self.one(f'.lmd svg g[data-key="point {name}"] .disc')
    def slide(self, name, key, then):
        handle = f"//div[contains(@class,'widget-hslider') and label[text()='{name}']]//div[contains(@class,'noUi-handle')]"
        self.do(lambda: self.driver.find_element("xpath", handle).send_keys(key), then, name)
    def rename(self, name, to):
        def write():
            field = self.one(f'.lmd .row[data-name="{name}"] input[type=text]')
            self.driver.execute_script("arguments[0].select()", field)
            field.send_keys(to + "\n")
        self.do(write, lambda: to in self.names(), f"{name} as {to}")
    def drag(self, name, dx, dy):
        before = self.said()
        self.do(lambda: self.actions(self.driver).move_to_element(self.point(name)).click_and_hold().move_by_offset(dx // 2, dy // 2)
                .move_by_offset(dx - dx // 2, dy - dy // 2).release().perform(), lambda: "with labels" in self.said() and self.said() != before, f"a drag of {name}")

@pytest.fixture
def hand(selenium):
    hand = Hand(selenium, os.environ.get("LMDISC_SCREENSHOTS"))
    yield hand
    hand.driver.quit()

def run_all(hand, address):
    "Open the notebook and run it, as from the menu."
    hand.driver.get(address)
    hand.one(".jp-Notebook .jp-Cell")
    hand.until(lambda: hand.all(".jp-Notebook-ExecutionIndicator[data-status=idle]"), "an idle kernel")
    menu = "//div[contains(@class,'lm-MenuBar-itemLabel') and text()='Run']"
    item = "//div[contains(@class,'lm-Menu-itemLabel') and text()='Run All Cells']"
    find = lambda xpath: hand.driver.find_element("xpath", xpath)
    started = lambda: any(e.text.strip() not in ("", "[ ]:") for e in hand.all(".jp-CodeCell .jp-InputPrompt"))
    def run():
        "From the menu; JupyterLab may ask which kernel, if it is asked to run early."
        for accept in hand.all(".jp-Dialog .jp-mod-accept"): accept.click()
        if not started():
            find(menu).click()
            hand.until(lambda: find(item).is_displayed(), "the menu", 5)
            find(item).click()
            time.sleep(1)
    hand.do(run, started, "cells that run")
    hand.one(".lmd svg g[data-key]", 240)               # the first run makes its detector

def test_a_run_is_looked_at_named_corrected_and_saved(hand, lab, run):
    run_all(hand, lab)
    hand.picture("opened")
    here, there = json.loads((run[0]/"detector"/"detector.json").read_text())["names"], hand.names()
    assert there == here

    for key in ("\ue011", "\ue010"):  # Home: the keypoints; End: the landmarks again
        numbers = lambda: {e.text for e in hand.all(".lmd svg text")}
        hand.slide("round", key, lambda key=key: bool(numbers()) == (key == "\ue010") and hand.dots())
        if key == "\ue011": hand.picture("keypoints")
    picture = lambda: hand.one(".lmd svg image").get_attribute("href")
    for name in ("picture", "yaw"):
        before = picture()
        hand.slide(name, "\ue010" if name == "picture" else "\ue011", lambda before=before: picture() != before)

    seen = {r.get_attribute("data-name"): int(r.text.split()[-2]) for r in hand.all(".lmd .row[data-name]")}
    first, second, third, fourth = sorted(seen, key=seen.get, reverse=True)[:4]
    often = next(e for e in hand.dots() if e.get_attribute("aria-label") in seen).get_attribute("aria-label")
    hand.do(lambda: hand.point(often).click(), lambda: hand.all(".lmd .strip img"), "close-ups")      # a click in the picture
    assert hand.one(".lmd .row.chosen").get_attribute("data-name") == often
    hand.do(lambda: hand.one(f'.lmd .row[data-name="{first}"] .number').click(), lambda: first in hand.one(".lmd .near").text)
    near = hand.until(lambda: len(hand.all(".lmd .strip img")) == min(30, round(seen[first] * 24 / 100)))
    assert near and all(hand.driver.execute_script("return arguments[0].naturalWidth", e) for e in hand.all(".lmd .strip img"))
    hand.picture("closeups")
    before = picture()
    hand.do(lambda: hand.all(".lmd .strip button:not(.here)")[-1].click(), lambda: picture() != before, "the picture of a close-up")

    hand.rename(first, "left eye")
    hand.rename(second, "nose")
    hand.do(lambda: hand.one('.lmd .row[data-name="left eye"] input[type=checkbox]').click(),
            lambda: "point left eye" not in [e.get_attribute("data-key") for e in hand.dots()], "a hidden landmark")
    hand.press("Show all", lambda: hand.one('.lmd .row[data-name="left eye"] input[type=checkbox]').is_selected())
    hand.do(lambda: hand.one(f'.lmd .row[data-name="{third}"] .number').click(), lambda: third in hand.one(".lmd .near").text)
    hand.press("Drop", lambda: third not in hand.names())
    hand.press("Undo", lambda: third in hand.names())
    hand.do(lambda: hand.one(f'.lmd .row[data-name="{third}"] .number').click(), lambda: third in hand.one(".lmd .near").text)
    hand.press("Drop", lambda: third not in hand.names())
    hand.do(lambda: hand.one('.lmd .row[data-name="nose"] .number').click(), lambda: "nose" in hand.one(".lmd .near").text)
    same_as = lambda: next(o for o in hand.all(".widget-dropdown option") if o.get_attribute("textContent").replace("\xa0", " ") == fourth)
    hand.do(lambda: same_as().click(), lambda: same_as().is_selected(), f"{fourth} in the list of others")
    hand.press("Mark as the same", lambda: fourth not in hand.names())
    hand.picture("named")

    hand.press("Correct points", lambda: hand.all(".lmd svg.correct"))
    hand.slide("picture", "\ue011", lambda: len(hand.dots()) == len(hand.names()))                    # hidden ones are there to be dragged
    for i in range(5):
        hand.drag("left eye", 14, -10)
        if i == 2: hand.picture("correcting")
        before = picture()
        hand.slide("picture", "\ue014", lambda before=before: picture() != before)                    # to the right
    assert "1 point with labels, in 5 pictures" in hand.said()
    hand.one("input[placeholder='a new point']").send_keys("chin")
    hand.press("Add", lambda: "chin" in hand.names())
    for at in ((-40, 80), (-30, 90), (-35, 85)):
        before, message = picture(), hand.said()
        hand.do(lambda at=at: hand.actions(hand.driver).move_to_element_with_offset(hand.one(".lmd svg"), *at).click().perform(),
                lambda message=message: "with labels" in hand.said() and hand.said() != message)
        hand.slide("picture", "\ue014", lambda before=before: picture() != before)
    hand.press("Refit", lambda: "of the crop's side" in hand.said())
    hand.picture("refitted")
    assert "8 labelled pictures give 2 named points, at about" in hand.said(), hand.said()
    hand.press("Save", lambda: "lmdisc predict" in hand.said())
    hand.picture("saved")

    saved = json.loads((run[0]/"detector"/"chosen.json").read_text())
    assert {"left eye", "nose", "chin"} <= set(saved["names"]) and not {third, fourth} & set(saved["names"])
    assert sorted(saved["names"]) == sorted(hand.names()) and len(saved["groups"][saved["names"].index("nose")]) == 2 and saved["labels"] == 8

def test_saved_names_are_those_of_predict(run, tmp_path, heads_set):
    "What was saved above, at the command line's end."
    from lmdisc.use.chosen import load
    points = load(run[0]/"detector")
    if not hasattr(points, "choice"): pytest.skip("nothing was saved: the test above has not run")
    xy, score = points.predict(heads_set.take(slice(0, 4)))
    assert xy.shape == (4, points.K, 2) and np.isfinite(xy[:, points.names.index("chin")]).all()
