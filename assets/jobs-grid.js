/* The grid of the jobs table: its script, loaded when it is first needed, and its columns and their heads. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { jobs, make, icon } = ws;

  const NARROW = 768; // pixels of the window below which a job is two lines
  const TIGHT = 1270; // pixels of the table below which columns are narrower
  const LITTLE = 1090; // and below which the low ones go

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
      this.click = () => jobs.address.act.sort(this.column);
      this.press = (event) => event.key === "Enter" && this.click();
      this.element.addEventListener("click", this.click);
      this.cell.addEventListener("keydown", this.press);
      this.refresh(params);
    }
    refresh(params) {
      this.column = params.spec;
      const { sort } = jobs.address.read();
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

  /* How much room there is: narrow (one column), little, tight or wide. */
  function roomOf(place) {
    if (innerWidth < NARROW) return "narrow";
    return place.clientWidth < LITTLE ? "little" : place.clientWidth < TIGHT ? "tight" : "wide";
  }

  function columnDefs(words, room) {
    if (room === "narrow") return [definition(jobs.NARROW, { flex: 1, resizable: false })];
    const [tight, little] = words.chosenColumns ? [false, false] : [room !== "wide", room === "little"];
    const shown = jobs.COLUMNS.filter((column) => words.columns.includes(column.id) && !(little && column.low));
    const growing = shown.find((column) => column.grows) || shown[shown.length - 1];
    return shown.map((usual) => {
      const column = tight ? { ...usual, ...usual.tight } : usual;
      const size = usual === growing ? { flex: 1, minWidth: column.width } : { width: column.width, flex: null };
      return definition(column, { ...size, type: column.right ? "rightAligned" : undefined });
    });
  }

  const definition = (column, more) => ({
    colId: column.id,
    headerName: column.title,
    headerComponent: Head,
    headerComponentParams: { spec: column },
    valueGetter: ({ data }) => (data ? column.text(data) : ""),
    cellRenderer: ({ data, value }) => (data ? (column.draw ? column.draw(data, value) : value) : ""),
    ...more,
  });

  jobs.grid = { library, roomOf, columnDefs };
})();
