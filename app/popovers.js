// Whoever opens a popover by keyboard is in it at once: Streamlit leaves the hand on its button, and its contents come last on the page.
document.addEventListener("click", (event) => {
  const button = event.detail === 0 && event.target.closest?.('[data-testid="stPopoverButton"]');
  let tries = 40;
  const enter = () => {
    const box = button.getAttribute("aria-expanded") === "true" && [...document.querySelectorAll('[data-testid="stPopoverBody"]')].at(-1);
    if (box && box.contains(document.activeElement)) return;
    const first = box && (box.querySelector("input:checked") ?? box.querySelector("input:not(:disabled), textarea:not(:disabled), button:not(:disabled)"));
    if (first) first.focus();
    else if (tries--) setTimeout(enter, 25);
  };
  if (button) setTimeout(enter, 25);
}, true);
