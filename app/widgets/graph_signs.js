// What a person asked of a branch, as small signs beside its node: a pin, a triangle with the boost's factor, a cross; and how much is folded away.
// A sign lies on no other sign, on no ring and within the stage, else it is left out: the hover tells it in words.
const GLYPHS = {      // in a box of 10 by 10
  pinned: "M5 0a3.2 3.2 0 1 1 0 6.4a3.2 3.2 0 1 1 0-6.4zM4.3 6h1.4v4h-1.4z", boosted: "M5 .8l5 8.4h-10z", damped: "M5 9.2l-5-8.4h10z",
  pruned: "M1.6 0L5 3.4 8.4 0 10 1.6 6.6 5 10 8.4 8.4 10 5 6.6 1.6 10 0 8.4 3.4 5 0 1.6z" };
const WISHES = { pinned: "pinned", boosted: "boosted", damped: "boosted below ×1", pruned: "pruned" };
const CELL = 2, NODE = 1, TAKEN = 2;      // the stage in cells of so many pixels: what lies on each
const SIGN = 8, APART = 2;                // pixels: a sign's height, and between its parts
const MOST = 1000, MOST_OVER = 60;        // signs; those that may cover other nodes where these leave no gap

// [which kind of sign, its factor] of one design's wishes.
function wishes([, pinned, boost, pruned]) {
  return [pinned && ["pinned", ""], boost !== 1 && [boost > 1 ? "boosted" : "damped", `×${boost}`], pruned && ["pruned", ""]].filter(Boolean);
}
const inWords = (wish) => wishes(wish).map(([kind, factor]) => (factor ? `boosted ${factor}` : WISHES[kind])).join(", ");

function roomOf(box) {
  const w = Math.ceil(box.width / CELL), h = Math.ceil(box.height / CELL);
  return { w, h, cells: new Uint8Array(w * h), left: box.l > 12 ? box.l : 2, right: box.width - 3, top: 2, bottom: box.height - 3 };      // left of it stand the names of the layers
}

function eachRow(room, y0, y1, does) {
  for (let row = Math.max(0, Math.floor(y0 / CELL)); row <= Math.min(room.h - 1, Math.floor(y1 / CELL)); row++) if (does(row)) return true;
  return false;
}

function fillRow(room, row, x0, x1, what) {
  const end = row * room.w + Math.min(room.w - 1, Math.floor(x1 / CELL));
  for (let at = row * room.w + Math.max(0, Math.floor(x0 / CELL)); at <= end; at++) room.cells[at] |= what;
}

function fillDisc(room, x, y, r, what) {
  eachRow(room, y - r, y + r, (row) => {
    const away = Math.max(0, Math.abs((row + 0.5) * CELL - y) - CELL / 2), half = Math.sqrt(Math.max(0, r * r - away * away));
    fillRow(room, row, x - half, x + half, what);
  });
}

const fillBox = (room, [x0, y0, x1, y1], what) => eachRow(room, y0, y1, (row) => fillRow(room, row, x0, x1, what));

function isFree(room, [x0, y0, x1, y1], of) {
  if (x0 < room.left || x1 > room.right || y0 < room.top || y1 > room.bottom) return false;
  const from = Math.floor(x0 / CELL), to = Math.floor(x1 / CELL);
  return !eachRow(room, y0, y1, (row) => {
    for (let at = row * room.w + from; at <= row * room.w + to; at++) if (room.cells[at] & of) return true;
    return false;
  });
}

// How far a node's rings reach: as they are, and with the hand over it.
function reachOf(m, i, r) {
  const chosen = m.chosen.has(i);
  return r * 1.15 + (i === m.selected ? (chosen ? 7.5 : 4) : chosen ? 4.5 : 2.5);
}

function spot(m, room, where, i, r, w) {
  const x = m.X[i], y = m.Y[i], off = reachOf(m, i, r) + CELL, across = Math.max(room.left, Math.min(room.right - w, x - w / 2)), half = SIGN / 2;
  return { above: [across, y - off - SIGN, across + w, y - off], below: [across, y + off, across + w, y + off + SIGN],
    right: [x + off, y - half, x + off + w, y + half], left: [x - off - w, y - half, x - off, y + half] }[where];
}

