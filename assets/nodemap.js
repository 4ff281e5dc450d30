/* The node map. */
(function () {
  "use strict";
})();
