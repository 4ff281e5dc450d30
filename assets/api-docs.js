/* The page /api/docs: Swagger UI over this site's own description, in the theme that first.js has found. */
(function () {
  "use strict";
  const { dark, theme } = window.webstat;

  function dress() {
    document.documentElement.classList.toggle("dark-mode", theme() === "dark");
  }

  dress();
  dark.addEventListener("change", dress);
  const place = document.getElementById("api");
  window.SwaggerUIBundle({
    url: place.dataset.openapi,
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    defaultModelsExpandDepth: -1,
    defaultModelRendering: "model",
    defaultModelExpandDepth: 5,
    displayRequestDuration: true,
    presets: [window.SwaggerUIBundle.presets.apis],
  });
})();
