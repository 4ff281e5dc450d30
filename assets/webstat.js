/* The page's own behaviour: ages that count, menus that close, the theme button, Refresh, titles.
   Live updates are live.js; nothing here fetches data. Other scripts add to ws.after what is to be done after
   each drawing. */
(function () {
  "use strict";
  const ws = window.webstat;
  const NBSP = "\u00a0";
  ws.after = [];
  ws.onNews = []; // called when clusters have news, drawn or not
  ws.skew = 0; // server's clock less ours, seconds; live.js keeps it

  /* Seconds as people read them; the same rules as webstat/format.py. */
  ws.duration = function (seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const floor = (a, b) => Math.floor(a / b);
    if (whole < 60) return whole + NBSP + "s";
    if (whole < 3600) return floor(whole, 60) + NBSP + "min";
    if (whole < 86400) {
      const minutes = floor(whole % 3600, 60);
      return floor(whole, 3600) + NBSP + "h" + (minutes ? NBSP + String(minutes).padStart(2, "0") : "");
    }
    const days = floor(whole, 86400);
    const hours = floor(whole % 86400, 3600);
    return days.toLocaleString("en") + NBSP + "d" + (hours && days < 14 ? NBSP + hours + NBSP + "h" : "");
  };

  ws.present = () => Date.now() / 1000 + ws.skew;
  ws.at = null; // the past moment that is drawn, seconds
  /* The second for which the page speaks: at a past moment it stands still. */
  ws.now = () => ws.at || ws.present();

  function count() {
    if (document.hidden) return;
    const now = ws.now();
    document.querySelectorAll("time[data-ws]").forEach((element) => {
      const at = Number(element.dataset.at);
      const since = element.dataset.ws === "ago" ? ws.present() : now;
      const text = ws.duration(element.dataset.ws === "until" ? at - now : since - at);
      const node = element.firstChild;
      // The text node is React's: changed in place, never replaced.
      if (node && node.nodeType === Node.TEXT_NODE) {
        if (node.nodeValue !== text) node.nodeValue = text;
      }
    });
    countdown();
  }
  setInterval(count, 1000);
  document.addEventListener("visibilitychange", count);

  /* Menus are <details>: closed by Esc, by a click elsewhere, and by following one of their links. */
  const menus = () => document.querySelectorAll("details.ws-menu[open]");
  document.addEventListener("click", (event) => {
    menus().forEach((menu) => {
      if (!menu.contains(event.target) || event.target.closest("a")) menu.removeAttribute("open");
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menus().forEach((menu) => {
      menu.removeAttribute("open");
      menu.querySelector("summary").focus();
    });
  });

  /* A choice that is in the address is drawn anew when it changes; the focus stays in it. */
  let chosen = "";
  const choice = (event) => (event.target.closest && event.target.closest(".ws-choices")) || null;
  document.addEventListener("focusin", (event) => {
    chosen = choice(event) ? choice(event).getAttribute("aria-label") : "";
  });
  document.addEventListener("pointerdown", (event) => {
    if (!choice(event)) chosen = "";
  });
  ws.after.push(() => {
    if (!chosen || document.activeElement !== document.body) return;
    const active = document.querySelector('.ws-choices[aria-label="' + CSS.escape(chosen) + '"] .active');
    if (active) active.focus({ preventScroll: true });
  });

  /* The skip link moves the focus, not the address. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href="#page"]');
    if (!link) return;
    event.preventDefault();
    document.getElementById("page").focus();
  });

  /* Refresh: when the next one is allowed, by cluster. */
  const allowed = {};
  let hiding = 0;

  function asked(path, drawn) {
    const found = /^\/cluster\/([^/]+)/.exec(path || "");
    return found ? [decodeURIComponent(found[1])] : Object.keys((drawn && drawn.clusters) || {}).filter(Boolean);
  }

  function countdown() {
    const button = document.getElementById("refresh");
    if (!button) return;
    const names = asked(location.pathname, { clusters: ws.shown || {} });
    const left = Math.ceil(Math.min(...names.map((name) => (allowed[name] || 0) - ws.present())));
    const waits = names.length > 0 && left > 0;
    if (!button.dataset.busy) button.disabled = waits || Boolean(ws.at);
    button.dataset.left = waits ? ws.duration(left) : "";
  }

  async function ask(name) {
    try {
      const answer = await fetch("/refresh/" + encodeURIComponent(name), { method: "POST" });
      return await answer.json();
    } catch {
      return { ok: false, message: "webstat itself does not answer." };
    }
  }

  function say(answers) {
    if (answers.length > 3) {
      const failed = answers.filter((answer) => !answer.ok);
      const done = answers.length - failed.length;
      const first = failed.length ? " " + failed[0].message : "";
      return done + " of " + answers.length + " clusters were asked." + first;
    }
    return [...new Set(answers.map((answer) => answer.message))].join(" ");
  }

  /* Called by Dash: browser-side callbacks. */
  const none = () => window.dash_clientside.no_update;
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.webstat = {
    viewer(clicks) {
      if (clicks) ws.next();
      const button = document.getElementById("theme");
      if (button) {
        button.setAttribute("aria-label", "Theme: " + ws.choice() + ". Change");
        button.title = "Theme: " + ws.choice();
      }
      return ws.viewer();
    },

    drawn(data) {
      if (!data) return none();
      document.getElementById("panel").dataset.open = document.getElementById("panel").childElementCount ? "yes" : "no";
      document.title = data.title || "webstat";
      const path = data.page ? data.page[0] : null;
      if (ws.path !== undefined && path !== ws.path && !location.hash) {
        // A page was followed: start at its top, and let screen readers start there.
        window.scrollTo(0, 0);
        document.getElementById("page").focus({ preventScroll: true });
      }
      ws.path = path;
      ws.shown = data.clusters || null;
      ws.at = data.at || null;
      if (location.hash) {
        const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
        if (target && ws.jumped !== location.href) target.scrollIntoView();
        ws.jumped = location.href;
      }
      count();
      ws.after.forEach((act) => act(data));
      return path || "";
    },

    /* A range chosen in a chart goes into the address, and comes back with the next figure. */
    zoomed() {
      const { triggered } = window.dash_clientside.callback_context;
      const change = triggered.length === 1 ? triggered[0].value : null;
      if (!change) return;
      // The id of a chart is an object; its element's is the same as text.
      const graph = document.getElementById(triggered[0].prop_id.replace(/\.relayoutData$/, ""));
      const chart = graph && graph.querySelector(".js-plotly-plot");
      if (!chart || !chart.layout.meta) return;
      if (change["xaxis.autorange"]) ws.address.set({ zoom: null });
      const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (!from || !to) return;
      if (chart.layout.meta.words === "from-to") {
        ws.address.set({ from: from.slice(0, 16).replace(" ", "T"), to: to.slice(0, 16).replace(" ", "T"), range: null, step: null });
        return;
      }
      // Plotly leaves out what is zero at the end: "2026-11-24", "2026-11-24 03:00".
      const whole = (local) => (local.length > 10 ? local : local + " 00:00").replace(" ", "T") + "Z";
      const seconds = (local) => Math.round(Date.parse(whole(local)) / 1000 - chart.layout.meta.offset);
      ws.address.set({ zoom: seconds(from) + "-" + seconds(to) });
    },

    /* A click on a chart whose meta names addresses leads to the jobs behind the bucket, of the band clicked where there
       are such. */
    clicked() {
      const { triggered } = window.dash_clientside.callback_context;
      const point = triggered.length === 1 && triggered[0].value && triggered[0].value.points[0];
      if (!point) return;
      const graph = document.getElementById(triggered[0].prop_id.replace(/\.clickData$/, ""));
      const chart = graph && graph.querySelector(".js-plotly-plot");
      const meta = chart && chart.layout.meta;
      if (!meta || !meta.jobs) return;
      const place = Math.min(point.pointNumber, meta.edges.length - 2);
      const jobs = bandAt(chart, meta.bands || [], place) || meta.jobs;
      ws.address.go(`${jobs}&from=${meta.edges[place]}&to=${meta.edges[place + 1]}`.replace("?&", "?"));
    },

    async refresh(clicks, path, drawn) {
      const names = asked(path, drawn);
      if (!clicks || !names.length) return none();
      const button = document.getElementById("refresh");
      button.dataset.busy = "1";
      button.disabled = true;
      const answers = await Promise.all(names.map(ask));
      names.forEach((name, place) => {
        if (answers[place].next_allowed_at) allowed[name] = answers[place].next_allowed_at;
      });
      delete button.dataset.busy;
      button.disabled = false;
      countdown();
      clearTimeout(hiding);
      hiding = setTimeout(() => window.dash_clientside.set_props("refresh-said", { children: "" }), 15000);
      return say(answers);
    },
  };

  /* The address of the stacked band under the pointer in a bucket; none above them all. */
  let pressed = 0;
  document.addEventListener("mousedown", (event) => (pressed = event.clientY), true);

  function bandAt(chart, bands, place) {
    const axis = chart._fullLayout.yaxis;
    const value = axis.p2d(pressed - chart.getBoundingClientRect().top - axis._offset);
    let top = 0;
    return bands.find((_, number) => value <= (top += chart.data[number].y[place] || 0));
  }

  /* What is mine is marked by a rule, which no drawing removes. */
  const mine = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, mine];

  function mark(name) {
    const which = '[data-user="' + CSS.escape(name) + '"]';
    mine.replaceSync(name ? which + "{font-weight:600}" + which + '::after{content:" (you)"}' : "");
  }

  /* What the server must know of this browser. */
  ws.viewer = function () {
    mark(ws.stored("me") || "");
    return {
      theme: ws.theme(),
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
      me: ws.stored("me") || "",
    };
  };
  ws.dark.addEventListener("change", () => {
    ws.apply();
    window.dash_clientside.set_props("viewer", { data: ws.viewer() });
  });
})();
