/* The node map: one cell a node, drawn into #nodemap from /data/nodes/<cluster>, and the same as a table.
   After a report only cells that differ are touched. What cells and tips say is nodemap-looks.js's, the table
   nodemap-table.js's. */
(function () {
  "use strict";
  const ws = window.webstat;
  const DENSE = 48; // cells in a row from which on they are too small for text
  const JOBS_SHOWN = 6;
  const small = matchMedia("(max-width: 767.98px)");
  const { make } = ws;
  const { STATES, address, number, plural } = ws.nodes;

  let root = null;
  let owner = ""; // the cluster that root is for
  let shown = ""; // the stamp of the report whose cells are drawn
  let loading = "";
  let map = null;
  let cells = []; // by the node's place
  let drawn = []; // what each cell looks like, to touch only those that differ
  let lines = [];
  let at = []; // each node's line and column
  let outline = ""; // what the arrangement of cells rests on
  let focus = 0; // the cell that Tab reaches
  let pointed = null; // the job under the pointer, by its place
  let ringed = new Set();
  let tipOf = null;
  let hiding = 0;

  /* Called after each drawing. */
  function mount() {
    const found = document.getElementById("nodemap");
    if (!found) {
      root = map = null;
      return;
    }
    if (found !== root || found.dataset.cluster !== owner) forget(found);
    const stamp = [(ws.shown && ws.shown[owner]) || "", ws.at].join(" ");
    if (stamp !== shown && stamp !== loading) load(stamp);
    else if (map) draw();
  }

  function forget(found) {
    if (found !== root) listen(found);
    root = found;
    owner = root.dataset.cluster;
    root.replaceChildren();
    map = null;
    shown = loading = outline = "";
    focus = 0;
  }

  async function load(stamp) {
    const cluster = owner;
    loading = stamp;
    let answer = null;
    try {
      const response = await fetch(ws.address.keep("/data/nodes/" + encodeURIComponent(cluster)));
      if (response.ok) answer = await response.json();
    } catch {
      /* said below */
    }
    if (!root || owner !== cluster || loading !== stamp) return;
    loading = "";
    if (!answer) {
      if (!map) root.textContent = "The nodes could not be fetched. They are asked for again with the next report.";
      return;
    }
    shown = stamp;
    const job = map && pointed !== null ? map.jobs.id[pointed] : null;
    map = ws.nodes.read(answer);
    pointed = map.place.has(job) ? map.place.get(job) : null;
    draw();
  }

  const colouring = () => ws.address.query().get("map") || "cores";

  function draw() {
    const by = ws.address.query().get("rows") === "property" ? "property" : "name";
    const now = [map.cluster, by, small.matches, map.columns, ...map.nodes.name].join("\n") + (by === "property" ? map.nodes.properties : "");
    if (now !== outline) {
      lines = ws.nodes.lines(map, by);
      build();
      outline = now;
    }
    paint();
    legend();
    ring();
    table();
    if (tipOf !== null) tip(tipOf);
  }

  /* Cells without looks. On small screens they are a picture; the table is the way in there. */
  function build() {
    const grid = make("div", "ws-nodes" + (map.columns > DENSE ? " dense" : ""));
    grid.style.setProperty("--cols", map.columns);
    grid.setAttribute("role", small.matches ? "img" : "group");
    cells = new Array(map.nodes.name.length);
    drawn = [];
    at = [];
    lines.forEach((line, row) => {
      grid.append(make("b", "", line.words, { title: line.words, "aria-hidden": "true" }));
      line.nodes.forEach((node, column) => {
        const cell = make(small.matches ? "i" : "a");
        cell.dataset.at = node;
        if (!small.matches) {
          cell.href = address("node", map.cluster, map.nodes.name[node]);
          cell.tabIndex = -1;
        }
        cells[node] = cell;
        at[node] = [row, column];
        grid.append(cell);
      });
    });
    focus = Math.min(focus, cells.length - 1);
    if (cells[focus]) cells[focus].tabIndex = 0;
    const tips = make("div", "ws-tip ws-node-tip");
    tips.hidden = true;
    root.replaceChildren(grid, tips, make("div", "ws-sub ws-legend"), make("div", "ws-sub ws-ringed"));
    tipOf = null;
  }

  function paint() {
    const kind = colouring();
    const grid = root.firstChild;
    const dense = map.columns > DENSE;
    grid.setAttribute("aria-label", summary());
    cells.forEach((cell, node) => {
      const { look, text, parts } = ws.nodes.look(map, node, kind);
      const words = small.matches ? "" : ws.nodes.label(map, node);
      const now = look + "|" + text + "|" + parts + "|" + words;
      if (drawn[node] === now) return;
      drawn[node] = now;
      cell.className = "nd " + look + (at[node][1] ? "" : " s") + (ringed.has(node) ? " hit" : "");
      if (words) cell.setAttribute("aria-label", words);
      if (parts.length) cell.replaceChildren(split(parts));
      else if (dense || !text) cell.replaceChildren();
      else if (/^[ROD?]$/.test(text)) cell.replaceChildren(make("span", "", text));
      else cell.textContent = text;
    });
  }

  function split(parts) {
    const whole = make("span", "ws-parts");
    parts.forEach(([look, share]) => {
      const part = make("i", look);
      part.style.width = (share * 100).toFixed(1) + "%";
      whole.append(part);
    });
    return whole;
  }

  function summary() {
    const counts = {};
    map.nodes.state.forEach((state) => (counts[map.states[state]] = (counts[map.states[state]] || 0) + 1));
    const words = Object.keys(STATES).filter((state) => counts[state]).map((state) => number(counts[state]) + " " + STATES[state].words);
    return plural(cells.length, "node") + ": " + words.join(", ");
  }

  /* What colours, letters and numbers mean. */
  function legend() {
    const kind = colouring();
    const items = [];
    const key = (look, words, letter) => {
      const sample = make("i", "nd " + look, letter ? make("span", "", letter) : [], { "aria-hidden": "true" });
      return make("span", "ws-legend-item", [sample, words]);
    };
    if (kind === "user" || kind === "queue") items.push(...names(kind, key));
    else {
      const ramp = make("span", "ws-legend-item", kind === "memory" ? "memory in use" : "cores in use");
      for (let step = 0; step <= 5; step += 1) ramp.append(make("i", "nd f" + step));
      ramp.append("none to all");
      items.push(ramp);
      if (map.columns <= DENSE) items.push(make("span", "", kind === "memory" ? "number: GB free; –: not told" : "number: cores free"));
    }
    ["reserved", "offline", "down", "unknown"].forEach((state) => {
      const place = map.states.indexOf(state);
      if (place >= 0 && map.nodes.state.includes(place)) items.push(key(STATES[state].look, STATES[state].words, STATES[state].letter));
    });
    root.querySelector(".ws-legend").replaceChildren(...items);
  }

  function names(kind, key) {
    const cores = new Map();
    map.jobs.state.forEach((state, job) => {
      const who = map.jobs[kind][job];
      if (state !== "suspended") cores.set(who, (cores.get(who) || 0) + map.jobs.cores[job]);
    });
    const words = map[kind + "s"];
    const order = [...cores].sort((one, other) => other[1] - one[1]);
    const coloured = order.filter(([who]) => words.hue[who]);
    const items = coloured.map(([who, held]) => {
      const name = make("bdi", "", words.name[who]);
      if (kind === "user") name.dataset.user = words.name[who];
      const item = key(ws.nodes.shade(words, who), "");
      item.append(name, " " + number(held));
      return item;
    });
    if (order.length > coloured.length) items.push(key("b-c c0", plural(order.length - coloured.length, "other")));
    return items;
  }

  /* The nodes of the job that is pointed at, else of the one that the address names; and the node it names. */
  function ring() {
    const query = ws.address.query();
    const [chosen, node] = [inside(query.get("job")), inside(query.get("node"))];
    const job = pointed !== null ? pointed : chosen !== null && map.place.has(chosen) ? map.place.get(chosen) : null;
    const now = new Set(job === null ? [] : map.jobs.nodes[job]);
    ringed.forEach((one) => now.has(one) || (cells[one] && cells[one].classList.remove("hit")));
    now.forEach((one) => ringed.has(one) || cells[one].classList.add("hit"));
    ringed = now;
    const open = node === null ? undefined : cells[map.nodes.name.indexOf(node)];
    root.querySelectorAll(".nd[aria-current]").forEach((cell) => cell === open || cell.removeAttribute("aria-current"));
    if (open && !open.hasAttribute("aria-current")) open.setAttribute("aria-current", "true");
    const said = root.querySelector(".ws-ringed");
    if (job === null || tipOf !== null) said.replaceChildren();
    else said.replaceChildren("Ringed: ", jobName(job), ", " + ws.nodes.aboutJob(map, job).join("; "));
  }

  /* What follows `<cluster>/` where that is ours. */
  function inside(text) {
    const own = owner + "/";
    return text && text.startsWith(own) ? text.slice(own.length) : null;
  }

  function jobName(job) {
    const user = map.users.name[map.jobs.user[job]];
    const name = make("bdi", "", map.jobs.name[job]);
    return make("span", "", [make("b", "", map.jobs.id[job].split(".")[0]), " · ", name, " · ", make("bdi", "", user, { "data-user": user })]);
  }

  /* The tip of a node: stays while the pointer is in it, goes with Esc. */
  function tip(node) {
    clearTimeout(hiding);
    tipOf = node;
    const where = placeAt(cells[node]);
    const box = root.querySelector(".ws-node-tip");
    const content = [make("b", "", map.nodes.name[node])];
    ws.nodes.about(map, node).forEach((line) => content.push(make("div", "", line)));
    const jobs = map.jobsOn[node];
    jobs.slice(0, JOBS_SHOWN).forEach(([job, cores]) => {
      const words = [jobName(job), " · " + plural(Math.round(cores), "core")];
      const link = make("a", "ws-tip-job", words, { href: address("job", map.cluster, map.jobs.id[job]), tabindex: "-1" });
      if (jobs.length === 1) ws.nodes.aboutJob(map, job).forEach((line) => link.append(make("div", "", line)));
      content.push(link);
    });
    if (jobs.length > JOBS_SHOWN) content.push(make("div", "", "and " + plural(jobs.length - JOBS_SHOWN, "more job")));
    box.replaceChildren(...content);
    box.style.transform = where;
    box.hidden = false;
    pointed = jobs.length === 1 ? jobs[0][0] : null;
    ring();
  }

  /* Where the tip goes: beside the cell, so that the pointer can pass under it, towards the middle of map and window.
     Told as a translation by shares of the tip's own size, since to ask for that would lay out the page once more. */
  function placeAt(cell) {
    const [whole, one] = [root.getBoundingClientRect(), cell.getBoundingClientRect()];
    const middle = one.left + one.width / 2;
    const x = middle - whole.left < whole.width / 2 ? middle - whole.left + 12 + "px" : "calc(" + (middle - whole.left - 12) + "px - 100%)";
    const y = one.bottom < window.innerHeight / 2 ? one.bottom - whole.top + 4 + "px" : "calc(" + (one.top - whole.top - 4) + "px - 100%)";
    return "translate(" + x + ", " + y + ")";
  }

  function hide() {
    clearTimeout(hiding);
    tipOf = pointed = null;
    const box = root && root.querySelector(".ws-node-tip");
    if (box) box.hidden = true;
    if (map) ring();
  }

  const cellOf = (target) => target.closest && target.closest(".ws-nodes > .nd");

  function listen(element) {
    element.addEventListener("pointerover", (event) => {
      const cell = cellOf(event.target);
      if (cell) return tip(Number(cell.dataset.at));
      if (event.target.closest(".ws-node-tip")) return clearTimeout(hiding);
      hiding = setTimeout(hide, 150);
    });
    element.addEventListener("pointerleave", () => {
      clearTimeout(hiding);
      hiding = setTimeout(hide, 150);
    });
    element.addEventListener("focusin", (event) => {
      const cell = cellOf(event.target);
      if (!cell) return;
      reach(Number(cell.dataset.at));
      if (cell.matches(":focus-visible")) tip(focus);
    });
    element.addEventListener("focusout", (event) => {
      if (!element.contains(event.relatedTarget)) hide();
    });
    element.addEventListener("keydown", (event) => {
      const cell = cellOf(event.target);
      if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "Escape" && tipOf !== null) {
        event.stopPropagation();
        return hide();
      }
      const next = moved(Number(cell.dataset.at), event.key);
      if (next === null) return;
      event.preventDefault();
      event.stopPropagation();
      reach(next);
      cells[next].focus();
    });
    element.addEventListener("click", (event) => {
      const cell = cellOf(event.target);
      if (cell && small.matches) tip(Number(cell.dataset.at));
      else follow(event);
    });
  }

  /* Links to a node or job of ours open its panel; with a key held they are followed as any other. */
  function follow(event) {
    const link = event.target.closest("a[href]");
    if (!link || !ws.plain(event)) return;
    event.preventDefault();
    const [kind, ...rest] = link.pathname.split("/").slice(1).map(decodeURIComponent);
    ws.address.set({ node: null, job: null, [kind]: rest.join("/") });
  }

  function reach(node) {
    if (cells[focus]) cells[focus].tabIndex = -1;
    focus = node;
    cells[focus].tabIndex = 0;
  }

  function moved(node, key) {
    const [row, column] = at[node];
    const line = lines[row].nodes;
    const over = (other) => (other ? other.nodes[Math.min(column, other.nodes.length - 1)] : null);
    const from = lines.slice(0, row).reduce((sum, one) => sum + one.nodes.length, 0) + column;
    const flat = (place) => {
      for (const one of lines) {
        if (place < one.nodes.length) return one.nodes[place];
        place -= one.nodes.length;
      }
      return null;
    };
    switch (key) {
      case "ArrowRight": return flat(from + 1);
      case "ArrowLeft": return from ? flat(from - 1) : null;
      case "ArrowDown": return over(lines[row + 1]);
      case "ArrowUp": return over(lines[row - 1]);
      case "Home": return line[0];
      case "End": return line[line.length - 1];
      default: return null;
    }
  }

  /* Any link to one of our jobs rings its nodes. */
  function point(event) {
    if (!map || root.contains(event.target) && !event.target.closest(".ws-tip-job")) return;
    const link = event.target.closest && event.target.closest("a[href]");
    const job = link ? jobIn(link) : null;
    if (job === pointed || (job === null && tipOf !== null)) return;
    pointed = job;
    ring();
  }

  function jobIn(link) {
    if (!/job[=/]/.test(link.href)) return null;
    const address = new URL(link.href, location.href);
    const path = /^\/job\/([^/]+)\/([^/]+)$/.exec(address.pathname);
    const named = path ? path.slice(1).map(decodeURIComponent).join("/") : address.searchParams.get("job");
    const id = inside(named);
    return id !== null && map.place.has(id) && named !== ws.address.query().get("job") ? map.place.get(id) : null;
  }

  /* The same as a table, made when it is opened. */
  function table() {
    const details = document.getElementById("nodemap-details");
    if (!details) return;
    if (!details.dataset.heard) {
      details.dataset.heard = "yes";
      details.addEventListener("toggle", table);
      details.addEventListener("click", follow);
    }
    if (details.open && map) ws.nodes.table(document.getElementById("nodemap-table"), map, lines.flatMap((line) => line.nodes));
  }

  document.addEventListener("pointerover", point);
  document.addEventListener("focusin", point);
  small.addEventListener("change", () => map && draw());
  ws.after.push(mount);
})();
