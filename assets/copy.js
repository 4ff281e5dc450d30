/* Buttons that copy: .ws-copy with data-copy, a text, an address of this site, or nothing for the page's own address. */
(function () {
  "use strict";
  const ws = window.webstat;
  const SHOWN = 2000; // milliseconds
  let bubble = null;
  let hiding = 0;

  /* Put a text on the clipboard; whether that was possible. */
  ws.copy = async function (text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return select(text);
    }
  };

  /* Without https there is no clipboard to write to: the old way. */
  function select(text) {
    const field = ws.make("textarea", "visually-hidden", text, { "aria-hidden": "true", tabindex: "-1" });
    const before = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (before) before.focus({ preventScroll: true });
    return done;
  }

  /* Say something beside an element for a moment; nothing moves for it. */
  function say(words, beside) {
    const box = beside.getBoundingClientRect();
    bubble.textContent = words;
    bubble.style.top = box.top + "px";
    bubble.style.left = Math.min(Math.max(box.left + box.width / 2, 40), innerWidth - 40) + "px";
    clearTimeout(hiding);
    hiding = setTimeout(() => (bubble.textContent = ""), SHOWN);
  }

  ws.after.push(() => {
    if (bubble) return;
    // There before it says anything: what is added with its words is not read out.
    bubble = ws.make("div", "ws-bubble", [], { role: "status", "aria-live": "polite" });
    document.body.append(bubble);
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".ws-copy");
    if (!button) return;
    const asked = button.dataset.copy;
    const text = asked ? (asked.startsWith("/") ? location.origin + asked : asked) : location.href;
    const done = await ws.copy(text);
    say(done ? "Copied" : "This browser does not let pages copy", button);
  });
})();
