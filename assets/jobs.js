/* The table of jobs: what the address asks for is fetched from /data/jobs block by block, shown, and kept true.
   What a cell says is jobs-columns.js, the row of buttons jobs-tools.js. The grid's own script is loaded when the
   page is first shown. The address is the only state: whoever changes it, sync() brings the table after it. */
(function () {
  "use strict";
  const ws = window.webstat;
  const jobs = ws.jobs;
  const { make, icon, about } = jobs;

  const BLOCK = 100; // rows asked for at a time
  const NARROW = 768; // pixels of the window below which a job is two lines
  const TIGHT = 1120; // pixels of the table below which the low columns go
  const TOLD_AFTER = 600; // milliseconds until the rest of the page hears of what was typed
  const FACETS = ["cluster", "queue", "user", "group", "account"];
  const LIVING = ["running", "queued", "held", "suspended", "unknown"];
  const USUAL = jobs.COLUMNS.filter((column) => column.usual).map((column) => column.id);
  const SORTED = "expected_at"; // the order when the address names none

  /* Words of the address */

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
    const states = listOf(query.get("state")).filter((name) => name in jobs.STATES);
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
    return asked;
  }

  let telling = 0;
  /* Change the address. `typed` replaces it and tells the rest of the page later, else it is a step to go back. */
  function put(changes, typed) {
    clearTimeout(telling);
    ws.address.set(changes, typed);
    if (typed) {
      sync();
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
      sync();
    },
    clear: () => put({ q: null, state: null, ...Object.fromEntries(FACETS.map((kind) => [kind, null])) }),
    address() {
      const here = new URL(location.href);
      const { columns, chosenColumns } = read();
      if (chosenColumns) here.searchParams.set("columns", columns.join(","));
      return here.href;
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

  /* The grid's script, once. */
  let script = null;
  function library() {
    script ??= new Promise((resolve, reject) => {
      const element = make("script", "", [], { src: ws.grid });
      element.onload = () => {
        window.agGrid.ModuleRegistry.registerModules([window.agGrid.AllCommunityModule]);
        resolve(window.agGrid);
      };
      element.onerror = () => {
        script = null;
        reject(new Error("the table’s script could not be loaded"));
      };
      document.head.append(element);
    });
    return script;
  }

  /* What a column's head does: sorts on the server, so that the rows stay until the new ones are there. */
  class Head {
    init(params) {
      this.element = make("span", "ws-head");
      this.cell = params.eGridHeader;
      this.click = () => act.sort(this.column);
      this.press = (event) => event.key === "Enter" && this.click();
      this.element.addEventListener("click", this.click);
      this.cell.addEventListener("keydown", this.press);
      this.refresh(params);
    }
    refresh(params) {
      this.column = params.spec;
      const { sort } = read();
      const sorted = sort.replace("-", "") === this.column.sort ? (sort.startsWith("-") ? "descending" : "ascending") : "none";
      // After the grid's own, which knows of no order.
      queueMicrotask(() => this.cell.setAttribute("aria-sort", sorted));
      this.element.replaceChildren(make("span", "ws-cut", params.displayName));
      if (sorted !== "none") this.element.append(" ", icon(sorted === "ascending" ? "arrow-up" : "arrow-down"));
      return true;
    }
    getGui() {
      return this.element;
    }
    destroy() {
      this.cell.removeEventListener("keydown", this.press);
    }
  }

  function columnDefs(words, tight) {
    if (innerWidth < NARROW) return [definition(jobs.NARROW, { flex: 1, resizable: false })];
    const little = tight && !words.chosenColumns;
    return jobs.COLUMNS.filter((column) => words.columns.includes(column.id) && !(little && column.low)).map((usual) => {
      const column = little ? { ...usual, ...usual.tight } : usual;
      const size = column.grows ? { flex: 1, minWidth: column.width } : { width: column.width };
      return definition(column, { ...size, type: column.right ? "rightAligned" : undefined });
    });
  }

  const definition = (column, more) => ({
    colId: column.id,
    headerName: column.title,
    headerComponentParams: { spec: column },
    valueGetter: ({ data }) => (data ? column.text(data) : ""),
    cellRenderer: ({ data, value }) => (data ? (column.draw ? column.draw(data, value) : value) : ""),
    ...more,
  });

  /* One table, for as long as its place is on the screen. */
  function enter(place) {
    let words = read();
    let api = null;
    let agGrid = null;
    let asked = null; // the words of the last question
    let stamps = null; // of the reports that it rests on
    let last = null; // the newest answer
    let controller = new AbortController();
    let broken = false;
    let narrow = innerWidth < NARROW;
    let tight = place.clientWidth < TIGHT;
    let focused = null; // key of the row that has the focus, or had it last
    let states = new Map();
    let following = 0;
    let announced = null; // the question whose size was said to screen readers

    const bar = make("div", "ws-tools", [], { role: "search", "aria-label": "Jobs" });
    const note = make("div", "", [], { role: "status" });
    const grid = make("div", "ws-grid", [], { id: "jobs-grid", role: "region", "aria-label": "Jobs" });
    const empty = make("div", "ws-nothing", [], { hidden: "" });
    const said = make("span", "");
    const found = make("span", "visually-hidden", [], { role: "status" });
    const hints = [["j", "k"], ["Enter"], ["c"], ["?"]].flatMap((keys, at) => [
      ...keys.flatMap((key) => [make("kbd", "", key), " "]), ["move · ", "open · ", "columns · ", "all keys"][at],
    ]);
    const foot = make("div", "ws-sub ws-foot", [said, found, make("span", "ms-auto d-none d-lg-inline", hints)]);
    const box = make("div", "card ws-jobs", [make("div", "position-relative", [grid, empty]), foot]);
    place.replaceChildren(bar, note, box);
    about.zone = zoneOf(place);
    const tools = jobs.tools(bar, act);

    /* Asking */

    async function ask(start, rows) {
      const query = question(words);
      if (words.open.length) query.set("open", listed(words.open));
      query.set("start", start);
      query.set("rows", rows);
      const response = await fetch("/data/jobs?" + query, { signal: controller.signal });
      if (!response.ok) throw new Error("status " + response.status);
      const answer = await response.json();
      const names = Object.keys(answer.columns);
      const length = names.length ? answer.columns[names[0]].length : 0;
      answer.list = Array.from({ length }, (_, place) => Object.fromEntries(names.map((name) => [name, answer.columns[name][place]])));
      return answer;
    }

    /* The first block is asked for while the grid's script is on its way. */
    let first = null;
    const datasource = {
      async getRows({ startRow, endRow, successCallback, failCallback }) {
        const ready = startRow === 0 ? first : null;
        if (ready) first = null;
        try {
          const answer = await (ready || ask(startRow, endRow - startRow));
          const held = api.getFocusedCell();
          hear(answer, startRow);
          successCallback(answer.list, answer.rows);
          shown(answer, held);
        } catch (error) {
          failCallback();
          fail(error);
        }
      },
    };

    /* What an answer says besides its rows. */
    function hear(answer, start) {
      last = answer;
      broken = false;
      note.replaceChildren();
      about.titles = new Map(answer.clusters.map((cluster) => [cluster.name, cluster.title]));
      about.stale = new Map(answer.clusters.filter((cluster) => cluster.stale && cluster.taken_at).map((cluster) => [cluster.name, cluster.taken_at]));
      if (start === 0) {
        if (announced !== asked) found.textContent = announced ? jobs.plural(answer.jobs, "job") + " found" : "";
        announced = asked;
        sayEmpty();
        tools.update(words, answer.facets, csvAddress(words));
      }
    }

    function fail(error) {
      if (error.name === "AbortError") return;
      broken = true;
      const again = make("button", "btn btn-outline-secondary btn-sm ms-auto", "Try again", { type: "button" });
      again.addEventListener("click", () => load());
      const rest = last ? "The last answer stays; it is asked for again with the next report." : "It is asked for again with the next report.";
      const words = make("div", "", [make("b", "fw-semibold", "The jobs could not be read."), ` ${rest} (${error.message})`]);
      note.replaceChildren(make("div", "ws-note bad mb-2 align-items-center", [icon("exclamation-octagon", "st-bad"), words, again]));
      fit();
    }

    function load() {
      controller.abort();
      controller = new AbortController();
      stamps = JSON.stringify(ws.shown);
      if (api) {
        api.refreshInfiniteCache();
      } else {
        first = ask(0, BLOCK);
        first.catch(fail);
      }
    }

    /* The rows are in: selection, focus and the mark of what changed follow the jobs, not the places. */
    function shown(answer, held) {
      const changed = answer.list.filter((job) => states.has(job.key) && states.get(job.key) !== job.state);
      answer.list.forEach((job) => states.set(job.key, job.state));
      select();
      const node = focused && held && grid.contains(document.activeElement) ? api.getRowNode(focused) : null;
      if (node && node.rowIndex !== held.rowIndex && rowElement(node.rowIndex)) api.setFocusedCell(node.rowIndex, held.column);
      requestAnimationFrame(() => changed.forEach((job) => tint(api && api.getRowNode(job.key))));
      count();
    }
    const rowElement = (index) => grid.querySelector(`.ag-center-cols-container [row-index="${index}"]`);
    function tint(node) {
      const row = node && rowElement(node.rowIndex);
      if (!row) return;
      row.classList.add("ws-changed");
      setTimeout(() => row.classList.remove("ws-changed"), 2000);
    }

    /* Saying */

    function count() {
      if (!api || !last) return;
      const height = narrow ? 58 : 32;
      const { top, bottom } = api.getVerticalPixelRange();
      const [from, to] = [Math.min(last.rows, Math.floor(top / height) + 1), Math.min(last.rows, Math.floor(bottom / height))];
      if (!last.rows) {
        said.textContent = "No rows.";
        return;
      }
      const folded = last.arrays ? `; ${jobs.plural(last.arrays, "array")} folded (${jobs.plural(last.tasks, "task")})` : "";
      const gpus = last.sums.gpus ? " and " + jobs.plural(last.sums.gpus, "GPU") : "";
      const together = narrow ? "" : ` Together ${jobs.plural(last.sums.cores, "core")}${gpus}.`;
      const words = `Rows ${jobs.number(from)}–${jobs.number(Math.max(from, to))} of ${jobs.number(last.rows)}${folded}.${together}`;
      if (said.textContent !== words) said.textContent = words;
    }

    function sayEmpty() {
      empty.hidden = last.rows > 0;
      if (last.rows > 0) return;
      const doing = (text, todo, symbol) => {
        const element = make("button", "btn btn-outline-secondary", [icon(symbol), " ", text], { type: "button" });
        element.addEventListener("click", todo);
        return element;
      };
      const offers = [];
      const { near } = last;
      if (near && near.name) {
        const name = jobs.clean(near.name);
        const facet = FACETS.includes(near.kind);
        offers.push(doing(`The closest name: ${near.kind} ${name} (${jobs.plural(near.jobs, "job")})`, () => put(facet ? { q: null, [near.kind]: listed([near.name]) } : { q: near.name }), "search"));
      }
      const others = Object.entries(last.facets.state).filter(([name, number]) => number && !words.states.includes(name) && name in jobs.STATES);
      if (others.length) {
        const names = others.map(([name, number]) => jobs.number(number) + " " + jobs.STATES[name][1].toLowerCase()).join(", ");
        offers.push(doing("Show " + names, () => put({ state: listed([...words.states, ...others.map(([name]) => name)]) }), "plus-lg"));
      }
      if (words.narrowed) offers.push(doing(words.q ? "Clear search" : "Clear filters", act.clear, "x-lg"));
      const fact = words.q ? ["No job matches “", jobs.foreign(words.q), "”."] : words.narrowed ? ["No job matches these filters."] : ["No jobs."];
      const why = words.narrowed ? "" : " Nothing runs and nothing waits.";
      empty.replaceChildren(make("div", "ws-empty", [make("b", "fw-semibold text-body", fact), why, make("div", "d-flex flex-wrap gap-2 justify-content-center mt-2", offers)]));
    }

    /* Moving and opening */

    const job = (index) => api?.getDisplayedRowAtIndex(index)?.data;
    const shownJob = () => words.job;
    function select() {
      if (!api) return;
      const key = shownJob() || focused;
      const node = key && api.getRowNode(key);
      if (node) node.setSelected(true, true);
      else api.deselectAll();
    }
    function focus(index) {
      if (!api || index < 0 || index >= api.getDisplayedRowCount()) return;
      api.ensureIndexVisible(index);
      api.setFocusedCell(index, api.getFocusedCell()?.column || api.getAllDisplayedColumns()[0]);
    }
    function where() {
      const node = focused && api?.getRowNode(focused);
      return node ? node.rowIndex : (api?.getFocusedCell()?.rowIndex ?? -1);
    }
    function open(one) {
      if (!one) return;
      if (one.kind === "array") act.fold(one.key);
      else put({ job: one.key, node: null });
    }
    /* With the panel open it shows the row that is moved to; passing over rows is no history. */
    function follow() {
      clearTimeout(following);
      const one = focused && api?.getRowNode(focused)?.data;
      if (!words.job || !one || one.kind === "array" || one.key === words.job) return;
      following = setTimeout(() => read().job && put({ job: one.key }, true), 120);
    }

    const rows = {
      first: () => focus(0),
      next: () => focus(where() + 1),
      previous: () => focus(Math.max(0, where() - 1)),
      open: () => open(job(where())),
      close: () => put({ job: null, node: null }),
      mine: act.mine,
      columns: tools.columns,
      search: tools.focus,
    };

    /* The grid */

    function create() {
      if (gone) return;
      about.me = ws.stored("me");
      api = agGrid.createGrid(grid, {
        theme: agGrid.themeQuartz,
        rowModelType: "infinite",
        datasource,
        cacheBlockSize: BLOCK,
        maxBlocksInCache: 6,
        getRowId: ({ data }) => data.key,
        columnDefs: columnDefs(words, tight),
        defaultColDef: { sortable: false, resizable: true, suppressMovable: true, suppressHeaderMenuButton: true, headerComponent: Head },
        rowHeight: narrow ? 58 : 32,
        headerHeight: narrow ? 0 : 34,
        rowSelection: { mode: "singleRow", checkboxes: false, enableClickSelection: false },
        rowClassRules: { "ws-old": ({ data }) => Boolean(data) && about.stale.has(data.cluster) },
        enableCellTextSelection: true,
        ensureDomOrder: true,
        suppressColumnVirtualisation: true,
        suppressNoRowsOverlay: true,
        animateRows: false,
        onBodyScroll: count,
        onGridSizeChanged: count,
        onCellFocused({ rowIndex }) {
          const one = rowIndex === null ? null : job(rowIndex);
          if (!one) return;
          focused = one.key;
          if (!words.job) select();
          follow();
        },
        onCellKeyDown: ({ event, data }) => event.key === "Enter" && open(data),
        onRowClicked({ event, data }) {
          const other = event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest('[data-goes="page"]');
          if (!other && String(getSelection()) === "") open(data);
        },
      });
      grid.querySelector('[role="grid"], [role="treegrid"]')?.setAttribute("aria-label", "Jobs");
      sync();
    }

    /* Links of cells are followed without loading the page anew, unless they are to open elsewhere. */
    grid.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-goes]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (link.dataset.goes === "page") ws.address.go(link.getAttribute("href"));
    });

    /* The table fills the window down to its lower edge. */
    function fit() {
      const top = grid.getBoundingClientRect().top + scrollY;
      const below = foot.offsetHeight + (innerWidth < NARROW ? 64 : 16);
      grid.style.height = Math.max(narrow ? 348 : 290, Math.floor(innerHeight - top - below)) + "px";
      if (tight === place.clientWidth < TIGHT && narrow === innerWidth < NARROW) return;
      tight = place.clientWidth < TIGHT;
      if (narrow !== innerWidth < NARROW) {
        narrow = !narrow;
        api?.destroy();
        api = null;
        if (agGrid) create();
      } else {
        api?.setGridOption("columnDefs", columnDefs(words, tight));
      }
    }
    const watching = new ResizeObserver(fit);
    watching.observe(place);
    watching.observe(bar);
    addEventListener("resize", fit);

    /* Bring the table after the address. */
    function bring() {
      const before = words;
      words = read();
      about.open = words.open;
      const now = String(question(words));
      const [chosen, unfolded] = [asked !== null && asked.question !== now, asked !== null && asked.open !== words.open.join()];
      if (before.columns.join() !== words.columns.join()) api?.setGridOption("columnDefs", columnDefs(words, tight));
      if (before.sort !== words.sort) api?.refreshHeader();
      if (before.job !== words.job) select();
      if (before.job && !words.job && grid.contains(document.activeElement) === false && focused) focus(where());
      tools.update(words, last && last.facets, csvAddress(words));
      if (asked === null || chosen || unfolded) {
        asked = { question: now, open: words.open.join() };
        if (chosen) {
          states = new Map();
          api?.ensureIndexVisible(0, "top");
        }
        load();
      }
    }

    /* Called after each drawing of the page. */
    function drawn() {
      const me = ws.stored("me");
      if (me !== about.me) {
        about.me = me;
        api?.refreshCells({ force: true });
      }
      bring();
      if (broken || stamps !== JSON.stringify(ws.shown)) load();
    }

    let gone = false;
    function leave() {
      gone = true;
      controller.abort();
      clearTimeout(following);
      clearTimeout(telling);
      watching.disconnect();
      removeEventListener("resize", fit);
      tools.destroy();
      api?.destroy();
      api = null;
      if (ws.rows === rows) ws.rows = null;
    }

    ws.rows = rows;
    bring();
    fit();
    Promise.all([library(), first.catch(() => null)]).then(
      ([loaded]) => {
        agGrid = loaded;
        if (!gone) create();
      },
      fail,
    );
    return { place, bring, drawn, leave };
  }

  function zoneOf(place) {
    try {
      return new Intl.DateTimeFormat("en", { timeZone: place.dataset.zone }).resolvedOptions().timeZone;
    } catch {
      return "UTC";
    }
  }

  /* Which table is on the screen, if any. */
  let table = null;
  function sync() {
    if (table && location.pathname.replace(/\/+$/, "") === "/jobs" && table.place.isConnected) table.bring();
  }
  addEventListener("popstate", sync);
  addEventListener("_dashprivate_pushstate", sync);
  ws.after.push(() => {
    const place = document.getElementById("jobs");
    if (table && (table.place !== place || !place.firstChild)) {
      table.leave();
      table = null;
    }
    if (table) table.drawn();
    else if (place) table = enter(place);
  });
})();
