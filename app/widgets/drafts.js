// What is being typed outlives the field: it stands there again when the field is drawn anew, after the panel was left, somebody else decided, the page was reloaded, or the server came back.
// Fields are those of Streamlit's widgets whose key begins with "draft-"; a draft ends when its form was sent and taken: one that is refused stands in its field as it was, and is kept.
const FIELD = '[class*="st-key-draft-"] :is(input, textarea)';
const PREFIX = "model-discovery ";

function nameOf(field) {
  const keyed = field.closest('[class*="st-key-draft-"]');
  const key = [...keyed.classList].find((one) => one.startsWith("st-key-draft-"));
  return `${PREFIX}${location.origin} ${key}`;
}

function fill(field, text) {
  const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
  Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));       // React takes it for typed
}

const atRest = () => document.querySelector('[data-testid="stApp"]')?.getAttribute("data-test-script-state") === "notRunning";

export default function () {
  const seen = new WeakSet();
  let last = null;       // {field, name}: where somebody typed last
  let asked = 0;
  const gone = new WeakMap();       // field → when it was sent: it stands for a moment until the page is drawn anew
  const AFTER = 2000;     // ms
  const waiting = new Map();        // name → what was sent under it, until the server has answered

  const look = () => {
    asked = 0;
    for (const field of document.querySelectorAll(FIELD)) {
      if (seen.has(field) || field.closest("[data-stale=true]")) continue;
      seen.add(field);
      const name = nameOf(field), draft = sessionStorage.getItem(name);
      if (draft !== null && draft !== field.value && !waiting.has(name)) {
        fill(field, draft);
        clearTimeout(settle.timer);
        settle.timer = setTimeout(settle, 300);
      }
      if (last?.name === name && last.field !== field && !last.field.isConnected && document.activeElement === document.body) {
        field.focus();
        field.setSelectionRange?.(field.value.length, field.value.length);
        last = { field, name };
      }
    }
  };
  const settle = () => {        // what was filled while the page was still being drawn may have been drawn over; and what no form sends is told to the server now
    if (!atRest()) {
      settle.timer = setTimeout(settle, 200);
      return;
    }
    for (const field of document.querySelectorAll(FIELD)) {
      const name = nameOf(field), draft = sessionStorage.getItem(name);
      if (draft === null || waiting.has(name) || field === document.activeElement) continue;
      if (draft !== field.value) fill(field, draft);
      if (!field.closest('[data-testid="stForm"]')) field.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
    }
  };
  const typed = (event) => {
    if (!(event.target instanceof Element) || !event.target.matches(FIELD)) return;
    if (performance.now() - (gone.get(event.target) ?? -AFTER) < AFTER) return;
    const name = nameOf(event.target);
    last = { field: event.target, name };
    waiting.delete(name);
    sessionStorage.setItem(name, event.target.value);
  };
  const sent = (form) => form?.querySelectorAll(FIELD).forEach((field) => {
    gone.set(field, performance.now());
    waiting.set(nameOf(field), field.value);
    clearTimeout(answered.timer);
    answered.timer = setTimeout(answered, 400);
  });
  const answered = () => {
    if (!atRest()) {
      answered.timer = setTimeout(answered, 200);
      return;
    }
    const standing = new Map([...document.querySelectorAll(FIELD)].map((field) => [nameOf(field), field.value]));
    for (const [name, words] of waiting) if (standing.get(name) !== words || !words) sessionStorage.removeItem(name);
    waiting.clear();
  };
  const pressed = (event) => event.target instanceof Element && event.target.closest('[data-testid="stFormSubmitButton"]') && sent(event.target.closest('[data-testid="stForm"]'));
  const entered = (event) => event.key === "Enter" && event.target instanceof Element && event.target.matches(FIELD) && (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey) && sent(event.target.closest('[data-testid="stForm"]'));

  const watch = new MutationObserver(() => { asked ||= requestAnimationFrame(look); });
  watch.observe(document.body, { childList: true, subtree: true });
  document.addEventListener("input", typed, true);
  document.addEventListener("click", pressed, true);
  document.addEventListener("keydown", entered, true);
  look();
  return () => {
    watch.disconnect();
    clearTimeout(answered.timer);
    clearTimeout(settle.timer);
    cancelAnimationFrame(asked);
    document.removeEventListener("input", typed, true);
    document.removeEventListener("click", pressed, true);
    document.removeEventListener("keydown", entered, true);
  };
}
