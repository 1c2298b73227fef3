// A text field of Streamlit's commits on Enter; this one does so by itself a moment after the last letter, so that results come while one types.
const PAUSE_MS = 180;

export default function ({ data }) {
  let waiting = 0;
  const typed = (event) => {
    const field = event.target;
    if (!(field instanceof HTMLInputElement) || !field.closest(`.st-key-${CSS.escape(data.field)}`)) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const kind of ["keydown", "keypress", "keyup"]) field.dispatchEvent(new KeyboardEvent(kind, { key: "Enter", code: "Enter", keyCode: 13, which: 13, charCode: 13, bubbles: true }));
    }, PAUSE_MS);
  };
  document.addEventListener("input", typed, true);
  return () => { clearTimeout(waiting); document.removeEventListener("input", typed, true); };
}
