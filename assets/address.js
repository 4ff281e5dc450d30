/* The address is the state: what is searched, chosen, open. Reading it, changing it, and telling Dash. */
(function () {
  "use strict";
  const ws = window.webstat;
  const WITHOUT_MOMENT = ["/history", "/health", "/api"];

  ws.address = {
    /* The words of the address: URLSearchParams. */
    query: () => new URLSearchParams(location.search),

    /* Change words of the query; null takes one out. `quiet` replaces the address without a drawing. */
    set(changes, quiet) {
      const address = changed(changes);
      if (address) follow(address, quiet);
    },

    /* The same while somebody types: drawn anew, and no step in the browser's history. */
    typed(changes) {
      const address = changed(changes);
      if (!address) return;
      history.replaceState({}, "", address);
      announce();
    },

    /* Follow an address of this site as a link would; at a past moment, to its page at that moment. */
    go: (address) => follow(ws.address.keep(address)),

    /* An address of this site at the moment that is shown; the same rules as webstat/past.py. */
    keep(address) {
      const at = ws.address.query().get("at");
      const there = new URL(address, location.origin);
      if (!at || there.searchParams.has("at") || WITHOUT_MOMENT.some((one) => (there.pathname + "/").startsWith(one + "/"))) return address;
      there.searchParams.set("at", at);
      return there.pathname + there.search + there.hash;
    },
  };

  /* This address with words of its query changed; null where it stays the same. */
  function changed(changes) {
    const query = ws.address.query();
    Object.entries(changes).forEach(([name, value]) => (value === null ? query.delete(name) : query.set(name, value)));
    const text = query.toString();
    const address = location.pathname + (text ? "?" + text : "") + location.hash;
    return address === location.pathname + location.search + location.hash ? null : address;
  }

  function follow(address, quiet) {
    history[quiet ? "replaceState" : "pushState"]({}, "", address);
    if (!quiet) announce();
  }

  /* The event by which dcc.Link tells dcc.Location. */
  const announce = () => window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));

  /* The frame's own link is always the same, so it is made to stay at the moment when it is followed. */
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest && event.target.closest("a.ws-brand");
      if (!link || !ws.address.query().has("at") || !ws.plain(event)) return;
      event.preventDefault();
      event.stopPropagation();
      ws.address.go(link.getAttribute("href"));
    },
    true,
  );
})();
