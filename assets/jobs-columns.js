/* What the table of jobs says: its states and columns, and the words and elements of a cell.
   Everything a scheduler tells becomes text, never markup. The rows come from jobs.js, the row of buttons above
   them is jobs-tools.js. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make, icon } = ws;
  const jobs = (ws.jobs = {});
  const NBSP = "\u00a0";
  const UNKNOWN = "–";

  const quiet = (text) => make("span", "text-body-secondary", text);

  jobs.number = (value) => (value === null || value === undefined ? UNKNOWN : Math.round(value).toLocaleString("en"));
  jobs.plural = (count, noun) => jobs.number(count) + " " + noun + (count === 1 ? "" : "s");

  /* A stranger's text: what does not print is replaced, and it cannot turn the text around it. */
  jobs.clean = (text) => String(text).replace(/\s/g, " ").replace(/(?![\u200c\u200d])\p{C}/gu, "\ufffd");
  const foreign = (jobs.foreign = (text) => make("bdi", "", jobs.clean(text)));

  /* Moments in the viewer's zone, by the rules of webstat/format.py. */
  const formatters = new Map();
  function parts(at, zone) {
    if (!formatters.has(zone)) {
      const options = { weekday: "short", year: "numeric", month: "short", day: "numeric" };
      Object.assign(options, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone });
      formatters.set(zone, new Intl.DateTimeFormat("en-US", options));
    }
    return Object.fromEntries(formatters.get(zone).formatToParts(at * 1000).map((part) => [part.type, part.value]));
  }
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const dayNumber = (day) => Math.round(Date.UTC(day.year, MONTHS.indexOf(day.month), day.day) / 86400e3);

  ws.clock = function (at, zone, now = ws.now()) {
    const [moment, today] = [parts(at, zone), parts(now, zone)];
    const time = moment.hour + ":" + moment.minute;
    const days = Math.abs(dayNumber(moment) - dayNumber(today));
    if (days === 0) return time;
    if (days < 7) return moment.weekday + " " + time;
    return moment.day + " " + moment.month + " " + (moment.year === today.year ? time : moment.year);
  };
  ws.utc = function (at) {
    const moment = parts(at, "UTC");
    const day = [moment.weekday, moment.day.padStart(2, "0"), moment.month, moment.year].join(" ");
    return day + " " + [moment.hour, moment.minute, moment.second].join(":") + " UTC";
  };
  ws.memory = function (size) {
    if (size === null || size === undefined) return UNKNOWN;
    const units = ["B", "KB", "MB", "GB", "TB", "PB"];
    let value = size;
    while (Math.abs(value) >= 1024 && units.length > 1) {
      value /= 1024;
      units.shift();
    }
    if (units[0] === "GB" && value >= 1000) [value, units[0]] = [value / 1024, "TB"];
    return value.toFixed(value < 10 && value.toFixed(1) !== value.toFixed(0) + ".0" ? 1 : 0) + NBSP + units[0];
  };
  const wait = (seconds) => (seconds < 60 ? "<" + NBSP + "1" + NBSP + "min" : ws.duration(seconds));

  /* The viewer, and what the last answer says of its clusters: set by jobs.js before cells are drawn. */
  const about = (jobs.about = { zone: "UTC", me: null, stale: new Map(), titles: new Map() });
  const title = (cluster) => about.titles.get(cluster) || cluster;
  const clock = (at) => (at === null ? UNKNOWN : ws.clock(at, about.zone));
  const time = (at, text) =>
    at === null ? text : make("time", "", text, { datetime: new Date(at * 1000).toISOString(), title: ws.utc(at) });

  /* Addresses, as webstat/addresses.py writes them. */
  const word = (text) => (text === "." || text === ".." ? text.replaceAll(".", "%2E") : encodeURIComponent(text));
  jobs.page = (job) => "/job/" + word(job.cluster) + "/" + word(job.id);
  const link = (href, kind, child, className = "ws-quiet") => make("a", className, child, { href: ws.address.keep(href), tabindex: "-1", "data-goes": kind });

  /* State -> icon, word, tone. */
  const STATES = (jobs.STATES = {
    running: ["play-fill", "Running", "run"],
    queued: ["hourglass-split", "Queued", "wait"],
    held: ["pause-fill", "Held", "held"],
    suspended: ["stop-fill", "Suspended", "held"],
    exiting: ["arrow-bar-right", "Exiting", "run"],
    waiting: ["clock", "Waiting", "held", "Waiting for its time"],
    transiting: ["arrow-left-right", "Moving", "wait"],
    finished: ["check-lg", "Finished", "off"],
    failed: ["x-lg", "Failed", "bad"],
    unknown: ["question-lg", "Unknown", "off"],
  });
  const PENDING = ["queued", "held", "waiting", "transiting"];
  const OVER = ["finished", "failed"];
  const look = (job) => STATES[job.state] || STATES.unknown;

  function state(job) {
    const [symbol, text, tone, long] = look(job);
    const native = job.state in STATES && job.state !== "unknown" ? "" : ` (the scheduler says “${jobs.clean(job.native_state || "")}”)`;
    return make("span", "ws-st st-" + tone, [icon(symbol), text], { title: (long || text) + native });
  }

  const short = (id) => id.replace(/^([^.]+)\..*$/, "$1"); // 463166.server: the cluster has a column of its own
  function ident(job) {
    const text = make("b", "fw-semibold", foreign(short(job.id)));
    if (job.kind !== "array") return link(jobs.page(job), "job", text, "ws-quiet" + (job.kind === "task" ? " ps-3" : ""));
    const open = about.open.includes(job.key);
    const label = (open ? "Fold" : "Unfold") + " the " + jobs.plural(job.tasks_total, "task") + " of " + jobs.clean(job.id);
    const names = { type: "button", tabindex: "-1", "aria-expanded": String(open), "aria-label": label, title: label };
    return make("button", "ws-fold", [icon(open ? "chevron-down" : "chevron-right"), " ", text], names);
  }

  function user(job) {
    const own = job.user === about.me;
    const name = own ? make("b", "fw-semibold", [foreign(job.user), make("span", "visually-hidden", " (you)")]) : foreign(job.user);
    return link("/user/" + word(job.user), "page", name);
  }

  const where = (job) => title(job.cluster) + " · " + job.queue;
  const named = (text, whole) => make("bdi", "", jobs.clean(text), { title: jobs.clean(whole) });
  const range = (text, bar) => make("div", "ws-ran", [bar, make("span", "", text)]);
  function piece(share, className) {
    const element = make("i", className);
    element.style.width = Math.min(100, share * 100) + "%";
    return element;
  }

  function elapsedText(job) {
    if (job.kind === "array") {
      if (!job.tasks_running && !job.tasks_waiting) return jobs.number(job.tasks_done) + " done";
      const rest = job.tasks_waiting ? jobs.number(job.tasks_waiting) + " wait" : jobs.number(job.tasks_done) + " done";
      return jobs.number(job.tasks_running) + " run, " + rest;
    }
    if (PENDING.includes(job.state)) return job.waited_seconds === null ? UNKNOWN : "waited " + wait(job.waited_seconds);
    if (job.ran_seconds === null) return OVER.includes(job.state) ? "did not run" : UNKNOWN;
    if (!job.walltime_seconds) return "ran " + wait(job.ran_seconds);
    return wait(job.ran_seconds) + " of " + ws.duration(job.walltime_seconds);
  }
  function elapsed(job, text) {
    if (job.kind === "array") {
      const all = job.tasks_total || 1;
      const pieces = [["b-c c0", job.tasks_done], ["b-run", job.tasks_running], ["b-wait", job.tasks_waiting]];
      const bar = pieces.filter(([, count]) => count).map(([name, count]) => piece(count / all, name));
      const words = pieces.map(([, count], place) => jobs.number(count) + " " + ["done", "running", "waiting"][place]).join(", ");
      return range(text, make("span", "ws-bar", bar, { title: words + ", of " + jobs.plural(job.tasks_total, "task") }));
    }
    if (PENDING.includes(job.state) || job.ran_seconds === null || !job.walltime_seconds) return text;
    const share = job.ran_seconds / job.walltime_seconds;
    return range(text, make("span", "ws-meter" + (OVER.includes(job.state) ? " over" : ""), piece(share, "")));
  }

  /* Our own range, of a job of which its scheduler foretells nothing; the day is said once, and in a week or more no time. */
  function startsText(job) {
    const [from, by] = [job.starts_from, job.starts_by].map((at) => clock(at).replace(/^(\d+ \w{3}) .*/, "$1"));
    if (job.starts_from === null) return "by " + by;
    return from + " – " + (by.includes(":") && from.slice(0, -5) === by.slice(0, -5) ? by.slice(-5) : by);
  }
  const foretold = (job) => job.starts_by !== null && job.starts_by > ws.now() && !about.stale.has(job.cluster);

  function expectedText(job) {
    const at = job.expected_at;
    if (foretold(job)) return startsText(job);
    if (at === null || !job.expects) {
      if (OVER.includes(job.state)) return UNKNOWN;
      return PENDING.includes(job.state) ? "not foretold" : "no end foretold";
    }
    if (job.state === "exiting") return "ends now";
    if (job.expects === "ended") return "ended " + clock(at);
    if (at < ws.now() - 60 && !about.stale.has(job.cluster)) return "due since " + clock(at);
    return job.expects === "ends" ? "ends by " + clock(at) : clock(at);
  }
  function expected(job, text) {
    if (job.expects) return time(job.expected_at, text);
    if (!foretold(job)) return quiet(text);
    const rest = job.starts_from === null ? "nine tenths of them start by then" : "half of them start by the first time, nine tenths by the second";
    return make("span", "", text, { title: text + ": webstat’s own estimate, from " + jobs.plural(job.similar, "similar job") + ": " + rest });
  }

  const lower = (text) => (/^[A-Z][a-z ]/.test(text) ? text[0].toLowerCase() + text.slice(1) : text);
  function whyText(job) {
    const said = job.why ? jobs.clean(job.why) : "";
    if (!about.stale.has(job.cluster) || OVER.includes(job.state)) return said;
    return "State of " + clock(about.stale.get(job.cluster)) + (PENDING.includes(job.state) && said ? ": " + lower(said) : "");
  }
  function why(job, text) {
    const old = about.stale.has(job.cluster) && !OVER.includes(job.state);
    const symbol = old ? "clock-history" : job.why_tone === "warn" ? "exclamation-triangle-fill" : job.why_tone === "bad" ? "x-circle" : "";
    const words = make("bdi", PENDING.includes(job.state) || symbol ? "" : "text-body-secondary", text);
    return make("span", "", symbol ? [icon(symbol, symbol === "x-circle" ? "st-bad" : "st-warn"), " ", words] : words, { title: text });
  }

  const count = (name) => ({ right: true, text: (job) => jobs.number(job[name]), draw: (job, text) => (job[name] ? text : quiet(text)) });
  const told = (name) => ({ text: (job) => (job[name] ? jobs.clean(job[name]) : UNKNOWN), draw: (job, text) => make("bdi", "", text, { title: text }) });
  const moment = (name) => ({ text: (job) => clock(job[name]), draw: (job, text) => time(job[name], text) });
  const length = (seconds) => (seconds === null ? UNKNOWN : ws.duration(seconds));

  /* The columns in their order. `sort` is the server's name to sort by, `csv` its names of what the column holds;
     `usual` ones are shown unless others are chosen, `low` ones go first where there is little room, `tight` is
     what is different there. `text` is what a cell says, `draw` gives its element. */
  jobs.COLUMNS = [
    { id: "state", title: "State", width: 98, tight: { width: 94 }, usual: true, sort: "state", csv: ["state"], text: (job) => look(job)[1], draw: state },
    { id: "job", title: "Job", width: 112, tight: { width: 102 }, usual: true, always: true, sort: "id", csv: ["id"], text: (job) => job.id + about.open.includes(job.key), draw: ident },
    { id: "name", title: "Name", width: 126, tight: { width: 110 }, usual: true, sort: "name", csv: ["name"], ...told("name") },
    { id: "user", title: "User", width: 86, tight: { width: 76 }, usual: true, sort: "user", csv: ["user"], text: (job) => job.user + (job.user === about.me), draw: user },
    { id: "group", title: "Group", width: 86, sort: "group", csv: ["group"], text: (job) => job.group || UNKNOWN, draw: (job, text) => (job.group ? link("/group/" + word(job.group), "page", foreign(text)) : text) },
    { id: "account", title: "Account", width: 96, sort: "account", csv: ["account"], ...told("account") },
    { id: "project", title: "Project", width: 96, sort: "project", csv: ["project"], ...told("project") },
    { id: "queue", title: "Cluster · queue", width: 152, usual: true, sort: "queue", csv: ["cluster", "queue"], text: where, draw: (job, text) => named(text, text), tight: { title: "Queue", width: 76, text: (job) => job.queue, draw: (job, text) => named(text, where(job)) } },
    { id: "cores", title: "Cores", width: 68, usual: true, sort: "cores", csv: ["cores"], ...count("cores") },
    { id: "nodes", title: "Nodes", width: 68, sort: "nodes", csv: ["nodes"], ...count("nodes") },
    { id: "gpus", title: "GPUs", width: 64, usual: true, low: true, sort: "gpus", csv: ["gpus"], ...count("gpus") },
    { id: "memory", title: "Memory", width: 84, right: true, sort: "memory_bytes", csv: ["memory_bytes"], text: (job) => ws.memory(job.memory_bytes) },
    { id: "walltime", title: "Walltime", width: 88, right: true, sort: "walltime_seconds", csv: ["walltime_seconds"], text: (job) => length(job.walltime_seconds) },
    { id: "time", title: "Waited, or ran", width: 194, usual: true, low: true, down: true, sort: "waited_seconds", csv: ["waited_seconds", "ran_seconds"], text: elapsedText, draw: elapsed },
    { id: "submitted", title: "Submitted", width: 104, sort: "submitted_at", csv: ["submitted_at"], ...moment("submitted_at") },
    { id: "started", title: "Started", width: 104, sort: "started_at", csv: ["started_at"], ...moment("started_at") },
    { id: "expected", title: "Expected", width: 166, tight: { width: 156 }, usual: true, sort: "expected_at", csv: ["expected_at", "expects"], text: expectedText, draw: expected },
    { id: "priority", title: "Priority", width: 78, sort: "priority", csv: ["priority"], ...count("priority") },
    { id: "exit", title: "Exit status", width: 94, sort: "exit_status", csv: ["exit_status"], ...count("exit_status") },
    { id: "depends", title: "Depends on", width: 150, sort: "depends_on", csv: ["depends_on"], ...told("depends_on") },
    { id: "why", title: "Why it waits, or how it runs", width: 220, tight: { width: 170 }, grows: true, usual: true, sort: "why", csv: ["why"], text: whyText, draw: why },
    { id: "comment", title: "Comment", width: 260, sort: "comment", csv: ["comment"], ...told("comment") },
  ];

  /* Below 768 px: the whole job in two lines. */
  jobs.NARROW = {
    id: "row",
    title: "Job",
    text: (job) => [look(job)[1], job.id, job.name, job.user, about.me, where(job), job.cores, elapsedText(job), expectedText(job), whyText(job), about.open.includes(job.key)].join("\n"),
    draw(job) {
      const [symbol, text, tone] = look(job);
      const mark = make("span", "ws-st st-" + tone, [icon(symbol), make("span", "visually-hidden", text + " ")], { title: text });
      const who = [mark, ident(job), " ", foreign(job.name || ""), " · ", user(job)];
      const ask = where(job) + ", " + jobs.plural(job.cores, "core") + (job.gpus ? ", " + jobs.plural(job.gpus, "GPU") : "");
      const why = job.kind === "array" ? elapsedText(job) + "." : whyText(job);
      const first = make("div", "d-flex gap-2", [make("span", "ws-cut", who), make("span", "ms-auto text-nowrap", expected(job, expectedText(job)))]);
      return make("div", "ws-two", [first, make("div", "ws-sub ws-cut", make("bdi", "", jobs.clean(ask + ". " + why)))]);
    },
  };
})();
