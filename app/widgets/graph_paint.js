// The picture: edges, nodes and labels on one canvas, what changes with every move of the hand on another above it.
const RING = "#CC79A7", ABOVE = "#D55E00", BELOW = "#0072B2", UNKNOWN = "#b8c0c8", EDGE = "rgba(128,140,155,0.42)";
const VIRIDIS = [[253, 231, 37], [94, 201, 98], [33, 145, 140], [59, 82, 139], [68, 1, 84]];
const STEPS = 24;

function shade(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (VIRIDIS.length - 1), k = Math.floor(at), t = at - k;
  return `rgb(${VIRIDIS[k].map((c, j) => Math.round(c + t * (VIRIDIS[k + 1][j] - c))).join(",")})`;
}

// The bins of colour that nodes are drawn in: [colour, which designs].
function bins(m) {
  const p = m.paint, made = new Map(), put = (colour, i) => (made.get(colour) ?? made.set(colour, []).get(colour)).push(i);
  for (let i = 0; i < m.n; i++) {
    const v = p.values[i];
    if (p.colours) put(p.colours[v] ?? UNKNOWN, i);
    else put(v === null ? UNKNOWN : shade(Math.round(((v - p.low) / (p.high - p.low || 1)) * STEPS) / STEPS), i);
  }
  m.bins = [...made].map(([colour, members]) => [colour, Int32Array.from(members)]);
}

function scaleOf(m, box) {
  const v = m.view, kx = box.w / (v.x1 - v.x0), ky = box.h / (v.y1 - v.y0);
  return { kx, ky, ox: box.l, oy: box.t, v, r: Math.max(1.6, Math.min(9, 0.36 * m.gap.x * kx, 0.36 * m.gap.y * ky)) };
}
const px = (s, x) => s.ox + (x - s.v.x0) * s.kx;
const py = (s, y) => s.oy + (s.v.y1 - y) * s.ky;

function radius(m, s, i) {
  return s.r * (1 + 0.2 * Math.min(4, m.reach[i]));
}

function shape(c, kind, x, y, r) {
  if (kind === 0) c.rect(x - r * 0.88, y - r * 0.88, r * 1.76, r * 1.76);
  else if (kind === 2) { c.moveTo(x, y - r * 1.2); c.lineTo(x + r * 1.2, y); c.lineTo(x, y + r * 1.2); c.lineTo(x - r * 1.2, y); c.closePath(); }
  else { c.moveTo(x + r, y); c.arc(x, y, r, 0, 6.2832); }
}

function paintBase(m, c, box, ink) {
  const s = scaleOf(m, box), { x, y, seen, near } = m, right = box.l + box.w + 20, bottom = box.t + box.h + 20;
  c.clearRect(0, 0, box.width, box.height);
  c.save();
  c.beginPath(); c.rect(box.l - 14, 0, box.w + 28, box.height); c.clip();
  const X = new Float32Array(m.n), Y = new Float32Array(m.n), inside = new Uint8Array(m.n);
  let count = 0;
  for (let i = 0; i < m.n; i++) {
    X[i] = px(s, x[i]); Y[i] = py(s, y[i]);
    inside[i] = seen[i] && X[i] > -20 && X[i] < right && Y[i] > -20 && Y[i] < bottom ? 1 : 0;
    if (inside[i] && seen[i] === 2) count++;
  }
  Object.assign(m, { X, Y, inside });
  paintEdges(m, c, box, near);
  for (const [colour, members] of m.bins) for (const faint of [true, false]) paintNodes(m, c, s, members, colour, faint, ink);
  paintSigns(m, c, s, box, ink);
  paintLabels(m, c, s, box, ink, count);
  c.restore();
}

