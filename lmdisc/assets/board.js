// The explorer's board: a picture with its landmarks, the list of them, and close-ups of the one that is selected.
// Python decides everything; this file draws what it is given and says what the user did. No build step: a plain module.

const STYLE = `
.lmd { display: grid; grid-template-columns: 420px minmax(290px, 1fr); gap: 8px 14px; font: 13px/1.35 var(--jp-ui-font-family, sans-serif);
  color: var(--jp-ui-font-color1, #222); }
@container (max-width: 720px) { .lmd { grid-template-columns: 420px !important; } }
.lmd .title { height: 20px; }
.lmd svg { width: 420px; height: 420px; background: #8883; border-radius: 4px; touch-action: none; user-select: none; display: block; }
.lmd svg text { font: 700 28px sans-serif; text-anchor: middle; dominant-baseline: central; pointer-events: none; }
.lmd svg g[data-key] { cursor: pointer; outline: none; }
.lmd svg.correct g[data-key] { cursor: grab; }
.lmd svg.correct { cursor: crosshair; }
.lmd svg .hidden .disc { fill: #fff; fill-opacity: .85; stroke-dasharray: 9 6; }
.lmd svg g[data-key]:focus-visible .disc, .lmd svg g[data-key]:hover .disc, .lmd svg .chosen .disc { stroke: #000; stroke-width: 6; }
.lmd .list { height: 440px; overflow: hidden auto; box-sizing: border-box; border: 1px solid var(--jp-border-color2, #ccc); border-radius: 4px; font-size: 12px; }
.lmd .row { display: grid; grid-template-columns: 16px 24px minmax(80px, 1fr) 78px 42px; gap: 6px; align-items: center; padding: 3px 6px; cursor: pointer; }
.lmd .row.head { position: sticky; top: 0; background: var(--jp-layout-color2, #eee); cursor: default; font-weight: 600; z-index: 1; }
.lmd .row.chosen { background: color-mix(in srgb, var(--jp-brand-color1, #06c) 28%, transparent); }
.lmd .row input[type=text] { width: 100%; box-sizing: border-box; font: inherit; padding: 2px 5px; color: inherit;
  background: var(--jp-layout-color0, #fff); border: 1px solid var(--jp-border-color2, #ccc); border-radius: 3px; }
.lmd .row > :last-child { text-align: right; white-space: nowrap; }
.lmd .number { width: 24px; height: 24px; border-radius: 50%; display: grid; place-items: center; font: 700 12px sans-serif; }
.lmd .bar { display: flex; align-items: center; gap: 5px; white-space: nowrap; }
.lmd .bar i { flex: 1; height: 8px; border-radius: 4px; background: #8884; overflow: hidden; }
.lmd .bar b { display: block; height: 100%; background: #2a8; }
.lmd .bar.low b { background: #d62; }
.lmd .near { grid-column: 1 / -1; }
.lmd .strip { display: grid; grid-template-columns: repeat(10, minmax(0, 96px)); gap: 4px; margin-top: 4px; min-height: 84px; }
.lmd .strip button { position: relative; padding: 0; border: 2px solid transparent; border-radius: 4px; background: none; cursor: pointer; line-height: 0; }
.lmd .strip button:focus-visible, .lmd .strip button.here { border-color: var(--jp-brand-color1, #06c); }
.lmd .strip img { width: 100%; aspect-ratio: 1; border-radius: 3px; }
.lmd .strip button::after { content: ""; position: absolute; inset: calc(50% - 7px); border: 2px solid #fff; border-radius: 50%; box-shadow: 0 0 0 1px #000; }
.lmd .strip span { position: absolute; left: 2px; bottom: 2px; padding: 0 4px; font-size: 11px; line-height: 15px; color: #fff; background: #000a; border-radius: 3px; }
`;
const SIDE = 1000, RADIUS = 25, ARM = 46;                  // the board's own units; radius of a numbered disc; how far it stands from its point

function made(tag, attributes = {}, ...children) {         // an element, of SVG where the tag is one of SVG's
  const drawn = ["svg", "g", "image", "circle", "line", "text", "title"].includes(tag);
  const node = drawn ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function ink(colour) {                                     // black or white, whichever can be read on "#rrggbb"
  const [r, g, b] = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));
  return .3 * r + .59 * g + .11 * b < 140 ? "#fff" : "#000";
}

