/* The fields of the history page that are in its address: two dates, and a name to filter by. */
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

  function only(place) {
    if (place.firstChild) return;
    const cuts = place.dataset.cuts.split(" ");
    const choice = ws.make("select", "form-select", cuts.map((cut) => ws.make("option", "", [cut], { value: cut })), {
      "aria-label": "What to filter by",
    });
    const field = ws.make("input", "form-control", [], { type: "search", placeholder: "name", "aria-label": "Only this name" });
    field.addEventListener("change", () => {
      // A comma divides the names of a list.
      const name = field.value.trim().replace(/%/g, "%25").replace(/,/g, "%2C");
      if (!name) return;
      const kept = new URLSearchParams(location.search).get(choice.value);
      field.value = "";
      ws.address.set({ [choice.value]: kept ? `${kept},${name}` : name });
    });
    place.append(choice, field);
  }

  ws.after.push(() => {
    document.querySelectorAll(".ws-date").forEach(fill);
    document.querySelectorAll(".ws-only").forEach(only);
  });
})();
