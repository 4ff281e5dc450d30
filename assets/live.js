/* News of reports, from live-worker.js to Dash. Nothing is fetched for a hidden tab; when the stream is
   silent, dcc.Interval asks instead. The words beside the age say which of the two it is. */
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
    judge();
    pass();
  }

  async function judge() {
    const silent = Date.now() - heard > STALE;
    let found = silent ? "stale" : open === false ? "reconnecting" : "live";
    if (silent && !document.hidden && !(await reachable())) found = "unreachable";
    show(found);
  }

  async function reachable() {
    try {
      return (await fetch("/healthz", { cache: "no-store" })).status < 500;
    } catch {
      return false;
    }
  }

  const WORDS = {
    live: "",
    reconnecting: "reconnecting …",
    stale: "no live stream, asking every 10 s",
    unreachable: "webstat does not answer",
  };

  function show(found) {
    const element = document.getElementById("stream");
    if (!element) return;
    poll(found === "stale" && !document.hidden);
    if (found === state) return;
    state = found;
    element.dataset.state = found;
    element.title = "Live updates: " + found;
    set("stream", { children: WORDS[found] });
  }

  function poll(wanted) {
    if (wanted === polling) return;
    polling = wanted;
    set("tick", { disabled: !wanted });
  }

  /* Called after each drawing: news that came while it was under way. */
  ws.after.push(() => pass(true));

  setInterval(judge, 3000);
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
