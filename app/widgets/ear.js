// Remembers keys that are pressed while keys.js is not mounted yet, for it to take up. Mounted before the page itself is drawn.
export default function () {
  if (window.mdEarly) return;
  window.mdEarly = [];
  window.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable=true], [role=listbox], [role=dialog]");
    if (document.documentElement.dataset.keys !== undefined || typing || event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.key.length > 1) return;
    window.mdEarly.push({ key: event.key, at: Date.now(), path: location.pathname });
    window.mdEarly.splice(0, window.mdEarly.length - 5);
  }, true);
}
