// Told: {columns: [name], rows: [{id, title, cells: [[kind, text]]}], ticked: [[row, column]], words}. Answers at once; Python is told when the hand rests.
// One stop for the Tab key: arrows walk through cells, heads and links. What is ticked, and where one stands, is known by name, as rows come and go.
const QUIET = 150, LEAP = 10;     // ms; rows

const nameOf = (row, column) => JSON.stringify([row, column]);

// ------------------------------------------------------------------------------------------------ what is drawn

function ticker(host, text, title, named, wanted) {
  const button = Object.assign(made("button", text), { type: "button", title, named });
  button.onclick = () => all(host, wanted);
  return button;
}

function dress(host) {
  const { columns, rows } = host.wanted, held = host.contains(document.activeElement) && document.activeElement.named;
  const head = document.createElement("tr"), corner = ticker(host, "design", "Tick all, or none", "all", () => true);
  const heads = columns.map((column) => ticker(host, column, `Tick all at ${column}, or none`, `column ${column}`, (cell) => cell.column === column));
  head.append(...[corner, ...heads].map((button) => { const node = Object.assign(document.createElement("th"), { scope: "col" }); node.append(button); return node; }));
  host.querySelector("thead").replaceChildren(head);
  host.cells = rows.map((row, r) => columns.map((column, c) => {
    const cell = Object.assign(made("td"), { row: row.id, column, r, c, named: nameOf(row.id, column) });
    cell.setAttribute("role", "gridcell");
    return cell;
  }));
  host.at = [[corner, corner, ...heads], ...rows.map((row, r) => [
    ticker(host, row.id, `Tick all of ${row.id}, or none`, `row ${row.id}`, (cell) => cell.row === row.id),
    Object.assign(linked(row.title, `design?design=${encodeURIComponent(row.id)}`, () => host.follow(row.id)), { title: row.title, named: `link ${row.id}` }),
    ...host.cells[r]])];
  host.querySelector("tbody").replaceChildren(...rows.map((row, r) => {
    const line = document.createElement("tr"), own = Object.assign(document.createElement("th"), { scope: "row" }), who = made("div", "", "md-who");
    who.append(host.at[r + 1][0], host.at[r + 1][1]);
    own.append(who);
    line.append(own, ...host.cells[r]);
    return line;
  }));
  for (const one of host.at.flat()) one.tabIndex = -1;
  const here = find(host, host.here) ?? host.cells[0]?.[0] ?? corner;
  here.tabIndex = 0;
  const again = held && find(host, held);
  if (again) stand(host, again);      // who is in it by keyboard stays where they are
}

// What stands in the cells, without making them anew.
function fill(host) {
  host.querySelector("table").setAttribute("aria-label", host.wanted.words);
  host.wanted.rows.forEach((row, r) => row.cells.forEach(([kind, text], c) => {
    const cell = host.cells[r][c];
    cell.textContent = text;
    cell.dataset.kind = kind;
    cell.setAttribute("aria-label", `${row.id} at ${cell.column}: ${text}${row.title === row.id ? "" : `, ${row.title}`}`);
  }));
  host.style.setProperty("--first", `${host.querySelector("thead th")?.offsetWidth ?? 0}px`);
  mark(host);
}

function mark(host) {
  for (const cell of host.cells.flat()) cell.setAttribute("aria-selected", host.ticked.has(cell.named));
}

// ------------------------------------------------------------------------------------------------ what is ticked

function tell(host) {
  mark(host);
  clearTimeout(host.waiting);
  host.waiting = setTimeout(() => host.send([...host.ticked].map((name) => JSON.parse(name))), QUIET);
}

// All that are wanted are ticked, or, when they are already, none of them is.
function all(host, wanted) {
  const some = host.cells.flat().filter(wanted), on = !some.every((cell) => host.ticked.has(cell.named));
  for (const cell of some) host.ticked[on ? "add" : "delete"](cell.named);
  host.span = null;
  tell(host);
}

// The rectangle from where it began to here, over what was ticked before. `span`: {from, before, on}.
function stretch(host, to) {
  const { from, before, on } = host.span, start = find(host, from), between = (x, a, b) => x >= Math.min(a, b) && x <= Math.max(a, b);
  host.ticked = new Set(before);
  for (const cell of host.cells.flat()) if (between(cell.r, start.r, to.r) && between(cell.c, start.c, to.c)) host.ticked[on ? "add" : "delete"](cell.named);
  tell(host);
}

