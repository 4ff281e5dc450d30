/* Tell me when: the page of rules and notices, the buttons elsewhere that make a rule, and what the browser says itself.
   On an open page the browser is known by a random key of its own, sent with each question. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make, icon } = ws;
  const SPREAD = 2000; // milliseconds over which browsers spread their questions after news
  const KINDS = {
    ended: { words: "a job ends", subject: "Job id" },
    started: { words: "a job starts", subject: "Job id" },
    cores: { words: "cores are free", queue: "any queue", number: "Cores", least: 1, usual: 16 },
    node: { words: "a node goes down", subject: "Node (none: any)", any: true },
    silent: { words: "a cluster does not answer" },
    stuck: { words: "a queue is stuck", queue: "", number: "Minutes without a start", least: 5, usual: 60 },
  };
  const WAYS = { browser: "This browser", webhook: "Webhook", mail: "E-mail" };
  const STATES = { looking: ["eye", "looks"], paused: ["pause-fill", "paused"], told: ["check-lg", "told"], expired: ["hourglass-bottom", "expired"] };

  let place = null;
  let told = null; // what /data/tell said last

  /* Asking */

  function key() {
    if (ws.known.name) return {};
    let own = ws.stored("key");
    if (!own) {
      const bytes = crypto.getRandomValues(new Uint8Array(30));
      own = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
      ws.store("key", own);
      own = ws.stored("key");
    }
    return own ? { "X-Webstat-Key": own } : {};
  }

  async function ask(address, wish) {
    const body = wish ? { method: "POST", body: JSON.stringify(wish) } : { cache: "no-store" };
    try {
      const answer = await fetch(address, { ...body, headers: { ...(wish ? { "Content-Type": "application/json" } : {}), ...key() } });
      return await answer.json();
    } catch {
      return { ok: false, message: "webstat itself does not answer." };
    }
  }

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "") + ".";

  async function change(wish) {
    await begin();
    const answer = await ask("/data/tell", wish);
    ws.say(sentence(answer.message || "That did not work"));
    return answer;
  }

  /* Saying: each notice once, by whichever tab of this browser hears of it first. */

  async function begin() {
    if (ws.stored("told") !== null) return;
    const answer = await ask("/data/notices");
    if (answer.last !== undefined && ws.stored("told") === null) ws.store("told", String(answer.last));
  }

  let soon = 0;
  function look() {
    if (ws.stored("told") === null) return; // this browser has no rules
    clearTimeout(soon);
    soon = setTimeout(async () => {
      const answer = await ask("/data/notices?after=" + ws.stored("told"));
      const news = (answer.notices || []).filter((notice) => notice.id > Number(ws.stored("told")));
      if (answer.last > Number(ws.stored("told"))) ws.store("told", String(answer.last));
      news.forEach(say);
      const lists = place && place.isConnected && place.querySelector(".ws-told-lists");
      if (lists && !lists.contains(document.activeElement)) refill();
    }, Math.random() * SPREAD);
  }

  async function say(notice) {
    const about = { body: notice.words, tag: "webstat-" + notice.id, icon: "/assets/favicon.svg", data: notice.href };
    try {
      if (window.Notification && Notification.permission === "granted") return await show(about);
    } catch {
      /* the browser will not: the page says it */
    }
    ws.say(sentence(notice.words));
  }

  async function show(about) {
    let shown;
    try {
      shown = new Notification("webstat", about);
    } catch {
      return (await worker()).showNotification("webstat", about); // phones let only workers do it
    }
    shown.onclick = () => {
      window.focus();
      ws.address.go(about.data);
    };
  }

  async function worker() {
    const found = await navigator.serviceWorker.register("/assets/tell-worker.js");
    const begun = found.active || found.waiting || found.installing;
    if (begun.state !== "activated") await new Promise((done) => begun.addEventListener("statechange", () => begun.state === "activated" && done()));
    return found;
  }
  if (navigator.serviceWorker) navigator.serviceWorker.addEventListener("message", (event) => ws.address.go(event.data.go));

  /* To be called in a click, or browsers do not ask. */
  async function permit() {
    if (window.Notification && Notification.permission === "default") await Notification.requestPermission();
  }

  /* Drawing */

  const when = (seconds) =>
    make("time", "", new Date(seconds * 1000).toLocaleString("en-GB", { timeZone: place.dataset.zone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }), {
      datetime: new Date(seconds * 1000).toISOString(),
    });
  const button = (words, act, look = "btn btn-outline-secondary") => {
    const made = make("button", look, words, { type: "button" });
    made.addEventListener("click", act);
    return made;
  };

  function card(ident, title, sub, body) {
    const head = make("div", "mb-2", [make("h2", "ws-q", title, { id: ident }), make("div", "ws-sub", sub)]);
    return make("section", "card mb-3", make("div", "card-body", [head, ...[].concat(body)]), { "aria-labelledby": ident });
  }

  function nothing(fact, rest) {
    return make("div", "ws-empty", [make("b", "text-body fw-semibold", fact), make("br"), make("span", "", rest)]);
  }

  function ruleRow(rule) {
    const act = (name) => async () => {
      await change({ act: name, id: rule.id });
      await refill();
      const next = place.querySelector(".ws-told-rules button");
      if (next) next.focus();
    };
    const [symbol, word] = STATES[rule.state];
    const over = rule.state === "told" || rule.state === "expired";
    const about = [icon(symbol), " ", word];
    if (rule.told_at) about.push(rule.state === "told" ? " " : ", last told ", when(rule.told_at));
    if (!over) about.push(rule.once ? ", once" : ", each time", "; until ", when(rule.expires_at));
    about.push("; by ", rule.by.join(" and ") || "the list below and the feed");
    const buttons = over ? [] : [button("Test", act("test")), rule.state === "paused" ? button("Resume", act("resume")) : button("Pause", act("pause"))];
    buttons.push(button("Remove", act("remove")));
    buttons.forEach((one) => one.setAttribute("aria-label", one.textContent + ": when " + rule.words));
    return make("li", "ws-told", [
      make("div", "ws-told-words", [ws.link("When " + rule.words, rule.href, "ws-quiet fw-semibold"), make("div", "ws-sub", about)]),
      make("div", "d-flex gap-2", buttons),
    ]);
  }

  const OUTCOMES = { told: ["check-lg", "st-ok"], failed: ["x-lg", "st-bad"], waits: ["clock", "st-warn"] };
  function noticeRow(notice) {
    const parts = [when(notice.at)];
    notice.deliveries.forEach((sent) => {
      const [symbol, tone] = OUTCOMES[sent.state];
      const words = [icon(symbol), " " + sent.by + (sent.state === "told" ? " sent " : sent.state === "failed" ? " not sent" : " to be sent ")];
      if (sent.state !== "failed" && sent.at) words.push(when(sent.at));
      if (sent.said) words.push(": " + sent.said + (sent.state === "waits" ? " (try " + sent.tries + ")" : ""));
      parts.push(" · ", make("span", tone, words));
    });
    return make("li", "ws-told", make("div", "ws-told-words", [ws.link(notice.words, notice.href, "ws-quiet"), make("div", "ws-sub", parts)]));
  }

  let numbered = 0;
  function labelled(words, input, look = "") {
    input.id = input.id || "tell-" + ++numbered;
    return make("div", look, [make("label", "form-label", words, { for: input.id }), input]);
  }

  function select(options, chosen) {
    const made = make("select", "form-select", options.map(([value, words]) => make("option", "", words, { value })));
    if (options.some(([value]) => value === chosen)) made.value = chosen;
    return made;
  }

  function form() {
    const wanted = Object.fromEntries(new URLSearchParams(location.search));
    const kind = select(Object.entries(KINDS).map(([name, one]) => [name, one.words]), wanted.kind);
    const cluster = select(told.clusters.map((one) => [one.name, one.title]), wanted.cluster);
    const about = make("div", "ws-told-fields");
    const once = select([["1", "Once"], ["", "Each time"]], "1");
    const often = labelled("How often", once);
    const days = labelled("For so many days", make("input", "form-control", [], { type: "number", min: "1", max: "365", value: "30", required: "" }));
    const ways = told.owner.channels.map((way) => {
      const box = make("input", "form-check-input", [], { type: "checkbox", id: "tell-by-" + way, value: way });
      box.checked = way === "browser";
      const words = WAYS[way] + (way === "mail" ? " to " + told.owner.mail : "");
      return make("div", "form-check", [box, " ", make("label", "form-check-label", words, { for: box.id })]);
    });
    const hook = make("input", "form-control", [], { type: "url", maxlength: "500" });
    const to = labelled("Where the webhook goes", hook, "d-none");
    const secret = make("p", "ws-wrap mb-0", [], { role: "status" });
    let subject = null;
    let number = null;

    function draw() {
      const one = KINDS[kind.value];
      const queues = (told.clusters.find((other) => other.name === cluster.value) || { queues: [] }).queues;
      subject = number = null;
      const fields = [];
      if (one.subject) {
        subject = make("input", "form-control", [], { maxlength: "300", spellcheck: "false", autocapitalize: "none" });
        subject.required = !one.any;
        if (wanted.kind === kind.value) subject.value = wanted.subject || "";
        fields.push(labelled(one.subject, subject));
      }
      if (one.queue !== undefined) {
        subject = select([...(one.queue ? [["", one.queue]] : []), ...queues.map((name) => [name, name])], wanted.subject);
        fields.push(labelled("Queue", subject));
      }
      if (one.number) {
        number = make("input", "form-control", [], { type: "number", min: String(one.least), max: "1000000", value: wanted.number || String(one.usual), required: "" });
        fields.push(labelled(one.number, number));
      }
      about.replaceChildren(...fields);
      often.classList.toggle("d-none", ["ended", "started"].includes(kind.value));
    }
    kind.addEventListener("change", draw);
    cluster.addEventListener("change", draw);
    draw();

    const chosen = () => ways.map((way) => way.firstChild).filter((box) => box.checked).map((box) => box.value);
    const made = make("form", "", [
      make("div", "ws-told-fields", [labelled("Tell me when", kind), labelled("Cluster", cluster), about, often, days]),
      make("fieldset", "my-3", [make("legend", "form-label", "How"), make("div", "d-flex flex-wrap column-gap-4 row-gap-1", ways), to]),
      make("div", "d-flex flex-wrap align-items-center gap-3", [make("button", "btn btn-primary", "Tell me", { type: "submit" }), secret]),
    ]);
    made.addEventListener("change", () => {
      const posts = chosen().includes("webhook");
      to.classList.toggle("d-none", !posts);
      hook.required = posts;
    });
    made.addEventListener("submit", async (event) => {
      event.preventDefault();
      const channels = chosen();
      if (channels.includes("browser")) await permit();
      const wish = { act: "add", kind: kind.value, cluster: cluster.value, once: Boolean(once.value), days: Number(days.querySelector("input").value), channels };
      if (subject && subject.value) wish.subject = subject.value.trim();
      if (number) wish.number = Number(number.value) * (kind.value === "stuck" ? 60 : 1);
      if (channels.includes("webhook")) wish.webhook = hook.value.trim();
      const answer = await change(wish);
      secret.textContent = answer.ok ? "" : sentence(answer.message);
      if (!answer.ok) return;
      await refill();
      if (answer.secret) secret.replaceChildren("Posts are signed with ", make("code", "", answer.secret), ": copy it now, it is shown this once.");
    });
    return made;
  }

  function feedCard() {
    const address = location.origin + told.feed;
    const field = make("input", "form-control", [], { readonly: "", value: address, "aria-label": "Address of your feed" });
    field.addEventListener("focus", () => field.select());
    const renew = button("Another address", async () => {
      await change({ act: "feed" });
      refill();
    });
    renew.classList.add("text-nowrap");
    renew.title = "The old address is none any more";
    return card("q-feed", "As a feed", "Atom, for any feed reader. Who knows the address can read it: no sign-in is asked for.", make("div", "d-flex gap-2", [field, renew]));
  }

  function unable() {
    if (told.mode === "open") return nothing("This browser lets no page remember anything.", "Without that webstat does not know you again.");
    return nothing("Sign in to be told.", "Rules belong to a person.");
  }

  function permission() {
    if (!window.Notification || !window.isSecureContext) return [make("p", "ws-sub", "This browser can only be told while a page of webstat is open: what is new is said there.")];
    if (Notification.permission === "granted") return [];
    if (Notification.permission === "denied") return [make("p", "ws-sub", "This browser forbids notifications of this site: what is new is said on its pages.")];
    return [make("p", "", button([icon("bell"), " Allow notifications"], async () => { await permit(); fill(); }))];
  }

  /* What the server knows now; words instead of the page where it cannot be shown. */
  async function read() {
    const answer = await ask("/data/tell");
    if (!place || !place.isConnected) return false;
    if (answer.error || answer.message) place.replaceChildren(nothing("Rules cannot be read now.", sentence(answer.error || answer.message)));
    else if (!answer.owner || !(ws.known.name || ws.stored("key"))) {
      told = answer;
      place.replaceChildren(unable());
    } else {
      told = answer;
      return true;
    }
    return false;
  }

  function drawLists() {
    const rules = told.rules.length ? make("ul", "ws-told-list ws-told-rules", told.rules.map(ruleRow)) : nothing("You have no rules yet.", "Add one here, or with “Tell me when” beside a job.");
    const notices = told.notices.length ? make("ul", "ws-told-list", told.notices.map(noticeRow)) : nothing("Nothing yet.", "What is told stays here for 30 days.");
    const who = ws.known.name ? "Yours, " + ws.known.name + ", wherever you sign in." : "Kept under a key of this browser: another browser has others.";
    place.querySelector(".ws-told-lists").replaceChildren(
      card("q-rules", "What does webstat look out for?", who + " At most " + told.most + ".", rules),
      card("q-told", "What was told?", "The last 50, newest first.", notices),
      ...(told.feed ? [feedCard()] : []),
    );
  }

  /* The lists anew; a form that is being filled in stays. */
  async function refill() {
    if (!place.querySelector(".ws-told-lists")) await fill();
    else if (await read()) drawLists();
  }

  async function fill() {
    if (!(await read())) return;
    const add = told.clusters.length ? form() : nothing("No cluster is known yet.", "");
    const asked = card("q-add", "What do you want to be told?", "While a page of webstat is open, this browser says it; a list and a feed keep it.", [...permission(), add]);
    place.replaceChildren(make("div", "row g-3", [make("div", "col-12 col-xl-5", asked), make("div", "col-12 col-xl-7 ws-told-lists")]));
    drawLists();
    if (told.rules.some((rule) => rule.state === "looking")) begin();
  }

  ws.after.push(() => {
    const found = document.getElementById("tell");
    if (found && (found !== place || !found.firstChild)) {
      place = found;
      fill();
    }
  });
  ws.onNews.push(look);
  document.addEventListener("click", async (event) => {
    const clicked = event.target.closest("button.ws-tell");
    if (!clicked) return;
    await permit();
    const { kind, cluster, subject } = clicked.dataset;
    clicked.disabled = true;
    await change({ act: "add", kind, cluster, subject, channels: ["browser"] });
    clicked.disabled = false;
  });
})();
