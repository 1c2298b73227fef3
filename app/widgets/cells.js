// Told: {columns: [name], rows: [{id, title, cells: [[kind, text]]}], ticked: [[row, column]], words}. Answers at once; Python is told when the hand rests.
const QUIET = 150;     // ms

function made(kind, text = "", className = "") {
  const node = document.createElement(kind);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

const nameOf = (row, column) => JSON.stringify([row, column]);

function dress(host) {
  const { columns, rows, words } = host.wanted, table = host.querySelector("table"), head = document.createElement("tr"), held = host.querySelector("tbody").contains(document.activeElement);
  table.setAttribute("aria-label", words);
  const ticker = (scope, text, title, wanted) => {
    const node = Object.assign(document.createElement("th"), { scope }), button = Object.assign(made("button", text), { type: "button", title });
    button.onclick = () => all(host, wanted);
    node.append(button);
    return node;
  };
  head.append(ticker("col", "design", "Tick all, or none", () => true), made("td", "", "md-of"), ...columns.map((column, c) => ticker("col", column, `Tick all at ${column}, or none`, (at) => at.c === c)));
  host.querySelector("thead").replaceChildren(head);
  host.at = [];
  host.querySelector("tbody").replaceChildren(...rows.map((row, r) => {
    const line = document.createElement("tr"), of = made("td", "", "md-of"), link = made("a", row.title);
    link.href = `design?design=${encodeURIComponent(row.id)}`;
    link.title = row.title;
    link.onclick = (e) => {
      if (e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
      e.preventDefault();
      host.follow(row.id);
    };
    of.append(link);
    line.append(ticker("row", row.id, `Tick all of ${row.id}, or none`, (at) => at.r === r), of);
    host.at.push(row.cells.map(([kind, text], c) => {
      const cell = made("td", text);
      cell.setAttribute("role", "gridcell");
      cell.dataset.kind = kind;
      cell.setAttribute("aria-label", `${row.id} at ${columns[c]}: ${text}`);
      cell.tabIndex = -1;
      return Object.assign(cell, { r, c, named: nameOf(row.id, columns[c]) });
    }));
    line.append(...host.at[r]);
    return line;
  }));
  const first = host.at[host.here?.r]?.[host.here?.c] ?? host.at[0]?.[0];
  if (first) first.tabIndex = 0;
  if (held) first?.focus({ preventScroll: true });        // who is in it by keyboard stays there
}

function paint(host) {
  for (const row of host.at) for (const cell of row) cell.setAttribute("aria-selected", host.ticked.has(cell.named));
}

function tell(host) {
  paint(host);
  clearTimeout(host.waiting);
  host.waiting = setTimeout(() => host.send([...host.ticked].map((name) => JSON.parse(name))), QUIET);
}

// All that are wanted are ticked, or, when they are already, none of them is.
function all(host, wanted) {
  const some = host.at.flat().filter(wanted), on = !some.every((cell) => host.ticked.has(cell.named));
  for (const cell of some) host.ticked[on ? "add" : "delete"](cell.named);
  tell(host);
}

// The rectangle from `from` to `to`, over what was ticked before.
function stretch(host, from, to, before, on) {
  host.ticked = new Set(before);
  const [top, bottom] = [Math.min(from.r, to.r), Math.max(from.r, to.r)], [left, right] = [Math.min(from.c, to.c), Math.max(from.c, to.c)];
  for (let r = top; r <= bottom; r++) for (let c = left; c <= right; c++) host.ticked[on ? "add" : "delete"](host.at[r][c].named);
  tell(host);
}

function stand(host, cell) {
  for (const other of host.querySelectorAll('td[tabindex="0"]')) other.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus();
  host.here = { r: cell.r, c: cell.c };
}

function listen(host) {
  const cellOf = (e) => e.target.closest?.('td[role="gridcell"]');
  let drag = null, anchor = null;
  const begin = (cell, further) => {
    const from = further && anchor && host.at[anchor.r]?.[anchor.c] ? anchor : { r: cell.r, c: cell.c }, before = new Set(host.ticked), on = further || !host.ticked.has(cell.named);
    anchor = from;
    stretch(host, from, cell, before, on);
    stand(host, cell);
    return { from, before, on };
  };
  host.addEventListener("pointerdown", (e) => {
    const cell = cellOf(e);
    if (!cell || e.button || e.pointerType === "touch") return;     // a finger scrolls; its tap is heard as a click
    e.preventDefault();
    drag = begin(cell, e.shiftKey);
  });
  host.addEventListener("pointerover", (e) => { const cell = drag && cellOf(e); if (cell) stretch(host, drag.from, cell, drag.before, drag.on); });
  host.addEventListener("click", (e) => { const cell = cellOf(e); if (cell && e.pointerType === "touch") begin(cell, false); });
  const end = () => { drag = null; };
  window.addEventListener("pointerup", end);
  host.addEventListener("keydown", (e) => {
    const cell = cellOf(e), step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (!cell || e.ctrlKey || e.metaKey || e.altKey) return;
    if (step) {
      const next = host.at[cell.r + step[0]]?.[cell.c + step[1]];
      if (next && e.shiftKey) { anchor ??= { r: cell.r, c: cell.c }; stretch(host, anchor, next, host.ticked, true); }
      if (next) { if (!e.shiftKey) anchor = { r: next.r, c: next.c }; stand(host, next); }
    } else if (e.key === " " || e.key === "Enter") begin(cell, false);
    else if (e.key === "Escape" && host.ticked.size) { host.ticked.clear(); tell(host); }
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  return () => { window.removeEventListener("pointerup", end); clearTimeout(host.waiting); };
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const host = parentElement.querySelector(".md-cells");
  host.wanted = data;
  host.send = (ticked) => setStateValue("ticked", ticked);
  host.follow = (id) => setTriggerValue("followed", id);
  host.ticked ??= new Set(data.ticked.map(([row, column]) => nameOf(row, column)));
  const drawn = JSON.stringify([data.words, data.columns, data.rows]);
  if (host.drawn !== drawn) {      // what stands there stays when the page runs again, and so does who is in it
    host.drawn = drawn;
    dress(host);
    paint(host);
  }
  host.deaf ??= listen(host);
  return () => { host.deaf?.(); host.deaf = undefined; };
}