function apart(points) {                                   // places of the numbered discs: outwards from their points, none over another or over a point
  const spots = points.map(p => [p.x * SIDE, p.y * SIDE]), middle = [0, 1].map(i => spots.reduce((sum, s) => sum + s[i], 0) / spots.length);
  const away = (a, b, i) => { const d = [a[0] - b[0], a[1] - b[1]], far = Math.hypot(...d); return far > 1 ? [far, d[0] / far, d[1] / far] : [1, Math.cos(i), Math.sin(i)]; };
  const within = at => at.map(v => Math.min(SIDE - RADIUS - 4, Math.max(RADIUS + 4, v)));
  const at = spots.map((s, i) => { const [, x, y] = away(s, middle, i); return within([s[0] + ARM * x, s[1] + ARM * y]); });
  for (let turn = 0; turn < 120; turn++) for (let i = 0; i < at.length; i++) {
    for (let j = 0; j < at.length; j++) for (const [other, least] of [[spots[j], RADIUS + 9], ...(i === j ? [] : [[at[j], 2 * RADIUS + 4]])]) {
      const [far, x, y] = away(at[i], other, i);
      if (far < least) at[i] = within([at[i][0] + (least - far) / 2 * x, at[i][1] + (least - far) / 2 * y]);
    }
  }
  return at;
}

