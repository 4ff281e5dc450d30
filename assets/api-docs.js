/* The page /api/docs: Swagger UI over this site's own description. */
(function () {
  "use strict";
  const place = document.getElementById("api");
  window.SwaggerUIBundle({
    url: place.dataset.openapi,
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    presets: [window.SwaggerUIBundle.presets.apis],
  });
})();
