/* What the address says of the table of jobs, and how it is changed when something is chosen.
   The address is the only state; jobs.sync(), which jobs.js sets, brings the table after it. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { jobs } = ws;

  const TOLD_AFTER = 600; // milliseconds until the rest of the page hears of what was typed
  const FACETS = ["cluster", "queue", "user", "group", "account", "reason"];
  const LIVING = ["running", "queued", "held", "suspended", "unknown"];
  const CHOICES = [...LIVING, "finished", "failed"]; // states as they are filtered by
  const USUAL = jobs.COLUMNS.filter((column) => column.usual).map((column) => column.id);
  const SORTED = "expected_at"; // the order when the address names none

  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const listOf = (text) => (text || "").split(",").filter(Boolean).map(decode);
  const listed = (items) => (items.length ? items.map((item) => item.replace(/[%,]/g, encodeURIComponent)).join(",") : null);
  const same = (a, b) => a.length === b.length && a.every((one) => b.includes(one));

  function read() {
    const query = ws.address.query();
    const words = { q: query.get("q") || "", sort: query.get("sort") || SORTED, open: listOf(query.get("open")), job: query.get("job") };
    FACETS.forEach((kind) => (words[kind] = listOf(query.get(kind))));
    const states = listOf(query.get("state")).filter((name) => CHOICES.includes(name));
    words.explicit = states.length > 0;
    words.states = words.explicit ? states : LIVING;
    const known = (names) => jobs.COLUMNS.map((column) => column.id).filter((id) => names.includes(id));
    const columns = known(listOf(query.get("columns") || ws.stored("columns")));
    words.chosenColumns = columns.length > 0 && !same(columns, USUAL);
    words.columns = words.chosenColumns ? columns : USUAL;
    const me = ws.stored("me");
    words.mine = Boolean(me) && same(words.user, [me]);
    words.narrowed = Boolean(words.q) || words.explicit || FACETS.some((kind) => words[kind].length);
    return words;
  }

  /* The words that choose jobs, as the server takes them. */
  function question(words) {
    const asked = new URLSearchParams();
    if (words.q) asked.set("q", words.q);
    if (words.explicit) asked.set("state", listed(words.states));
    FACETS.forEach((kind) => words[kind].length && asked.set(kind, listed(words[kind])));
    if (words.sort !== SORTED) asked.set("sort", words.sort);
    const at = ws.address.query().get("at");
    if (at) asked.set("at", at);
    return asked;
  }

  let telling = 0;
  /* Change the address. `typed` replaces it and tells the rest of the page later, else it is a step to go back. */
  function put(changes, typed) {
    clearTimeout(telling);
    ws.address.set(changes, typed);
    if (typed) {
      jobs.sync();
      telling = setTimeout(() => window.dispatchEvent(new CustomEvent("_dashprivate_pushstate")), TOLD_AFTER);
    }
  }

  const act = {
    search: (text) => put({ q: text || null }, true),
    state(name, only) {
      const { states } = read();
      const next = only ? [name] : states.includes(name) ? states.filter((one) => one !== name) : [...states, name];
      put({ state: same(next, LIVING) ? null : listed(next) });
    },
    facet: (kind, names) => put({ [kind]: listed(names) }),
    mine() {
      const me = ws.stored("me");
      if (!me) return ws.askMe && ws.askMe();
      put({ user: read().mine ? null : listed([me]) });
    },
    columns(ids) {
      const usual = ids === null || same(ids, USUAL);
      ws.store("columns", usual ? "" : ids.join(","));
      put({ columns: usual ? null : ids.join(",") });
      jobs.sync();
    },
    clear: () => put({ q: null, state: null, ...Object.fromEntries(FACETS.map((kind) => [kind, null])) }),
    address() {
      const query = ws.address.query();
      const { columns, chosenColumns } = read();
      if (chosenColumns) query.set("columns", columns.join(","));
      return location.origin + location.pathname + (query.size ? "?" + query : "");
    },
    sort(column) {
      const { sort } = read();
      const first = (column.right || column.down ? "-" : "") + column.sort;
      const second = first.startsWith("-") ? column.sort : "-" + column.sort;
      const next = sort === first ? second : sort === second ? SORTED : first;
      put({ sort: next === SORTED ? null : next });
    },
    fold(key) {
      const { open } = read();
      put({ open: listed(open.includes(key) ? open.filter((one) => one !== key) : [...open, key]) }, true);
    },
  };

  function csvAddress(words) {
    const asked = question(words);
    asked.set("columns", jobs.COLUMNS.filter((column) => words.columns.includes(column.id)).flatMap((column) => column.csv).join(","));
    return "/jobs.csv?" + asked;
  }

  jobs.address = { FACETS, read, question, csvAddress, put, listed, act, quiet: () => clearTimeout(telling) };
})();
