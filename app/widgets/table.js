// A table that is sorted, searched and ticked where it is seen. It is a table of the page: its text is found, copied and read aloud as any other.
// Told: {columns: [{key, title, kind, digits, signed, error, to, help}], fields: [key], rows: [[value of each field]], total, ids, ticked, words}. Without ids nothing is ticked. Kinds: text, number, share.
// Of a long table only the first rows come at once, `total` says of how many: the others are asked for when somebody sorts, searches or goes on.
const AT_ONCE = 50, SEARCHED = 12;

const FORMATS = [];      // one is made in 0.1 ms: a table has a thousand numbers
function figures(digits) {
  return FORMATS[digits] ??= new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function words(value, { digits, signed }) {
  if (value === null) return "";
  const said = figures(digits ?? 0).format(Number(Math.abs(value).toFixed(digits ?? 0)));
  return (value < 0 ? "−" : signed ? "+" : "") + said;
}

function cell(row, column, at, follow) {
  const value = row[at[column.key]], node = document.createElement("td");
  if (column.kind === "number") {
    node.className = "md-number";
    node.textContent = words(value, column);
    const error = column.error ? row[at[column.error]] : null;
    if (value !== null && error !== null) node.append(made("span", ` ± ${words(error, { digits: column.digits })}`, "md-soft"));
  } else if (column.kind === "share" && value !== null) {
    node.className = "md-number md-share";
    node.style.setProperty("--share", `${100 * value}%`);
    node.textContent = value > 0.995 ? "> 99 %" : value < 0.005 ? "< 1 %" : `${Math.round(100 * value)} %`;     // nothing measured is certain
  } else if (column.to) {
    node.append(linked(value ?? "", row[at[column.to]], () => follow(row[at[column.to]])));
  } else {
    node.textContent = value ?? "";
    node.title = String(value ?? "");
    node.className = "md-words";
  }
  return node;
}

function inOrder(host) {
  const { columns, rows } = host.wanted, at = host.at, asked = host.asked.trim().toLowerCase();
  const texts = columns.filter((c, i) => !c.kind && (!c.to || i === 0)).map((c) => at[c.key]);
  const found = rows.map((_, i) => i).filter((i) => !asked || texts.some((t) => String(rows[i][t] ?? "").toLowerCase().includes(asked)));
  if (!host.by) return found;
  const { key, down } = host.by, place = at[key];
  const before = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  return found.sort((i, j) => {
    const [a, b] = [rows[i][place], rows[j][place]];
    if (a === null || b === null || a === "" || b === "") return (a === null || a === "") - (b === null || b === "");     // what is not known comes last, either way
    return (down ? -1 : 1) * before(a, b);
  });
}

function lacks(host) {
  if (host.wanted.total <= host.wanted.rows.length || !(host.by || host.asked.trim() || host.most > host.wanted.rows.length)) return false;
  if (host.awaited !== host.wanted.words) host.tell("whole", (host.awaited = host.wanted.words));
  return true;
}

function paint(host) {
  const waits = lacks(host), sheet = host.querySelector(".md-sheet");
  sheet.setAttribute("aria-busy", waits);
  if (waits) return;                   // what stands there stays until the rest has come
  const { columns, rows, ids, total } = host.wanted, order = inOrder(host), shown = order.slice(0, host.most);
  for (const head of host.querySelectorAll("th[data-key]")) {
    head.setAttribute("aria-sort", host.by?.key !== head.dataset.key ? "none" : host.by.down ? "descending" : "ascending");
  }
  host.querySelector("tbody").replaceChildren(...shown.map((i) => {
    const line = document.createElement("tr"), cells = columns.map((column) => cell(rows[i], column, host.at, host.follow));
    if (!ids.length) {
      line.append(...cells);
      return line;
    }
    const tick = document.createElement("input"), box = document.createElement("td");
    box.className = "md-box";
    tick.type = "checkbox";
    tick.checked = host.ticked.has(ids[i]);
    tick.setAttribute("aria-label", `choose ${rows[i][0]}`);
    tick.onchange = () => {
      host.ticked[tick.checked ? "add" : "delete"](ids[i]);
      line.className = tick.checked ? "md-ticked" : "";
      host.tell("ticked", [...host.ticked]);
    };
    line.className = tick.checked ? "md-ticked" : "";
    box.append(tick);
    line.append(box, ...cells);
    return line;
  }));
  const more = host.querySelector(".md-more"), found = host.asked.trim() ? order.length : total, left = found - shown.length;
  more.hidden = left <= 0;
  more.textContent = `Show ${Math.min(left, 4 * AT_ONCE)} more of ${found.toLocaleString("en-US")}`;
  more.onclick = () => { host.most += 4 * AT_ONCE; paint(host); };
  const none = host.querySelector(".md-none");
  none.hidden = order.length > 0;
  none.textContent = order.length ? "" : "No row has these words.";
}

function dress(host) {
  const { columns, rows, ids, words: holds } = host.wanted, head = document.createElement("tr");
  for (const kind of [".md-sheet", "table"]) host.querySelector(kind).setAttribute("aria-label", holds);
  if (ids.length) head.append(made("td", "", "md-box"));
  head.append(...columns.map((column) => {
    const node = document.createElement("th"), button = made("button", column.title);
    node.scope = "col";
    node.dataset.key = column.key;
    button.type = "button";
    button.title = column.help ?? "";
    if (column.kind) node.className = "md-number";
    button.onclick = () => {
      const again = host.by?.key === column.key;
      host.by = again && host.by.down ? undefined : { key: column.key, down: again };        // up, down, as it came
      paint(host);
    };
    node.append(button);
    return node;
  }));
  const held = document.activeElement?.closest?.("th[data-key]"), key = host.contains(held) ? held.dataset.key : null;
  host.querySelector("thead").replaceChildren(head);
  if (key !== null) head.querySelector(`th[data-key="${CSS.escape(key)}"] button`)?.focus();      // who sorts by keyboard stays where they are
  const search = host.querySelector("input[type=search]");
  search.hidden = rows.length <= SEARCHED && !host.asked;
  search.oninput = () => { host.asked = search.value; host.most = AT_ONCE; paint(host); };
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const host = parentElement.querySelector(".md-grid");
  host.wanted = data;
  host.tell = setStateValue;
  host.follow = (address) => setTriggerValue("followed", address);
  host.at = Object.fromEntries(data.fields.map((key, i) => [key, i]));
  host.ticked ??= new Set(data.ticked);
  host.most ??= AT_ONCE;
  host.asked ??= "";
  if (host.by && !(host.by.key in host.at)) host.by = undefined;
  const drawn = JSON.stringify([data.words, data.columns, data.rows, data.total, data.ids]);
  if (host.drawn === drawn) return;      // who goes through it by keyboard keeps their place when the page runs again
  host.drawn = drawn;
  dress(host);
  paint(host);
}
