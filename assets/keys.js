/* Single keys and their list, Esc that closes what is open, and where the focus goes when the panel opens and closes. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make } = ws;
  const SECOND = 1500; // milliseconds that a first key waits for its second one
  const covers = matchMedia("(max-width: 991.98px)"); // below, the panel lies over the whole page

  const LIST = [
    [["/"], "search"],
    [["g", "o"], "overview"],
    [["g", "f"], "free now"],
    [["g", "c"], "clusters"],
    [["g", "j"], "jobs"],
    [["g", "h"], "health"],
    [["j"], "next row of the table of jobs"],
    [["k"], "previous row"],
    [["Enter"], "open the panel of the row"],
    [["Esc"], "close menu, list or panel"],
    [["m"], "only my jobs; elsewhere my page"],
    [["c"], "columns of the table of jobs"],
    [["r"], "refresh now"],
    [["t"], "time machine: look at a past moment"],
    [["["], "poll back"],
    [["]"], "poll forward"],
    [["l"], "back to live"],
    [["?"], "this list"],
  ];

  const follow = (href) => () => ws.address.go(href);
  const PAGES = { o: follow("/"), f: follow("/free"), c: clusters, j: follow("/jobs"), h: follow("/health") };
  const SINGLE = {
    "/": () => ws.search(),
    j: () => ws.rows?.next(),
    k: () => ws.rows?.previous(),
    m: mine,
    c: () => ws.rows?.columns(),
    r: refresh,
    t: () => ws.past.open(),
    "[": () => ws.past.step("back"),
    "]": () => ws.past.step("forward"),
    l: () => ws.past.live(),
    "?": () => ws.showKeys(),
  };

  let on = ws.stored("keys") !== "off";
  const panel = () => document.getElementById("panel");
  const panelOpen = () => Boolean(panel() && panel().childElementCount);

  /* The menu of clusters where there is one, else the first cluster. */
  function clusters() {
    const menu = document.querySelector("#clusters-menu");
    if (menu && menu.offsetParent) {
      menu.open = true;
      menu.querySelector("a").focus();
      return;
    }
    const first = document.querySelector('nav a[href^="/cluster/"]');
    if (first) ws.address.go(first.getAttribute("href"));
  }

  function mine() {
    const me = ws.stored("me");
    if (ws.rows) ws.rows.mine();
    else if (me) ws.address.go("/user/" + encodeURIComponent(me));
    else ws.askMe();
  }

  function refresh() {
    const button = document.getElementById("refresh");
    if (button.disabled) ws.say(button.title);
    else button.click();
  }

  /* Keys */

  const NOT_TYPED = ["checkbox", "radio", "button", "submit", "reset", "range", "file", "color"];
  function typing(element) {
    if (!element || !element.closest) return false;
    if (element.closest("textarea, select, [role=textbox]") || element.isContentEditable) return true;
    return element.matches("input") && !NOT_TYPED.includes(element.type);
  }

  let first = 0; // when `g` was pressed
  function press(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return escape(event);
    if (!on || typing(event.target)) return;
    const second = Date.now() - first < SECOND;
    first = 0;
    let act = second ? PAGES[event.key] : SINGLE[event.key];
    if (!second && event.key === "g") act = () => (first = Date.now());
    // On a link or a button Enter is theirs.
    if (event.key === "Enter" && ws.rows && [document.body, document.getElementById("page")].includes(document.activeElement)) act = () => ws.rows.open();
    if (!act || (event.repeat && !"jk[]".includes(event.key))) return;
    event.preventDefault();
    act();
  }

  /* Esc closes one thing at a time: webstat.js the menus, a dialog itself, this the panel. */
  let menus = false;
  document.addEventListener("keydown", () => (menus = Boolean(document.querySelector("details.ws-menu[open]"))), true);
  window.addEventListener("keydown", press);

  function escape(event) {
    if (menus) return;
    if (typing(event.target) && !panel().contains(event.target)) event.target.blur();
    else if (panelOpen()) ws.address.set({ job: null, node: null });
  }

  /* The panel and the focus */

  let opener = null;
  let was = false;
  window.addEventListener("_dashprivate_pushstate", () => {
    if (!panelOpen()) opener = document.activeElement;
  });

  /* What opened the panel, or the link that took its place when the page was drawn again. */
  function comeBack() {
    const lost = !document.activeElement || document.activeElement === document.body;
    if (!lost || !opener || opener === document.body) return;
    const href = opener.getAttribute("href");
    const same = [...document.querySelectorAll("main a[href]")].find((link) => link.getAttribute("href") === href);
    (opener.isConnected ? opener : same)?.focus({ preventScroll: true });
  }

  function cover() {
    document.getElementById("page").inert = panelOpen() && covers.matches;
  }

  ws.after.push(() => {
    const open = panelOpen();
    cover();
    if (open && !was && covers.matches) panel().focus({ preventScroll: true });
    if (!open && was) comeBack();
    was = open;
  });
  covers.addEventListener("change", () => document.getElementById("page") && cover());

  /* The list */

  let dialog = null;
  function build() {
    const rows = LIST.map(([keys, words]) =>
      make("tr", "", [make("td", "", keys.flatMap((key) => [make("kbd", "", key), " "])), make("td", "", words)]),
    );
    const close = make("button", "btn btn-outline-secondary", "Close", { type: "button", autofocus: "" });
    const off = make("input", "form-check-input", [], { type: "checkbox", id: "keys-off" });
    const label = make("label", "form-check-label", "Switch single keys off", { for: "keys-off" });
    const title = make("h2", "ws-q mb-2", "Keys", { id: "keys-title" });
    const table = make("table", "table ws-table", make("tbody", "", rows));
    const foot = make("div", "d-flex align-items-center gap-2 mt-3", [off, label, make("span", "ms-auto", close)]);
    dialog = make("dialog", "ws-dialog", [title, table, foot], { "aria-labelledby": "keys-title" });
    off.checked = !on;
    off.addEventListener("change", () => {
      on = !off.checked;
      ws.store("keys", on ? "on" : "off");
    });
    close.addEventListener("click", () => dialog.close());
    // A click beside it.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    document.body.append(dialog);
  }

  ws.showKeys = function () {
    if (!dialog) build();
    dialog.showModal();
  };
})();
