// What is known of the tree on the screen: columns by design in the order of their coming, who descends from whom, and which are to be seen.
const MARKS = { refused: 1, failed: 2, superseded: 4, pruned: 8 };

function model() {
  return { n: 0, ids: [], index: new Map(), parents: [], children: [], x: [], y: [], ticks: [], paint: null, hover: null, stamp: {},
    standing: null, statuses: [], status: [], ghost: [], reach: [], ratings: [], scores: {}, notes: {}, tags: {}, signs: [],
    selected: -1, chosen: new Set(), collapsed: new Set(), fits: null, found: null, upTo: Infinity, ghosts: true, seq: 0,
    seen: new Uint8Array(0), near: null, view: null, home: null };
}

// A new version of the tree: what was folded or chosen stays by name.
function takeStructure(m, s) {
  const folded = [...m.collapsed].map((i) => m.ids[i]), chosen = [...m.chosen].map((i) => m.ids[i]), selected = m.ids[m.selected];
  const all = m.upTo >= m.n;
  Object.assign(m, s, { n: s.ids.length, index: new Map(s.ids.map((id, i) => [id, i])), seen: new Uint8Array(s.ids.length) });
  m.children = Array.from({ length: m.n }, () => []);
  m.parents.forEach((own, child) => own.forEach((p) => m.children[p].push(child)));
  m.collapsed = new Set(folded.map((id) => m.index.get(id)).filter((i) => i !== undefined));
  m.chosen = new Set(chosen.map((id) => m.index.get(id)).filter((i) => i !== undefined));
  m.selected = m.index.get(selected) ?? -1;
  if (all) m.upTo = Infinity;
  m.found = null;
}

function takePlaces(m, p) {
  m.x = Float64Array.from(p.x); m.y = Float64Array.from(p.y); m.ticks = p.ticks; m.layers = p.title;
  let low = Infinity, high = -Infinity;
  for (const y of m.y) { low = Math.min(low, y); high = Math.max(high, y); }
  const room = Math.max(0.6, 0.03 * (high - low));
  m.home = { x0: -0.02, x1: 1.02, y0: low - room, y1: high + room };
  m.gap = p.gap;
}

// Where a design stands to the selected one: 1 it is the one, 2 an ancestor, 3 a descendant, 0 neither.
function lineage(m) {
  if (m.selected < 0) { m.near = null; return; }
  m.near = new Uint8Array(m.n);
  for (const [edges, mark] of [[m.parents, 2], [m.children, 3]]) {
    const stack = [m.selected];
    while (stack.length) for (const next of edges[stack.pop()]) if (!m.near[next]) { m.near[next] = mark; stack.push(next); }
  }
  m.near[m.selected] = 1;
}

// 0 not drawn, 1 drawn faintly (it does not fit filters or search), 2 drawn.
function see(m) {
  const under = new Uint8Array(m.n), fits = m.fits, found = m.found;
  m.folded = new Map();
  for (let i = 0; i < m.n; i++) {
    const own = m.parents[i];
    under[i] = own.length && own.every((p) => under[p] || m.collapsed.has(p)) ? 1 : 0;
    if (under[i]) { m.seen[i] = 0; continue; }
    const hidden = i >= m.upTo || (!m.ghosts && m.ghost[i] && i !== m.selected);
    m.seen[i] = hidden ? 0 : (fits && !fits.has(i)) || (found && !found.has(i)) ? 1 : 2;
  }
  for (const root of m.collapsed) {
    const met = new Set(), stack = [root];
    while (stack.length) for (const next of m.children[stack.pop()]) if (under[next] && !met.has(next)) { met.add(next); stack.push(next); }
    m.folded.set(root, met.size);
  }
}

function search(m, words) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  m.found = null;
  if (!parts.length) return;
  m.found = new Set();
  for (let i = 0; i < m.n; i++) {
    const text = `${m.ids[i]} ${m.titles[i]} ${m.authors[m.author[i]]} ${m.hover?.summaries[i] ?? ""} ${(m.tags[i] || []).join(" ")}`.toLowerCase();
    if (parts.every((part) => text.includes(part))) m.found.add(i);
  }
}

// The next design on a walk: up to a parent, down to a child, sideways along the layer. −1 where there is none.
function walk(m, way) {
  const visible = (i) => m.seen[i] === 2, from = m.selected;
  if (from < 0) { for (let i = 0; i < m.n; i++) if (visible(i)) return i; return -1; }
  const closest = (group) => group.filter(visible).sort((a, b) => Math.abs(m.x[a] - m.x[from]) - Math.abs(m.x[b] - m.x[from]))[0] ?? -1;
  if (way === "up") return closest(m.parents[from]);
  if (way === "down") return closest(m.children[from]);
  let best = -1;
  for (let i = 0; i < m.n; i++) {
    if (i === from || !visible(i) || m.layer[i] !== m.layer[from]) continue;
    const [dx, dy] = [m.x[i] - m.x[from], m.y[from] - m.y[i]], ahead = dx > 1e-9 || (Math.abs(dx) <= 1e-9 && dy > 1e-9);
    if ((way === "right") !== ahead) continue;
    const better = best < 0 || Math.abs(m.x[i] - m.x[from]) < Math.abs(m.x[best] - m.x[from]) - 1e-9 ||
      (Math.abs(Math.abs(m.x[i] - m.x[from]) - Math.abs(m.x[best] - m.x[from])) < 1e-9 && Math.abs(m.y[i] - m.y[from]) < Math.abs(m.y[best] - m.y[from]));
    if (better) best = i;
  }
  return best;
}
