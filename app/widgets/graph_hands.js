// What the hand does: point, pick, drag, draw round several, walk with the keys. Everything answers at once; Python is told afterwards.
const KEYS = [["↑ ↓ ← →", "parent, child, neighbours in the layer"], ["Enter", "open the design"], ["Space", "choose it, or not"], ["z", "fold or unfold what descends from it"],
  ["f", "fit all in sight"], ["+ −", "zoom"], ["g", "ghosts"], ["/", "search"], ["Esc", "let go"], ["drag", "move; with Shift draw a box, with Alt a lasso"], ["Ctrl-click", "choose several"]];

function hitAt(m, box, x, y) {
  const s = scaleOf(m, box);
  let best = -1, least = Infinity;
  for (let i = 0; i < m.n; i++) {
    if (!m.inside?.[i] || m.seen[i] !== 2) continue;
    const d = (m.X[i] - x) ** 2 + (m.Y[i] - y) ** 2, r = Math.max(6, radius(m, s, i) + 3);
    if (d < least && d <= r * r) { least = d; best = i; }
  }
  return best;
}

function within(path, tool, x, y) {
  if (tool === "box") {
    const [[x0, y0], [x1, y1]] = [path[0], path.at(-1)];
    return x >= Math.min(x0, x1) && x <= Math.max(x0, x1) && y >= Math.min(y0, y1) && y <= Math.max(y0, y1);
  }
  let odd = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
    const [[xi, yi], [xj, yj]] = [path[i], path[j]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

function zoom(g, factor, x, y) {
  const { m, box } = g, v = m.view, h = m.home, s = scaleOf(m, box), fx = v.x0 + (x - s.ox) / s.kx, fy = v.y1 - (y - s.oy) / s.ky;
  const width = (v.x1 - v.x0) / factor, height = (v.y1 - v.y0) / factor;
  if (width > 3 * (h.x1 - h.x0) || width < (h.x1 - h.x0) / 400) return;
  m.view = { x0: fx - (fx - v.x0) / factor, x1: fx + (v.x1 - fx) / factor, y0: fy - (fy - v.y0) / factor, y1: fy + (v.y1 - fy) / factor };
  if (m.view.x1 - m.view.x0 <= 0 || height <= 0) m.view = v;
  g.draw();
}

function fit(g, only) {
  const { m } = g, members = [];
  for (let i = 0; i < m.n; i++) if (only ? only(i) : m.seen[i] === 2) members.push(i);
  if (!members.length || members.length === m.n) { m.view = { ...m.home }; g.draw(); return; }
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const i of members) { x0 = Math.min(x0, m.x[i]); x1 = Math.max(x1, m.x[i]); y0 = Math.min(y0, m.y[i]); y1 = Math.max(y1, m.y[i]); }
  const rx = Math.max(0.08, 0.1 * (x1 - x0)), ry = Math.max(0.8, 0.1 * (y1 - y0));
  m.view = { x0: x0 - rx, x1: x1 + rx, y0: y0 - ry, y1: y1 + ry };
  g.draw();
}

// Bring a design into sight without changing how large things are.
function show(g, i) {
  const { m } = g, v = m.view, w = v.x1 - v.x0, h = v.y1 - v.y0;
  if (m.x[i] > v.x0 && m.x[i] < v.x1 && m.y[i] > v.y0 && m.y[i] < v.y1) return;
  m.view = { x0: m.x[i] - w / 2, x1: m.x[i] + w / 2, y0: m.y[i] - h / 2, y1: m.y[i] + h / 2 };
}

function pick(g, i, add) {
  const { m } = g;
  m.selected = i;
  if (add && i >= 0) m.chosen.has(i) ? m.chosen.delete(i) : m.chosen.add(i);
  lineage(m);
  if (i >= 0) show(g, i);
  g.drawTop();                       // its ring at once
  g.tell();
  requestAnimationFrame(() => requestAnimationFrame(g.draw));      // Streamlit sends a frame later: a large tree is painted while the server is at work
}

function fold(g, i) {
  const { m } = g;
  if (i < 0 || !m.children[i].length) return;
  m.collapsed.has(i) ? m.collapsed.delete(i) : m.collapsed.add(i);
  g.look();
  if (m.folded.get(i) === 0) {        // all that descends from it has another parent, which is not folded
    m.collapsed.delete(i);
    g.look();
    g.say("Nothing descends from it alone: fold the other parents too.");
  }
}

function listen(g) {
  const { m, stage, hand } = g, at = (e) => { const r = stage.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
  const fingers = new Map();
  stage.addEventListener("pointerdown", (e) => {
    if (e.button || !m.n || e.target.closest("button,input,.md-map")) return;
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(e.pointerId);
    fingers.set(e.pointerId, at(e));
    hand.down = at(e); hand.moved = false; hand.from = { ...m.view };
    hand.drawing = fingers.size > 1 ? "" : e.shiftKey ? "box" : e.altKey ? "lasso" : hand.mode === "pan" ? "" : hand.mode;
  });
  stage.addEventListener("pointermove", (e) => {
    const p = at(e);
    if (!hand.down) { point(g, hitAt(m, g.box, ...p), p); return; }
    if (fingers.size === 2 && fingers.has(e.pointerId)) { pinch(g, fingers, e.pointerId, p); return; }
    if (!hand.moved && Math.hypot(p[0] - hand.down[0], p[1] - hand.down[1]) < 4) return;
    hand.moved = true;
    m.moving = !hand.drawing;
    point(g, -1, p);
    if (hand.drawing) {
      hand.tool = hand.drawing;
      if (!hand.path.length) hand.path.push(hand.down);
      hand.drawing === "box" ? (hand.path[1] = p) : hand.path.push(p);
      g.drawTop();
    } else {
      const s = scaleOf(m, g.box), f = hand.from, dx = (p[0] - hand.down[0]) / s.kx, dy = (p[1] - hand.down[1]) / s.ky;
      m.view = { x0: f.x0 - dx, x1: f.x1 - dx, y0: f.y0 + dy, y1: f.y1 + dy };
      g.draw();
    }
  });
  const up = (e) => {
    fingers.delete(e.pointerId);
    if (!hand.down) return;
    const p = at(e), add = e.shiftKey || e.ctrlKey || e.metaKey;
    hand.down = null;
    if (m.moving) { m.moving = false; g.draw(); }
    if (hand.path.length > 1) gather(g, add && !(e.shiftKey && hand.mode === "pan"));
    else if (!hand.moved && e.type === "pointerup") { const i = hitAt(m, g.box, ...p); if (i >= 0) pick(g, i, add); }
    hand.path = [];
    g.drawTop();
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", () => point(g, -1));
  stage.addEventListener("dblclick", (e) => { const i = hitAt(m, g.box, ...at(e)); i >= 0 ? g.open(i) : fit(g); });
  stage.addEventListener("wheel", (e) => { if (!m.n) return; e.preventDefault(); zoom(g, Math.exp(-e.deltaY * (e.ctrlKey ? 0.01 : 0.0016)), ...at(e)); }, { passive: false });
  g.map.addEventListener("pointerdown", (e) => {
    const r = g.map.getBoundingClientRect(), h = m.home, v = m.view, w = (v.x1 - v.x0) / 2, t = (v.y1 - v.y0) / 2;
    const x = h.x0 + ((e.clientX - r.left) / r.width) * (h.x1 - h.x0), y = h.y1 - ((e.clientY - r.top) / r.height) * (h.y1 - h.y0);
    m.view = { x0: x - w, x1: x + w, y0: y - t, y1: y + t };
    g.draw();
  });
  // In the capturing phase: Streamlit has shortcuts of its own on some of these keys.
  const key = (e) => {
    const free = document.activeElement === document.body || stage.contains(document.activeElement);
    if (!free || e.ctrlKey || e.metaKey || e.altKey || !m.n || !stage.isConnected || document.querySelector('[role="dialog"]')) return;
    if (pressed(g, e.key)) { e.preventDefault(); e.stopImmediatePropagation(); }
  };
  window.addEventListener("keydown", key, true);
  return () => window.removeEventListener("keydown", key, true);
}

function pinch(g, fingers, id, p) {
  const [a, b] = [...fingers.values()], before = Math.hypot(a[0] - b[0], a[1] - b[1]);
  fingers.set(id, p);
  const [c, d] = [...fingers.values()];
  g.hand.moved = true;
  g.hand.from = { ...g.m.view };
  if (before > 10) zoom(g, Math.hypot(c[0] - d[0], c[1] - d[1]) / before, (c[0] + d[0]) / 2, (c[1] + d[1]) / 2);
  g.hand.down = p; g.hand.from = { ...g.m.view };
}

// All inside the box or lasso are chosen, beside the earlier ones or in their place.
function gather(g, beside) {
  const { m, hand } = g;
  if (!beside) m.chosen.clear();
  for (let i = 0; i < m.n; i++) if (m.inside[i] && m.seen[i] === 2 && within(hand.path, hand.tool, m.X[i], m.Y[i])) m.chosen.add(i);
  g.tell();
}

function point(g, i, at) {
  if (g.hand.over === i) return;
  g.hand.over = i;
  g.stage.style.cursor = i >= 0 ? "pointer" : g.hand.mode === "pan" ? "grab" : "crosshair";
  g.drawTop();
  g.tip(i, at);
}

function pressed(g, key) {
  const { m } = g, mid = [g.box.l + g.box.w / 2, g.box.t + g.box.h / 2];
  const way = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" }[key];
  if (way) { const i = walk(m, way); if (i >= 0) pick(g, i, false); return true; }
  const does = {
    Enter: () => g.open(m.selected), " ": () => m.selected >= 0 && pick(g, m.selected, true), z: () => fold(g, m.selected), f: () => fit(g),
    "+": () => zoom(g, 1.4, ...mid), "=": () => zoom(g, 1.4, ...mid), "-": () => zoom(g, 1 / 1.4, ...mid), "−": () => zoom(g, 1 / 1.4, ...mid),
    g: () => g.press("ghosts"), "/": () => g.find.focus(), "?": () => g.press("help"),
    Escape: () => { m.chosen.clear(); g.helpBox.hidden = true; pick(g, -1, false); },
  }[key];
  if (!does || (key === "Enter" && m.selected < 0)) return false;
  does();
  return true;
}
