/* Single keys, their list, and Esc that closes what is open. */
(function () {
  "use strict";
})();