function render({ model, el }) {
  let urls = { look: [], closeups: [] };
  const get = name => model.get(name);
  const say = (name, value) => { model.set(name, value); model.save_changes(); };
  const address = (bytes, kind) => {                       // of a JPEG, until the next one of its kind is drawn
    const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    urls[kind].push(url);
    return url;
  };
  const forget = kind => { urls[kind].forEach(URL.revokeObjectURL); urls[kind] = []; };

  const image = made("image", { width: SIDE, height: SIDE, preserveAspectRatio: "none" }), layer = made("g");
  const svg = made("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "group", "aria-label": "picture with landmarks" }, image, layer), title = made("div", { class: "title" });
  const list = made("div", { class: "list" }), heading = made("div"), strip = made("div", { class: "strip" });
  const root = made("div", { class: "lmd", "data-lm-suppress-shortcuts": "true" }, made("style", {}, STYLE), made("div", {}, title, svg), list,
    made("div", { class: "near" }, heading, strip));
  el.style.containerType = "inline-size";
  el.append(root);

  const correcting = () => get("mode") === "correct";
  const place = event => {                                 // of the pointer, in shares of the board
    const box = svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(v => Math.min(1, Math.max(0, v)));
  };
  const move = (name, x, y) => say("moved", { name, x, y, at: Date.now() });
  const again = draw => () => {                            // draw, and give the keyboard back to what had it
    const key = root.contains(document.activeElement) && document.activeElement.getAttribute("data-key");
    draw();
    if (key) [...root.querySelectorAll("[data-key]")].find(n => n.getAttribute("data-key") === key)?.focus({ preventScroll: true });
  };

  function drawPicture() { forget("look"); image.setAttribute("href", address(get("look"), "look")); title.textContent = get("title"); }

  function drawPoint(p, [cx, cy]) {
    const numbered = p.number != null, [x, y] = [p.x * SIDE, p.y * SIDE], line = { x1: x, y1: y, x2: cx, y2: cy };
    const node = made("g", { tabindex: numbered ? 0 : null, role: "button", "aria-label": p.name, "data-key": `point ${p.name}`,
      class: `${p.name === get("selected") ? "chosen" : ""} ${p.seen ? "" : "hidden"}` }, made("title", {}, p.name));
    if (!numbered) node.append(made("circle", { class: "disc", cx: x, cy: y, r: 11, fill: p.colour, stroke: "#fff", "stroke-width": 3 }));
    else node.append(
      made("line", { ...line, stroke: "#fff", "stroke-width": 8 }), made("line", { ...line, stroke: p.colour, "stroke-width": 4 }),
      made("circle", { cx: x, cy: y, r: 8, fill: p.colour, stroke: "#fff", "stroke-width": 3 }),
      made("circle", { class: "disc", cx, cy, r: RADIUS, fill: p.colour, stroke: p.seen ? "#fff" : p.colour, "stroke-width": p.seen ? 3 : 5 }),
      made("text", { x: cx, y: cy, fill: p.seen ? ink(p.colour) : "#000" }, String(p.number)));
    if (numbered) node.addEventListener("pointerdown", event => hold(event, p, node));
    node.addEventListener("keydown", event => key(event, p));
    return node;
  }

  function hold(event, p, node) {                          // a click selects; in correct mode a drag carries the point along
    event.preventDefault(); event.stopPropagation();
    node.focus({ preventScroll: true });
    const start = place(event), by = e => place(e).map((v, i) => v - start[i]);
    let dragged = false;
    const follow = e => {
      const [dx, dy] = by(e);
      if (correcting() && (dragged ||= Math.hypot(dx, dy) > .004)) node.setAttribute("transform", `translate(${dx * SIDE} ${dy * SIDE})`);
    };
    const drop = e => {
      svg.removeEventListener("pointermove", follow); svg.removeEventListener("pointerup", drop); svg.releasePointerCapture(e.pointerId);
      say("selected", p.name);
      if (dragged) move(p.name, p.x + by(e)[0], p.y + by(e)[1]);
    };
    svg.setPointerCapture(event.pointerId);
    svg.addEventListener("pointermove", follow); svg.addEventListener("pointerup", drop);
  }

  function key(event, p) {                                 // Enter selects; arrows move, Delete says that the point is hidden
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key], step = event.shiftKey ? .02 : .004;
    if (event.key === "Enter" || event.key === " ") say("selected", p.name);
    else if (way && correcting()) move(p.name, p.x + step * way[0], p.y + step * way[1]);
    else if (event.key === "Delete" && correcting()) move(p.name, null, null);
    else return;
    event.preventDefault();
  }
  svg.addEventListener("click", event => {                 // beside all points, a click puts the selected one there
    if (correcting() && get("selected") && !event.target.closest("g[data-key]")) move(get("selected"), ...place(event));
  });

  const drawPoints = again(() => {
    const points = get("points"), at = apart(points);
    svg.classList.toggle("correct", correcting());
    layer.replaceChildren(...points.map((p, i) => drawPoint(p, at[i])));
    const chosen = layer.querySelector(".chosen");
    if (chosen) layer.append(chosen);                      // on top of the others
  });

  const drawList = again(() => {
    const top = list.scrollTop, hidden = new Set(get("hidden"));
    const head = made("div", { class: "row head" }, ...["", "", "name", "quality", "seen"].map(t => made("span", {}, t)));
    list.replaceChildren(head, ...get("rows").map(r => {
      const toggle = () => say("hidden", hidden.has(r.name) ? [...hidden].filter(n => n !== r.name) : [...hidden, r.name]);
      const box = made("input", { type: "checkbox", "aria-label": `show ${r.name}`, "data-key": `show ${r.name}`, onchange: toggle });
      box.checked = !hidden.has(r.name);
      const name = made("input", { type: "text", "aria-label": `name of ${r.name}`, "data-key": `name ${r.number}`,
        onchange: e => { say("renamed", { name: r.name, to: e.target.value, at: Date.now() }); e.target.value = r.name; } });
      name.value = r.name;
      const bar = made("span", { class: `bar ${r.low ? "low" : ""}`, title: r.tip },
        ...(r.quality == null ? [] : [made("i", {}, made("b", { style: `width: ${100 * r.quality}%` }))]), r.text);
      return made("div", { class: `row ${r.name === get("selected") ? "chosen" : ""}`, "data-name": r.name,
        onclick: e => { if (e.target !== box && get("selected") !== r.name) say("selected", r.name); } },
        box, made("span", { class: "number", style: `background: ${r.colour}; color: ${ink(r.colour)}` }, String(r.number)), name, bar, made("span", {}, `${Math.round(100 * r.seen)} %`));
    }));
    list.scrollTop = top;
  });

  const drawStrip = again(() => {
    forget("closeups");
    const near = get("closeups");
    heading.textContent = get("heading");
    strip.replaceChildren(...near.map((c, i) => made("button", { title: c.title, "aria-label": c.title, "data-key": `closeup ${i}`,
      class: c.picture === get("picture") ? "here" : "", onclick: () => say("picture", c.picture) },
      made("img", { src: address(c.look, "closeups"), alt: "" }), made("span", {}, String(c.picture + 1)))));
  });

  const drawn = { look: drawPicture, title: drawPicture, points: drawPoints, mode: drawPoints, rows: drawList, hidden: drawList, closeups: drawStrip,
    picture: drawStrip, heading: drawStrip };
  for (const [name, draw] of Object.entries(drawn)) { model.on(`change:${name}`, draw); }
  model.on("change:selected", () => { drawPoints(); drawList(); });
  drawPicture(); drawPoints(); drawList(); drawStrip();
  return () => { forget("look"); forget("closeups"); };
}

export default { render };
