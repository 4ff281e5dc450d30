/* Whose browser this is, and the search box of the bar. */
(function () {
  "use strict";
})();
