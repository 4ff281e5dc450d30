/* The row above the table of jobs: search, states, lists to choose from, columns, CSV and the address.
   It shows what the address says and asks jobs.js to change it; of the rows it knows nothing. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { jobs, make, icon } = ws;
  const SEARCH_AFTER = 60; // milliseconds of no typing
  const FILTER_FROM = 9; // choices of a list, from which on it has a field to filter them

  const button = (children, attributes = {}, className = "btn btn-outline-secondary text-nowrap") =>
    make("button", className, children, { type: "button", ...attributes });
  const worded = (symbol, text, fold = "") => [icon(symbol), make("span", "ms-1 " + fold, text)];

  /* A menu that opens; webstat.js closes it. */
  function menu(className, label, inside) {
    const summary = make("summary", "btn btn-outline-secondary text-nowrap", label);
    const body = make("div", "dropdown-menu show p-2", inside);
    return { details: make("details", "ws-menu " + className, [summary, body]), summary };
  }

  /* The choices of one word of the address, with their counts. While the list is open nothing in it moves. */
  function choices(kind, title, change) {
    const filter = make("input", "form-control mb-2", [], { type: "search", placeholder: "Filter", "aria-label": "Filter: " + title });
    const list = make("ul", "ws-picks list-unstyled m-0", [], { "aria-label": title });
    const clear = button("Clear", {}, "btn btn-link btn-sm p-0 mt-1");
    const element = make("div", "", [filter, list, clear]);
    const rows = new Map();
    let counted = [];
    let chosen = [];

    function row(name) {
      const box = make("input", "form-check-input", [], { type: "checkbox" });
      const number = make("span", "n");
      const text = kind === "cluster" ? jobs.about.titles.get(name) || name : name;
      const item = make("li", "", make("label", "", [box, make("span", "ws-cut", jobs.foreign(text || "(none)")), number]));
      box.addEventListener("change", () => change(box.checked ? [...chosen, name] : chosen.filter((one) => one !== name)));
      rows.set(name, { item, box, number, text: text.toLowerCase() });
    }

    function sift() {
      const words = filter.value.trim().toLowerCase();
      rows.forEach(({ item, text }) => (item.hidden = !text.includes(words)));
    }

    function draw(anew) {
      const counts = new Map(counted);
      const names = [...new Set([...chosen, ...counts.keys()])];
      if (anew) {
        rows.clear();
        list.replaceChildren();
        filter.value = "";
      }
      names.filter((name) => !rows.has(name)).forEach((name) => {
        row(name);
        list.append(rows.get(name).item);
      });
      rows.forEach(({ box, number }, name) => {
        box.checked = chosen.includes(name);
        number.textContent = jobs.number(counts.get(name) || 0);
      });
      filter.hidden = rows.size < FILTER_FROM;
      clear.hidden = !chosen.length;
      sift();
    }

    filter.addEventListener("input", sift);
    clear.addEventListener("click", () => {
      change([]);
      (filter.hidden ? list.querySelector("input") : filter)?.focus();
    });
    return {
      element,
      draw,
      set(items, selected) {
        [counted, chosen] = [items, selected];
      },
    };
  }

  /* One button that opens the choices of one or several words. */
  function facet(label, kinds, change) {
    const parts = kinds.map(([kind, title]) => ({ kind, title, list: choices(kind, title, (items) => change(kind, items)) }));
    const said = make("span", "");
    const inside = parts.flatMap(({ title, list }) => [...(parts.length > 1 ? [make("div", "ws-sub mt-1", title)] : []), list.element]);
    const { details, summary } = menu("ws-facet", [said, " ", icon("chevron-down")], inside);
    details.addEventListener("toggle", () => details.open && parts.forEach(({ list }) => list.draw(true)));
    return {
      element: details,
      update(facets, words) {
        const chosen = parts.flatMap(({ kind, list }) => {
          list.set(facets ? facets[kind] || [] : [], words[kind]);
          return words[kind].map((name) => (kind === "cluster" && jobs.about.titles.get(name)) || name);
        });
        const many = chosen.length > 1 ? jobs.number(chosen.length) : jobs.clean(chosen[0] || "");
        said.textContent = chosen.length ? label + ": " + many : label;
        summary.classList.toggle("active", chosen.length > 0);
        summary.title = chosen.map(jobs.clean).join(", ");
        if (details.open) parts.forEach(({ list }) => list.draw(false));
      },
    };
  }

  /* The state buttons: several may be on; with Shift or Ctrl only the one. */
  function states(change) {
    const group = make("div", "btn-group", [], { role: "group", "aria-label": "State" });
    const buttons = ["running", "queued", "held", "suspended", "unknown", "finished", "failed"].map((name) => {
      const [symbol, text] = jobs.STATES[name];
      const number = make("b", "fw-semibold ms-1");
      const rare = name === "suspended" || name === "unknown";
      const element = button([...worded(symbol, text, "ws-fold-2"), number], { title: text + ". With Shift: only these" });
      element.classList.toggle("ws-rare", rare);
      element.addEventListener("click", (event) => change(name, !ws.plain(event)));
      group.append(element);
      return { name, rare, element, number };
    });
    return {
      element: group,
      update(facets, words) {
        buttons.forEach(({ name, rare, element, number }) => {
          const on = words.states.includes(name);
          const count = facets ? facets.state[name] || 0 : null;
          element.classList.toggle("active", on);
          element.setAttribute("aria-pressed", String(on));
          if (count !== null) number.textContent = jobs.number(count);
          // What hardly ever occurs has a button only when it does.
          if (rare) element.hidden = !count;
        });
      },
    };
  }

  function search(change) {
    const input = make("input", "form-control", [], {
      type: "search", placeholder: "Search every column", "aria-label": "Search jobs", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false", maxlength: "200",
    });
    const element = make("div", "input-group ws-search", [
      make("span", "input-group-text", icon("search")), input, make("span", "input-group-text ws-hint", make("kbd", "", "/")),
    ]);
    let soon = 0;
    input.addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(() => change(input.value.trim()), SEARCH_AFTER);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") {
        event.preventDefault();
        ws.rows?.first();
      }
      if (event.key === "Escape" && input.value) {
        event.stopPropagation();
        input.value = "";
        change("");
      }
    });
    return {
      element,
      focus: () => (input.focus(), input.select()),
      update(words) {
        if (document.activeElement !== input) input.value = words.q;
      },
    };
  }

  function columns(choose) {
    const list = make("ul", "ws-picks list-unstyled m-0", [], { "aria-label": "Columns" });
    const reset = button("The usual ones", {}, "btn btn-link btn-sm p-0 mt-1");
    const boxes = jobs.COLUMNS.map((column) => {
      const box = make("input", "form-check-input", [], { type: "checkbox" });
      box.disabled = Boolean(column.always);
      list.append(make("li", "", make("label", "", [box, make("span", "", column.title)])));
      box.addEventListener("change", () => choose(boxes.filter((one) => one.box.checked).map((one) => one.id)));
      return { id: column.id, box };
    });
    reset.addEventListener("click", () => choose(null));
    const { details, summary } = menu("ws-columns", worded("layout-three-columns", "Columns", "ws-fold-1"), [list, reset]);
    summary.setAttribute("aria-keyshortcuts", "c");
    summary.title = "Columns";
    return {
      element: details,
      open() {
        details.open = !details.open;
        (details.open ? list.querySelector("input:not(:disabled)") : summary).focus();
      },
      update(words) {
        boxes.forEach(({ id, box }) => (box.checked = words.columns.includes(id)));
        reset.hidden = !words.chosenColumns;
      },
    };
  }

  /* Copied by copy.js, which says so. */
  function linkButton(address) {
    const element = button(worded("link-45deg", "Link", "ws-fold-1"), { title: "Copy the address of what is shown" }, "btn btn-outline-secondary text-nowrap ws-copy");
    element.addEventListener("click", () => (element.dataset.copy = address()));
    return element;
  }

  /* Build the row into `place`. `act` is what jobs.js does when something is chosen:
     search(text), state(name, only), facet(kind, names), mine(), columns(ids or null), clear(), address(). */
  jobs.tools = function (place, act) {
    const find = search(act.search);
    const state = states(act.state);
    const mineCount = make("b", "fw-semibold ms-1");
    const mine = button([...worded("person", "Mine"), mineCount], { title: "Only my jobs", "aria-keyshortcuts": "m" });
    mine.addEventListener("click", act.mine);
    const facets = [
      facet("Cluster", [["cluster", "Cluster"]], act.facet),
      facet("Queue", [["queue", "Queue"]], act.facet),
      facet("User", [["user", "User"]], act.facet),
      facet("More", [["group", "Group"], ["account", "Account"], ["reason", "Reason to wait"]], act.facet),
    ];
    const clear = button(worded("x-lg", "Clear"), { title: "Clear search and filters" }, "btn btn-outline-secondary text-nowrap ws-clear");
    clear.addEventListener("click", act.clear);
    const fold = button(["Filter", make("b", "fw-semibold ms-1"), " ", icon("chevron-down")], { "aria-expanded": "false", "aria-controls": "jobs-facets" }, "btn btn-outline-secondary text-nowrap ws-unfold");
    const folded = make("div", "ws-facets", [...facets.map((one) => one.element), clear], { id: "jobs-facets" });
    fold.addEventListener("click", () => fold.setAttribute("aria-expanded", String(folded.classList.toggle("open"))));
    const chooser = columns(act.columns);
    const csv = make("a", "btn btn-outline-secondary text-nowrap", worded("download", "CSV", "ws-fold-1"), { download: "", title: "All matching jobs, with these columns, as CSV" });
    const extras = make("div", "ws-extras", [chooser.element, csv, linkButton(act.address)]);
    place.append(find.element, make("div", "ws-states", [state.element, mine]), fold, folded, extras);

    const shut = (event) => {
      if (event.type === "keydown" ? event.key !== "Escape" : folded.contains(event.target) || fold.contains(event.target)) return;
      folded.classList.remove("open");
      fold.setAttribute("aria-expanded", "false");
    };
    place.addEventListener("keydown", shut);
    document.addEventListener("click", shut);
    return {
      focus: find.focus,
      columns: chooser.open,
      destroy: () => document.removeEventListener("click", shut),
      /* Show what the address says (`words`) and what the last answer counted (`counts`, or null). */
      update(words, counts, csvAddress) {
        find.update(words);
        state.update(counts, words);
        facets.forEach((one) => one.update(counts, words));
        chooser.update(words);
        const me = jobs.about.me;
        const own = counts && me ? (counts.user || []).find(([name]) => name === me) : null;
        mineCount.textContent = own ? jobs.number(own[1]) : "";
        mine.classList.toggle("active", words.mine);
        mine.setAttribute("aria-pressed", String(words.mine));
        clear.hidden = !words.narrowed;
        const number = ["cluster", "queue", "user", "group", "account", "reason"].filter((kind) => words[kind].length).length;
        fold.querySelector("b").textContent = number || "";
        fold.classList.toggle("active", number > 0);
        csv.href = csvAddress;
      },
    };
  };
})();
