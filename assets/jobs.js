/* The table of jobs. */
(function () {
  "use strict";
})();
