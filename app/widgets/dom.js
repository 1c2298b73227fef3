// What the table (table.js) and the grid (cells.js) both make.
function made(kind, text = "", className = "") {
  const node = document.createElement(kind);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

// A link within the app: as the menu does, the page that is there goes on, and nothing is loaded anew.
function linked(text, href, follow) {
  const link = Object.assign(made("a", text), { href });
  link.onclick = (e) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
    e.preventDefault();
    follow();
  };
  return link;
}