function paintEdges(m, c, box, near) {
  const { X, Y, seen } = m, many = m.n > 2500, far = box.l + box.w, low = box.t + box.h;
  const trace = (wanted) => {
    c.beginPath();
    for (let child = 0; child < m.n; child++) {
      if (!seen[child]) continue;
      for (const p of m.parents[child]) {
        if (!seen[p] || !wanted(p, child)) continue;
        const x0 = X[p], y0 = Y[p], x1 = X[child], y1 = Y[child];
        if ((x0 < 0 && x1 < 0) || (x0 > far && x1 > far) || (y0 < 0 && y1 < 0) || (y0 > low && y1 > low)) continue;
        c.moveTo(x0, y0); c.lineTo(x1, y1);
      }
    }
    c.stroke();
  };
  const clear = (p, child) => seen[p] === 2 && seen[child] === 2, own = (i, mark) => near && (near[i] === mark || near[i] === 1);
  c.lineWidth = many ? 0.6 : 1;
  c.strokeStyle = EDGE;
  c.globalAlpha = near ? 0.3 : many ? Math.max(0.12, Math.min(0.55, 1500 / m.n)) : 1;
  if (!many || !(near || m.moving)) {  // thousands of edges would slow the hand
    trace((p, child) => clear(p, child) && m.parents[child].length < 2);
    if (!many) c.setLineDash([3, 3]);
    trace((p, child) => clear(p, child) && m.parents[child].length > 1);
  }
  c.setLineDash([]);
  c.globalAlpha = 1;
  if (!near) return;
  c.lineWidth = many ? 1.2 : 2;
  for (const [mark, colour] of [[2, ABOVE], [3, BELOW]]) {
    c.strokeStyle = colour;
    c.globalAlpha = Math.max(0.2, Math.min(1, 500 / near.reduce((sum, own) => sum + (own === mark), 1)));      // thousands of lines leave the nodes in sight
    trace((p, child) => (mark === 2 ? near[p] === 2 && own(child, 2) : near[child] === 3 && own(p, 3)));
  }
  c.globalAlpha = 1;
}

function paintNodes(m, c, s, members, colour, faint, ink) {
  const { X, Y, inside, seen, near, ghost, kind } = m;
  for (const hollow of [false, true]) {
    c.beginPath();
    let some = false;
    c.fillStyle = c.strokeStyle = colour;
    c.globalAlpha = (faint ? 0.2 : 1) * (hollow ? 0.5 : 1);
    for (const i of members) {
      if (!inside[i] || Boolean(ghost[i]) !== hollow || Boolean(seen[i] === 1 || (near && !near[i])) !== faint) continue;
      const r = radius(m, s, i) * (seen[i] === 1 ? 0.7 : 1);
      if (r < 2.4) {               // too small for a shape, or for dashes: thousands one by one are painted sooner than as one path
        c.fillRect(X[i] - r, Y[i] - r, 2 * r, 2 * r);
        continue;
      }
      shape(c, kind[i], X[i], Y[i], r);
      some = true;
    }
    if (!some) continue;
    c.globalAlpha = faint ? 0.2 : 1;
    if (hollow) {
      c.lineWidth = 1.6; c.setLineDash([2.5, 2]); c.stroke(); c.setLineDash([]);
      c.globalAlpha *= 0.25;
    }
    c.fill();
    if (!hollow && !faint && m.n < 2500) { c.strokeStyle = "rgba(255,255,255,0.7)"; c.lineWidth = 1; c.stroke(); }
  }
  c.globalAlpha = 1;
}

function write(c, text, x, y, ink) {
  c.lineWidth = 3; c.strokeStyle = ink.paper; c.strokeText(text, x, y);
  c.fillStyle = ink.text; c.fillText(text, x, y);
}

