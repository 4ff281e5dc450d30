/* The dates of the history page: two fields that are in the address. */
(function () {
  "use strict";
  const ws = window.webstat;

  function follow() {
    const [from, to] = ["from", "to"].map((name) => document.querySelector(`.ws-date[data-date="${name}"] input`).value);
    if (!from || !to) return;
    if (from > to) {
      ws.say("The range ends before it begins: choose a later end.");
      return;
    }
    // The last day is part of the range, which ends where the next one begins.
    const next = new Date(Date.parse(to + "T00:00:00Z") + 86400000).toISOString().slice(0, 10);
    ws.address.set({ from, to: next, range: null, step: null });
  }

  function fill(place) {
    const { date, value, label } = place.dataset;
    let field = place.querySelector("input");
    if (!field) {
      field = ws.make("input", "form-control", [], { type: "date", "aria-label": label, "data-date-of": date });
      field.addEventListener("change", follow);
      place.append(field);
    }
    if (document.activeElement !== field) field.value = value;
  }

  ws.after.push(() => document.querySelectorAll(".ws-date").forEach(fill));
})();