// Where each of them goes; null when one finds no place and all are `asked` for.
function place(m, s, room, signs, form, asked) {
  const placed = [];
  let over = 0;
  for (const sign of signs) {
    const r = radius(m, s, sign.i), w = sign[form].width, at = (of) => (asked ? sign.spots.slice(0, 1) : sign.spots).map((where) => spot(m, room, where, sign.i, r, w)).find((box) => isFree(room, box, of));
    const free = at(NODE | TAKEN), found = free ?? (asked || over >= MOST_OVER ? undefined : at(TAKEN));
    if (!found) { if (asked) return null; continue; }
    if (!free) over++;
    fillBox(room, found, TAKEN);
    placed.push({ i: sign.i, box: found, parts: sign[form].parts });
  }
  return placed;
}

function paintSigns(m, c, s, box, ink) {
  const room = (m.room = roomOf(box)), signs = signsOf(m, c, box, ink);
  for (const i of m.selected < 0 ? m.chosen : [...m.chosen, m.selected]) if (m.inside[i]) fillDisc(room, m.X[i], m.Y[i], reachOf(m, i, radius(m, s, i)), TAKEN);
  m.placed = [];
  if (!signs.length) return;
  for (let i = 0; i < m.n; i++) if (m.inside[i]) fillDisc(room, m.X[i], m.Y[i], radius(m, s, i), NODE);
  const before = room.cells.slice();
  m.placed = place(m, s, room, signs, "long", true);
  if (!m.placed) { room.cells.set(before); m.placed = place(m, s, room, signs, "short", false); }      // all without their factors, so that they look alike
  for (const sign of m.placed) {
    c.globalAlpha = m.seen[sign.i] === 1 || (m.near && !m.near[sign.i]) ? 0.45 : 1;
    draw(c, sign, ink);
  }
  c.globalAlpha = 1;
}

// Those in sight: the selected one's first, then of the chosen, then of its lineage.
function signsOf(m, c, box, ink) {
  const within = (i) => m.inside[i] && m.X[i] > box.l - 12 && m.X[i] < box.width && m.Y[i] > 0 && m.Y[i] < box.height, rank = (i) => (i === m.selected ? 0 : m.chosen.has(i) ? 1 : m.near?.[i] ? 2 : 3);
  c.font = `600 10px ${ink.font}`; c.textAlign = "left"; c.textBaseline = "middle";
  const widths = new Map(), wide = (text) => widths.get(text) ?? widths.set(text, c.measureText(text).width).get(text);
  const form = (parts) => ({ parts, width: parts.reduce((sum, [glyph, text]) => sum + (glyph ? SIGN : 0) + (text ? wide(text) + (glyph ? 1 : 0) : 0), APART * (parts.length - 1)) });
  const made = [];
  for (const wish of m.signs) if (within(wish[0])) { const parts = wishes(wish); made.push({ i: wish[0], long: form(parts), short: form(parts.map(([kind]) => [kind, ""])), spots: ["above", "right", "left", "below"] }); }
  for (const [i, hidden] of m.folded) if (within(i)) { const count = form([["", `+${hidden}`]]); made.push({ i, long: count, short: count, spots: ["right", "left", "above", "below"] }); }
  return made.sort((a, b) => rank(a.i) - rank(b.i)).slice(0, MOST);
}

function draw(c, { box, parts }, ink) {
  let x = box[0];
  for (const [glyph, text] of parts) {
    if (glyph) {
      c.save();
      c.translate(x, box[1]); c.scale(SIGN / 10, SIGN / 10);
      const path = new Path2D(GLYPHS[glyph]);
      c.lineWidth = 3; c.lineJoin = "round"; c.strokeStyle = ink.paper; c.stroke(path);
      c.fillStyle = ink.text; c.fill(path);
      c.restore();
      x += SIGN + 1;
    }
    if (text) { write(c, text, x, (box[1] + box[3]) / 2, ink); x += c.measureText(text).width + 1; }
    x += APART - 1;
  }
}

// What the signs on the screen mean.
function signLegend(m) {
  const shown = new Set(m.signs.flatMap((wish) => wishes(wish).map(([kind]) => kind)));
  return Object.keys(GLYPHS).filter((kind) => shown.has(kind)).map((kind) => {
    const chip = element("span", "md-chip md-sign"), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 10 10"); svg.setAttribute("width", "10"); svg.setAttribute("height", "10"); svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", GLYPHS[kind]); path.setAttribute("fill", "currentColor");
    svg.append(path);
    chip.append(svg, element("span", "", WISHES[kind]));
    return chip;
  });
}
