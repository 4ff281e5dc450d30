/* The table of jobs: what the address asks for is fetched from /data/jobs block by block, shown, and kept true.
   What a cell says is jobs-columns.js, the row of buttons jobs-tools.js, the address jobs-address.js, the grid's
   columns jobs-grid.js. One function, since all of it moves one table: rows, selection, focus and what is said of them. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { jobs, make, icon } = ws;
  const { about } = jobs;
  const { FACETS, read, question, csvAddress, put, listed, act } = jobs.address;
  const { library, roomOf, columnDefs } = jobs.grid;

  const BLOCK = 100; // rows asked for at a time
  const [HIGH, TALL] = [32, 58]; // pixels of a row; of one on a phone

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
    let room = roomOf(place);
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
      const answer = await response.json().catch(() => ({}));
      if (!response.ok || !answer.columns) throw new Error(answer.error || "Status " + response.status + ".");
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
      const rest = last ? "The last answer stays; they are asked for again with the next report." : "They are asked for again with the next report.";
      const words = make("div", "", [make("b", "fw-semibold", "The jobs could not be read."), ` ${rest} ${jobs.clean(error.message)}`]);
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
      const height = room === "narrow" ? TALL : HIGH;
      const { top, bottom } = api.getVerticalPixelRange();
      const [from, to] = [Math.min(last.rows, Math.floor(top / height) + 1), Math.min(last.rows, Math.floor(bottom / height))];
      if (!last.rows) {
        said.textContent = "No rows.";
        return;
      }
      const folded = last.arrays ? `; ${jobs.plural(last.arrays, "array")} folded (${jobs.plural(last.tasks, "task")})` : "";
      const gpus = last.sums.gpus ? " and " + jobs.plural(last.sums.gpus, "GPU") : "";
      const together = room === "narrow" ? "" : ` Together ${jobs.plural(last.sums.cores, "core")}${gpus}.`;
      const words = `Rows ${jobs.number(from)}–${jobs.number(Math.max(from, to))} of ${jobs.number(last.rows)}${folded}.${together}`;
      if (said.textContent !== words) said.textContent = words;
    }

    function clearing({ q, explicit }) {
      const filtered = explicit || FACETS.some((kind) => words[kind].length);
      return "Clear " + [q ? "search" : "", filtered ? "filters" : ""].filter(Boolean).join(" and ");
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
      if (words.narrowed) offers.push(doing(clearing(words), act.clear, "x-lg"));
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
        rowBuffer: 6,
        getRowId: ({ data }) => data.key,
        columnDefs: columnDefs(words, room),
        defaultColDef: { sortable: false, resizable: true, suppressMovable: true, suppressHeaderMenuButton: true },
        rowHeight: room === "narrow" ? TALL : HIGH,
        headerHeight: room === "narrow" ? 0 : 34,
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
          const other = !ws.plain(event) || event.target.closest('[data-goes="page"]');
          if (!other && String(getSelection()) === "") open(data);
        },
      });
      grid.querySelector('[role="grid"], [role="treegrid"]')?.setAttribute("aria-label", "Jobs");
      bring();
    }

    /* Links of cells are followed without loading the page anew, unless they are to open elsewhere. */
    grid.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-goes]");
      if (!link || !ws.plain(event)) return;
      event.preventDefault();
      if (link.dataset.goes === "page") ws.address.go(link.getAttribute("href"));
    });

    /* The table fills the window down to its lower edge. */
    function fit() {
      const top = grid.getBoundingClientRect().top + scrollY;
      const next = roomOf(place);
      const [was, is] = [room === "narrow", next === "narrow"];
      grid.style.height = Math.max(is ? 348 : 290, Math.floor(innerHeight - top - foot.offsetHeight - (is ? 64 : 16))) + "px";
      if (room === next) return;
      room = next;
      if (was === is) {
        api?.setGridOption("columnDefs", columnDefs(words, room));
      } else if (api) {
        // Rows of another height: a grid of its own.
        api.destroy();
        create();
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
      if (before.columns.join() !== words.columns.join()) api?.setGridOption("columnDefs", columnDefs(words, room));
      if (before.sort !== words.sort) api?.refreshHeader();
      if (before.job !== words.job) select();
      if (before.job && !words.job && grid.contains(document.activeElement) === false && focused) focus(where());
      tools.update(words, last && last.facets, csvAddress(words));
      if (asked === null || chosen || unfolded) {
        asked = { question: now, open: words.open.join() };
        if (chosen) {
          states = new Map();
          if (api?.getDisplayedRowCount()) api.ensureIndexVisible(0, "top");
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
      jobs.address.quiet();
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
  jobs.sync = function () {
    if (table && location.pathname.replace(/\/+$/, "") === "/jobs" && table.place.isConnected) table.bring();
  };
  addEventListener("popstate", jobs.sync);
  addEventListener("_dashprivate_pushstate", jobs.sync);
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
