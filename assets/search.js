/* The search box of the bar: what is typed is asked of /data/find, what it may mean is offered below.
   Enter without a choice looks for it among all jobs. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make, icon } = ws;
  const AFTER = 120; // milliseconds of no typing
  const ICONS = { cluster: "hdd-stack", user: "person", group: "people", queue: "list-ol", node: "hdd", job: "hash", array: "collection" };

  const jobs = (text) => "/jobs?q=" + encodeURIComponent(text);

  function build(place) {
    const input = make("input", "form-control", [], {
      type: "search", role: "combobox", placeholder: "Find a job, user, node", "aria-label": "Find a job, user, node", "aria-expanded": "false",
      "aria-controls": "find-list", "aria-autocomplete": "list", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false", maxlength: "100",
    });
    const list = make("ul", "dropdown-menu", [], { id: "find-list", role: "listbox", "aria-label": "What it may mean" });
    const said = make("span", "visually-hidden", [], { role: "status" });
    const hint = make("span", "input-group-text", make("kbd", "", "/"), { "aria-hidden": "true" });
    place.append(make("div", "input-group", [input, hint]), list, said);

    let options = [];
    let chosen = -1;
    let asked = null;
    let soon = 0;

    function show() {
      list.classList.toggle("show", options.length > 0);
      input.setAttribute("aria-expanded", String(options.length > 0));
      choose(-1);
    }

    function close() {
      clearTimeout(soon);
      if (asked) asked.abort();
      asked = null;
      options = [];
      list.replaceChildren();
      said.textContent = "";
      show();
    }

    function choose(place) {
      chosen = place;
      options.forEach(({ element }, at) => element.setAttribute("aria-selected", String(at === chosen)));
      if (chosen < 0) {
        input.removeAttribute("aria-activedescendant");
      } else {
        input.setAttribute("aria-activedescendant", options[chosen].element.id);
        options[chosen].element.scrollIntoView({ block: "nearest" });
      }
    }

    function go(href) {
      input.value = "";
      close();
      input.blur();
      ws.address.go(href);
    }

    function option(symbol, words, detail, href) {
      const id = "find-" + options.length;
      const parts = [icon(symbol), make("span", "ws-cut", words), make("span", "ws-sub ws-cut", detail)];
      const element = make("li", "dropdown-item", parts, { id, role: "option", "aria-selected": "false" });
      element.addEventListener("click", (event) => (ws.plain(event) ? go(href) : window.open(href, "_blank", "noopener")));
      options.push({ element, href });
    }

    function offer(found, text) {
      options = [];
      found.forEach(({ kind, text: name, detail, href }) => option(ICONS[kind] || "dot", [make("bdi", "", name), " ", make("span", "ws-sub", kind)], detail, href));
      option("search", ["Search all jobs for “", make("bdi", "", text), "”"], "", jobs(text));
      list.replaceChildren(...options.map((one) => one.element));
      said.textContent = found.length ? found.length + (found.length === 1 ? " suggestion" : " suggestions") : "No suggestion";
      show();
    }

    async function ask() {
      const text = input.value.trim();
      if (asked) asked.abort();
      if (!text) return close();
      const mine = (asked = new AbortController());
      let found = [];
      try {
        const answer = await fetch("/data/find?q=" + encodeURIComponent(text), { signal: mine.signal });
        if (answer.ok) found = await answer.json();
      } catch {
        /* what cannot be asked for now can still be looked for among the jobs */
      }
      // Of two questions the later one counts, whichever is answered first.
      if (mine === asked && !mine.signal.aborted) offer(found, text);
    }

    const KEYS = {
      ArrowDown: () => (options.length ? choose(chosen + 1 === options.length ? -1 : chosen + 1) : ask()),
      ArrowUp: () => choose(chosen === -1 ? options.length - 1 : chosen - 1),
      Enter: () => input.value.trim() && go(chosen < 0 ? jobs(input.value.trim()) : options[chosen].href),
      Escape() {
        if (options.length) close();
        else if (input.value) input.value = "";
        else input.blur();
      },
    };
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || !KEYS[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      KEYS[event.key]();
    });
    input.addEventListener("input", () => {
      choose(-1);
      clearTimeout(soon);
      soon = setTimeout(ask, AFTER);
    });
    input.addEventListener("blur", close);
    // A click on an option must not take the focus away before it counts.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    return input;
  }

  let input = null;
  ws.after.push(() => {
    const place = document.getElementById("find");
    if (place && !place.firstChild) input = build(place);
  });

  /* Where the keys of a search go: the page's own one, else the bar's; where there is no room for it, the table of jobs. */
  ws.search = function () {
    if (ws.rows) return ws.rows.search();
    if (!input || !input.offsetParent) return ws.address.go("/jobs");
    input.focus();
    input.select();
  };
})();
