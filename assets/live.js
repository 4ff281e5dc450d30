/* News of reports, from live-worker.js to Dash. Nothing is fetched for a hidden tab; when the stream is
   silent, dcc.Interval asks instead. The words in the bar say which of the two it is. */
(function () {
  "use strict";
  const ws = window.webstat;
  const STALE = 12000; // milliseconds of silence until this tab asks by itself
  const HERD = 15; // milliseconds that each other viewer adds to the time over which all spread their questions

  const news = {};
  let viewers = 1;
  let heard = Date.now();
  let open = null;
  let state = "";
  let polling = false;
  let sent = "";
  let hurry = () => {};

  function set(id, props) {
    // Before Dash has drawn its frame there is nothing to set.
    if (document.getElementById("page") && window.dash_clientside.set_props) window.dash_clientside.set_props(id, props);
  }

  function pass(justDrawn) {
    if (document.hidden || !ws.shown) return;
    const stamps = Object.fromEntries(Object.entries(news).map(([name, item]) => [name, item.stamp]));
    const text = JSON.stringify(stamps);
    // A drawing that could not be made is tried again, at the next sign of life and no sooner.
    const failed = Object.keys(ws.shown).length === 0;
    if (failed && justDrawn) return;
    if (ws.at && !failed) return; // no news changes the past
    if (!failed && (text === sent || Object.keys(stamps).every((name) => stamps[name] === ws.shown[name]))) return;
    sent = text;
    setTimeout(() => set("news", { data: { ...stamps, at: Date.now() } }), Math.random() * Math.min(2000, HERD * (viewers - 1)));
  }

  function hear(message) {
    open = message.open;
    if (message.open) heard = Date.now();
    viewers = message.viewers || viewers;
    if (message.now) ws.skew = message.now - Date.now() / 1000;
    Object.assign(news, message.news);
    if (Object.keys(message.news || {}).length) ws.onNews.forEach((act) => act());
    if (message.open === false && ws.known.mode === "oidc") leaveIfSignedOut();
    judge();
    pass();
  }

  /* A session that has ended closes the stream too: the page then goes where one signs in. */
  async function leaveIfSignedOut() {
    try {
      if ((await fetch("/data/find?q=", { cache: "no-store" })).status === 401) location.reload();
    } catch {
      /* not reachable: said elsewhere */
    }
  }

  async function judge() {
    const silent = () => Date.now() - heard > STALE;
    const now = () => (silent() ? "stale" : open ? "live" : open === false ? "reconnecting" : "connecting");
    if (!silent() || document.hidden || (await reachable())) show(now());
    else show(silent() ? "unreachable" : now());
  }

  async function reachable() {
    try {
      return (await fetch("/healthz", { cache: "no-store" })).status < 500;
    } catch {
      return false;
    }
  }

  /* In words what this tab knows of the news, for the eye and as an explanation. Screen readers are told of a
     change, not of ages that count. */
  const STATES = {
    connecting: [() => [], "Connecting: new reports will appear by themselves."],
    live: [() => [hidden("Live updates are on")], "Live: new reports appear by themselves."],
    reconnecting: [() => [seen("reconnecting …")], "The live stream broke off. The page connects again by itself; its ages count on."],
    stale: [
      () => [hidden("No live updates, asking every 10 s"), age(), seen(", asking every 10 s", "ws-asking", true)],
      "No live stream comes through. The page asks every 10 s instead; the ages beside numbers stay true.",
    ],
    unreachable: [() => [seen("webstat does not answer")], "What is shown stays as it was; the page tries again by itself."],
  };
  const hidden = (text) => ws.make("span", "visually-hidden", text);
  const seen = (text, look = "", mute = false) => ws.make("span", look, text, mute ? { "aria-hidden": "true" } : {});
  const age = () => ws.make("span", "ws-stale-for", "stale", { "aria-hidden": "true" });

  function show(found) {
    const element = document.getElementById("stream");
    if (!element) return;
    poll(found === "stale" && !document.hidden);
    if (found !== state || !element.firstChild) {
      state = found;
      element.dataset.state = found;
      const [words, title] = STATES[found];
      element.title = title;
      element.replaceChildren(ws.make("i", "ws-dot", [], { "aria-hidden": "true" }), ws.make("span", "ws-stream", words()));
    }
    count();
  }

  function count() {
    const element = document.querySelector("#stream .ws-stale-for");
    if (element) element.textContent = "stale for " + ws.duration((Date.now() - heard) / 1000);
  }

  /* Why the button waits: the collector allows a refresh of a cluster only so often, whoever asks. */
  function explain() {
    const button = document.getElementById("refresh");
    if (!button || !button.dataset.every) return;
    const left = button.dataset.left;
    const limit = "each cluster at most once per " + ws.duration(Number(button.dataset.every)) + ", asked by the collector for all";
    const title = ws.at ? "Only the present is refreshed: go back to live first." : left ? "The next one is allowed in " + left + ": " + limit + "." : "Ask for new reports: " + limit + ".";
    if (button.title === title) return;
    button.title = title;
    button.setAttribute("aria-label", left ? "Refresh: the next one is allowed in " + left : "Refresh now");
  }

  function poll(wanted) {
    if (wanted === polling) return;
    polling = wanted;
    set("tick", { disabled: !wanted });
  }

  /* Called after each drawing: news that came while it was under way. */
  ws.after.push(() => {
    pass(true);
    explain();
  });

  setInterval(judge, 3000);
  setInterval(() => {
    if (document.hidden) return;
    count();
    explain();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      poll(false);
    } else {
      hurry();
      judge();
      pass();
    }
  });

  if (window.SharedWorker) {
    const worker = new SharedWorker(ws.worker, "webstat-live");
    worker.port.onmessage = (event) => hear(event.data);
    hurry = () => worker.port.postMessage("hurry");
    window.addEventListener("pagehide", () => worker.port.postMessage("bye"));
    window.addEventListener("online", hurry);
  } else {
    const script = document.createElement("script");
    script.src = ws.worker;
    script.onload = () => {
      const connection = window.webstatConnect(hear);
      hurry = connection.hurry;
    };
    document.head.appendChild(script);
  }
})();
