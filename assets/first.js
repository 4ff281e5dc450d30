/* Runs before the first paint: the theme (no flash of the other one), and where Plotly is.
   Loaded without defer, in the head, on purpose. The rest of the page's own JavaScript is webstat.js and live.js. */
(function () {
  "use strict";
  const where = document.currentScript.dataset;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const choices = ["auto", "light", "dark"];

  function choice() {
    return choices.includes(stored("theme")) ? stored("theme") : "auto";
  }

  function theme() {
    const chosen = choice();
    return chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
  }

  function apply() {
    document.documentElement.setAttribute("data-bs-theme", theme());
    document.documentElement.setAttribute("data-ag-theme-mode", theme());
  }

  function next() {
    store("theme", choices[(choices.indexOf(choice()) + 1) % choices.length]);
    apply();
  }

  /* Who looks, as the server knows them: the name of who signed in, or null. */
  const known = JSON.parse(document.querySelector('meta[name="webstat-viewer"]')?.content || "{}");

  /* What this browser remembers, by name; storage may be forbidden, then the page forgets. */
  function stored(name) {
    if (name === "me" && known.name) return known.name; // who signed in cannot be somebody else
    try {
      return localStorage.getItem("webstat-" + name);
    } catch {
      return null;
    }
  }

  function store(name, value) {
    try {
      localStorage.setItem("webstat-" + name, value);
    } catch {
      /* the choice lasts until the page is left */
    }
  }

  apply();
  window.webstat = { known, choice, theme, apply, next, dark, stored, store, worker: where.worker, grid: where.grid, shown: null };

  // Dash loads Plotly when the first graph is drawn, from this address; it would set the full bundle's,
  // three times as large.
  Object.defineProperty(window, "_dashPlotlyJSURL", { get: () => where.plotly, set: () => {} });
})();
