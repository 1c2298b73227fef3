// Keys that press buttons: data.keys is {"a": "inbox-approve", "3": "inbox-forecast@2"}, a key of Streamlit's container or button, and after @ which button in it.
// Nothing happens while somebody types, chooses from a list, or holds Ctrl, Alt or Meta. Read in the capture phase: "c" and "r" would otherwise be Streamlit's own.
const TYPING = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true], [role=listbox], [role=dialog]";

function button(target) {
  const [key, at] = target.split("@");
  const drawn = [...document.querySelectorAll(`.st-key-${CSS.escape(key)}, [class*="st-key-${CSS.escape(key)}--"]`)];      // --: of one item
  const fresh = drawn.filter((one) => !one.closest("[data-stale=true]"));   // while a page is drawn anew, the old one stands beside it
  return (fresh.at(-1) || drawn.at(-1))?.querySelectorAll("button")[Number(at || 0)];
}

// A key pressed while the first page of a tab is still being drawn waits a moment for its button; any other key calls it off. Later none waits: what is drawn next was not seen when it was pressed.
const YOUNG = 4000;     // ms
let waits = 0;

function press(target, then, tries = 15) {
  clearTimeout(waits);
  const found = button(target);
  if (found && !found.disabled) {
    found.click();
    then();
  } else if (tries && !found && performance.now() - window.mdKeysSince < YOUNG) waits = setTimeout(() => press(target, then, tries - 1), 100);
}

function focusSoon(selector, tries = 60) {
  const field = document.querySelector(selector);
  if (field) field.focus();
  else if (tries) setTimeout(() => focusSoon(selector, tries - 1), 50);
}

const GONE = 3000;      // ms in which letters that were meant for a field that is gone press nothing

export default function ({ data, parentElement }) {
  const { keys, focus } = data;
  parentElement.mdKeysStop?.();     // the same place may be told other keys: those before are heard no more
  let typed = null;     // {field, at}: where somebody typed last, until it is sent or left
  const left = () => { typed = null; };
  window.mdKeysSince ??= performance.now();
  const pressed = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const typing = event.target instanceof Element && event.target.closest(TYPING);
    if (event.key === "Escape" && keys.Escape && (typing || document.activeElement === document.body)) {
      typed = null;
      const close = button(keys.Escape);
      if (close) { document.activeElement.blur(); close.click(); }
      return;
    }
    clearTimeout(waits);
    if (typing) {
      typed = event.key === "Enter" || event.key === "Tab" ? null : { field: event.target, at: performance.now() };
      return;
    }
    if (typed && !typed.field.isConnected && performance.now() - typed.at < GONE) return;
    typed = null;
    const target = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!target) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    press(target, () => focus && focus[target] && focusSoon(focus[target]));
  };
  window.addEventListener("keydown", pressed, true);
  window.addEventListener("pointerdown", left, true);
  document.documentElement.dataset.keys = Object.keys(keys).join("");       // for who wants to know that they are heard
  const stop = () => {
    window.removeEventListener("keydown", pressed, true);
    window.removeEventListener("pointerdown", left, true);
    delete document.documentElement.dataset.keys;
  };
  parentElement.mdKeysStop = stop;
  return stop;
}
