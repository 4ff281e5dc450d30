/* The time machine: the bar's buttons, its slider and its date are the address's `at`; keys.js has its keys.
   What is shown of a moment is the server's. */
(function () {
  "use strict";
  const ws = window.webstat;
  const STEPS = 1000; // of the slider: one is less than two pixels
  const TYPED = 1200; // milliseconds after the last change of the date until it is followed

  /* A moment as a clock in some zone shows it, `2026-11-17T03:12`, and back. */
  const local = (at, zone) => new Date(at * 1000).toLocaleString("sv-SE", { timeZone: zone }).slice(0, 16).replace(" ", "T");
  function moment(text, zone) {
    const seconds = (shown) => Date.parse(shown + "Z") / 1000;
    let at = seconds(text);
    // Twice, since the first guess may lie on the other side of a change to summer time.
    for (let turn = 0; turn < 2; turn++) at += seconds(text) - seconds(local(at, zone));
    return at;
  }

  const go = (at) => ws.address.set({ at: String(Math.floor(at)) });

  ws.past = {
    /* Look at the newest report as a past moment; from a page without a past, at the overview's. */
    open() {
      const button = document.getElementById("look-back");
      if (!button) return;
      if (button.dataset.path) ws.address.go(button.dataset.path + "?at=" + button.dataset.to);
      else go(Number(button.dataset.to));
    },
    live: () => ws.address.set({ at: null }),
    /* `back` or `forward`, by a report; the first step back from the present leads to the newest. */
    step(way) {
      const button = document.querySelector(`#past [data-step="${way}"]`);
      if (button) button.click();
      else if (way === "back") ws.past.open();
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("#look-back, [data-step]");
    if (!button || button.disabled) return;
    if (button.id === "look-back") ws.past.open();
    else if (button.dataset.step === "live") ws.past.live();
    else go(Number(button.dataset.to));
  });

  /* The slider: while it is moved the date goes along; where it is let go is the moment. */
  let moved = false;
  function slide(place) {
    const { zone } = place.dataset;
    const [first, max] = [Number(place.dataset.min), Number(place.dataset.max)];
    const step = Math.max(1, Math.ceil((max - first) / STEPS));
    let field = place.querySelector("input");
    if (!field) {
      field = ws.make("input", "form-range", [], { type: "range", "aria-label": "Moment" });
      field.addEventListener("input", () => tell(field, place.dataset.zone));
      field.addEventListener("change", () => {
        moved = true;
        go(Number(field.value));
      });
      place.append(field);
      if (moved) field.focus({ preventScroll: true }); // the bar of the new moment has a new slider: keys go on with it
      moved = false;
    }
    // Whole steps back from the newest report, so that its end is that one.
    Object.assign(field, { max, min: max - step * STEPS, step });
    field.value = ws.at;
    tell(field, zone);
  }

  function tell(field, zone) {
    field.setAttribute("aria-valuetext", local(Number(field.value), zone).replace("T", " "));
    const date = document.querySelector("#past-date input");
    if (date && document.activeElement === field) date.value = local(Number(field.value), zone);
  }

  let typed = 0;
  function date(place) {
    let field = place.querySelector("input");
    if (!field) {
      field = ws.make("input", "form-control", [], { type: "datetime-local", "aria-label": "Date and time of the moment" });
      const follow = () => {
        clearTimeout(typed);
        const { zone } = place.dataset;
        if (field.value && field.value !== local(ws.at, zone)) go(moment(field.value, zone));
      };
      field.addEventListener("change", () => {
        clearTimeout(typed);
        typed = setTimeout(follow, TYPED);
      });
      field.addEventListener("keydown", (event) => event.key === "Enter" && follow());
      field.addEventListener("blur", follow);
      place.append(field);
    }
    if (document.activeElement !== field) field.value = local(ws.at, place.dataset.zone);
  }

  ws.after.push(() => {
    document.documentElement.toggleAttribute("data-past", Boolean(ws.at));
    const [slider, field] = ["past-slider", "past-date"].map((id) => document.getElementById(id));
    if (slider && ws.at) slide(slider);
    if (field && ws.at) date(field);
  });
})();
