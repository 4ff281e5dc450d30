/* Buttons that save a chart as a picture: data-export says png or svg, data-graph which chart. */
(function () {
  "use strict";
  const ws = window.webstat;
  const SCALE = 2; // of pixels in a PNG, so that it is sharp in print

  /* Letters, digits and hyphens: what every file system takes. */
  const plain = (text) => text.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 80);

  /* The card's question, and the range that its chart shows. */
  function title(button) {
    const head = button.closest("section").querySelector("h2");
    return head ? head.textContent : "chart";
  }

  function range(layout) {
    const shown = (layout.xaxis && layout.xaxis.range) || [];
    return shown.map((at) => String(at).slice(0, 16).replace(" ", "T").replace(":", "")).join("-to-");
  }

  async function save(button) {
    // Charts are given other ids when a page is drawn by its parts; what is said of them keeps its own.
    const said = document.getElementById(button.dataset.graph + "-message");
    const chart = said && said.parentElement.querySelector(".js-plotly-plot");
    if (!chart || !window.Plotly) {
      ws.say("There is no chart to save.");
      return;
    }
    const { width, height } = chart.getBoundingClientRect();
    const ground = getComputedStyle(button.closest(".card")).backgroundColor;
    const name = title(button);
    const layout = { ...chart.layout, paper_bgcolor: ground, plot_bgcolor: ground };
    // What stands beside the chart on the page stands below it in the picture.
    const figure = { data: chart.data, layout: { ...layout, showlegend: true }, config: {} };
    try {
      await window.Plotly.downloadImage(figure, {
        format: button.dataset.export,
        filename: ["webstat", plain(name), plain(range(chart._fullLayout))].filter(Boolean).join("-"),
        width: Math.round(width),
        height: Math.round(height),
        scale: button.dataset.export === "png" ? SCALE : 1,
      });
    } catch {
      ws.say("This browser could not make the picture.");
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-export]");
    if (button) save(button);
  });
})();
