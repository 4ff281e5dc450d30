/* The address is the state: what is searched, chosen, open. Reading it, changing it, and telling Dash. */
(function () {
  "use strict";
  const ws = window.webstat;

  ws.address = {
    /* The words of the address: URLSearchParams. */
    query: () => new URLSearchParams(location.search),

    /* Change words of the query; null takes one out. `quiet` replaces the address without a drawing. */
    set(changes, quiet) {
      const query = ws.address.query();
      Object.entries(changes).forEach(([name, value]) => (value === null ? query.delete(name) : query.set(name, value)));
      const text = query.toString();
      const address = location.pathname + (text ? "?" + text : "") + location.hash;
      if (address === location.pathname + location.search + location.hash) return;
      ws.address.go(address, quiet);
    },

    /* Follow an address of this site as a link would. */
    go(address, quiet) {
      history[quiet ? "replaceState" : "pushState"]({}, "", address);
      // The event by which dcc.Link tells dcc.Location.
      if (!quiet) window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    },
  };
})();