// A rectangle goes on from where it began, as long as that is in sight; else one begins here.
function begin(host, cell, further, on) {
  if (!further || !host.span || !find(host, host.span.from)) host.span = { from: cell.named, before: new Set(host.ticked), on };
}

function press(host, cell, further) {
  begin(host, cell, further, !host.ticked.has(cell.named));
  stretch(host, cell);
  stand(host, cell);
}

// ------------------------------------------------------------------------------------------------ where one stands

const find = (host, named) => host.at.flat().find((one) => one.named === named);

function stand(host, one) {
  for (const other of host.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  one.tabIndex = 0;
  one.focus();
  host.here = one.named;
}

function walk(host, from, e) {
  const r = host.at.findIndex((row) => row.includes(from)), row = host.at[r], c = row.lastIndexOf(from), last = host.at.length - 1, end = row.length - 1;
  const line = (to) => host.at[Math.max(0, Math.min(last, to))], beside = (to) => row[Math.max(0, Math.min(end, to))];
  const far = e.ctrlKey || e.metaKey;
  switch (e.key) {
    case "ArrowUp": return line(far ? 1 : r - 1)[c];
    case "ArrowDown": return line(far ? last : r + 1)[c];
    case "ArrowLeft": return r === 0 && c <= 2 ? row[0] : beside(far ? 0 : c - 1);
    case "ArrowRight": return beside(far ? end : c + 1);
    case "Home": return far ? host.at[Math.min(1, last)][2] ?? row[0] : row[0];
    case "End": return far ? host.at[last].at(-1) : row[end];
    case "PageUp": return line(Math.max(1, r - LEAP))[c];
    case "PageDown": return line(r + LEAP)[c];
  }
  return null;
}

function listen(host) {
  const cellOf = (e) => { const cell = e.target.closest?.('td[role="gridcell"]'); return cell && host.contains(cell) ? cell : null; };
  let drags = false, heard = false;
  host.addEventListener("pointerdown", (e) => {
    const cell = cellOf(e);
    if (!cell || e.button || e.pointerType === "touch") return;     // a finger scrolls; its tap is heard as a click
    e.preventDefault();
    drags = heard = true;
    press(host, cell, e.shiftKey);
  });
  host.addEventListener("pointerover", (e) => {
    drags &&= Boolean(e.buttons & 1);
    const cell = drags && cellOf(e);
    if (cell) stretch(host, cell);
  });
  host.addEventListener("click", (e) => { const cell = cellOf(e); if (cell && !heard) press(host, cell, e.shiftKey); });      // a tap, a screen reader's press
  const end = () => { drags = false; setTimeout(() => { heard = false; }); };
  for (const kind of ["pointerup", "pointercancel"]) window.addEventListener(kind, end);
  host.addEventListener("focusin", (e) => { if (e.target.named) host.here = e.target.named; });
  host.addEventListener("keydown", (e) => {
    const one = e.target, cell = cellOf(e);
    if (!one.named || e.altKey) return;
    const next = walk(host, one, e);
    if (next) {
      if (e.shiftKey && cell && next.row) {
        begin(host, cell, true, true);
        stretch(host, next);
      } else host.span = null;
      stand(host, next);
    } else if (cell && (e.key === " " || e.key === "Enter")) press(host, cell, false);
    else if (e.key === "Escape" && host.ticked.size) { host.ticked.clear(); host.span = null; tell(host); }
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  return () => { for (const kind of ["pointerup", "pointercancel"]) window.removeEventListener(kind, end); clearTimeout(host.waiting); };
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const host = parentElement.querySelector(".md-cells");
  host.wanted = data;
  host.send = (ticked) => setStateValue("ticked", ticked);
  host.follow = (id) => setTriggerValue("followed", id);
  host.ticked ??= new Set(data.ticked.map(([row, column]) => nameOf(row, column)));
  const frame = JSON.stringify([data.columns, data.rows.map((row) => [row.id, row.title])]), drawn = JSON.stringify(data.rows);
  if (host.frame !== frame) { host.frame = frame; dress(host); host.drawn = ""; }
  if (host.drawn !== drawn) { host.drawn = drawn; fill(host); }
  host.deaf ??= listen(host);
  return () => { host.deaf?.(); host.deaf = undefined; };
}
