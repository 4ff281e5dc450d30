/* "Where can I run now?": its fields, which are in the address. Answers follow as one types; what cannot be read stays
   out of the address, so the last good answer stays, greyed. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make } = ws;
  const PAUSE = 500; // milliseconds without a key
  let waiting = 0;

  function build(place) {
    const fields = JSON.parse(place.dataset.fields).map(([name, label, unit, hint, pattern]) => {
      const input = make("input", "form-control", [], { id: "ask-" + name, autocomplete: "off", spellcheck: "false", "aria-describedby": "ask-said-" + name });
      if (name === "nodes" || name === "cores_per_node") input.placeholder = "any";
      const said = make("div", "ws-sub st-bad", [], { id: "ask-said-" + name });
      const box = make("div", "input-group", unit ? [input, make("span", "input-group-text", unit)] : [input]);
      place.append(make("div", "", [make("label", "form-label", label, { for: "ask-" + name }), box, said]));
      const field = { name, input, said, hint, pattern: new RegExp("^(?:" + pattern + ")$", "i"), sent: null };
      input.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => follow(place), PAUSE);
      });
      input.addEventListener("change", () => {
        clearTimeout(waiting);
        follow(place);
      });
      return field;
    });
    place.fields = fields;
  }

  const readable = (field) => !field.input.value.trim() || field.pattern.test(field.input.value.trim());

  function say(field, words) {
    field.said.textContent = words;
    field.input.classList.toggle("is-invalid", Boolean(words));
    field.input.setAttribute("aria-invalid", String(Boolean(words)));
  }

  function follow(place) {
    const wrong = place.fields.filter((field) => !readable(field));
    place.fields.forEach((field) => say(field, wrong.includes(field) ? field.hint : ""));
    document.getElementById("answers")?.classList.toggle("ws-greyed", wrong.length > 0);
    if (wrong.length) return;
    ws.address.typed(Object.fromEntries(place.fields.map((field) => [field.name, field.input.value.trim() || null])));
  }

  function fill(place) {
    const said = document.querySelector(".ws-ask-said");
    if (!said || place.drawn === said.dataset.said) return;
    place.drawn = said.dataset.said;
    const { shown, problems } = JSON.parse(said.dataset.said);
    place.fields.forEach((field) => {
      if (document.activeElement === field.input) return;
      field.input.value = shown[field.name] || "";
      say(field, problems[field.name] || "");
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".ws-ask-open");
    if (!button) return;
    const open = document.getElementById("ask").classList.toggle("ws-open");
    button.setAttribute("aria-expanded", String(open));
  });

  ws.after.push(() => {
    const place = document.getElementById("ask");
    if (!place) return;
    if (!place.fields) build(place);
    fill(place);
  });
})();