// Names where signs and rings leave room for them: the selected one and its lineage first.
function paintLabels(m, c, s, box, ink, count) {
  if (count > 400 && !m.near) return;
  c.font = `11px ${ink.font}`; c.textAlign = "center"; c.textBaseline = "top";
  const rows = new Map(), order = [];
  for (let i = 0; i < m.n; i++) if (m.inside[i] && m.seen[i] === 2 && (m.near && count > 80 ? m.near[i] : count <= 400 || m.chosen.has(i))) order.push(i);
  const rank = (i) => (i === m.selected ? 0 : m.chosen.has(i) ? 1 : m.near?.[i] ? 2 : 3);
  order.sort((a, b) => rank(a) - rank(b));
  for (const i of order.slice(0, 400)) {
    const name = m.kind[i] === 0 ? m.ids[i] : m.titles[i], text = name.length > 22 ? `${name.slice(0, 21)}…` : name;
    const half = c.measureText(text).width / 2 + 3, top = m.Y[i] + reachOf(m, i, radius(m, s, i)) + CELL, row = Math.round(top / 13);
    const x = m.X[i] < 0 || m.X[i] > box.width ? m.X[i] : Math.max(m.room.left + half, Math.min(m.room.right - half, m.X[i]));      // a name is not cut at the edge
    const taken = [row - 1, row, row + 1].some((r) => rows.get(r)?.some(([a, b]) => a < x + half && b > x - half));
    if (taken || !isFree(m.room, [x - half + 3, top, x + half - 3, top + 11], TAKEN)) continue;
    (rows.get(row) ?? rows.set(row, []).get(row)).push([x - half, x + half]);
    c.globalAlpha = m.near && !m.near[i] ? 0.35 : 1;
    write(c, text, x, top, ink);
  }
  c.globalAlpha = 1;
}

// Rings round what is selected, chosen or pointed at, and the shape that is being drawn.
function paintTop(m, c, box, ink, hand) {
  c.clearRect(0, 0, box.width, box.height);
  const s = scaleOf(m, box), ring = (i, colour, room, width) => {
    if (i < 0 || !m.inside[i]) return;
    const r = radius(m, s, i), thin = i === m.selected || i === hand.over ? 1 : Math.min(1, r / 6);   // many small ones in a row stay apart
    c.beginPath(); c.arc(m.X[i], m.Y[i], r * 1.15 + room * thin, 0, 6.2832);
    c.lineWidth = Math.max(1, width * thin); c.strokeStyle = colour; c.stroke();
  };
  for (const i of m.chosen) ring(i, RING, 3, 3);
  ring(m.selected, ink.text, m.chosen.has(m.selected) ? 6.5 : 3, 2);
  ring(hand.over, ink.text, 2, 1);
  if (hand.path.length > 1) {
    c.beginPath();
    if (hand.tool === "box") c.rect(hand.path[0][0], hand.path[0][1], hand.path.at(-1)[0] - hand.path[0][0], hand.path.at(-1)[1] - hand.path[0][1]);
    else { hand.path.forEach(([x, y], k) => (k ? c.lineTo(x, y) : c.moveTo(x, y))); c.closePath(); }
    c.fillStyle = "rgba(204,121,167,0.15)"; c.fill(); c.strokeStyle = RING; c.lineWidth = 1.5; c.stroke();
  }
}

// The whole tree in a corner, and what of it is in sight.
function paintMap(m, canvas) {
  const v = m.view, h = m.home, zoomed = v.x1 - v.x0 < 0.97 * (h.x1 - h.x0) || v.y1 - v.y0 < 0.97 * (h.y1 - h.y0);
  canvas.hidden = !zoomed;
  if (!zoomed) return;
  const c = canvas.getContext("2d"), w = canvas.width, t = canvas.height, sx = w / (h.x1 - h.x0), sy = t / (h.y1 - h.y0);
  c.clearRect(0, 0, w, t);
  for (const [colour, members] of m.bins) {
    c.fillStyle = colour;
    for (const i of members) if (m.seen[i] === 2) c.fillRect((m.x[i] - h.x0) * sx - 1, (h.y1 - m.y[i]) * sy - 1, 2, 2);
  }
  c.strokeStyle = RING; c.lineWidth = 2;
  c.strokeRect((v.x0 - h.x0) * sx, (h.y1 - v.y1) * sy, (v.x1 - v.x0) * sx, (v.y1 - v.y0) * sy);
}
