/* What the node map says: from the columns of /data/nodes/<cluster> to looks and words. Where cells stand and what
   happens to them is nodemap.js's. */
(function () {
  "use strict";
  const ws = window.webstat;
  const STATES = {
    free: { words: "all cores free" },
    partial: { words: "some cores free" },
    busy: { words: "all cores in use" },
    reserved: { words: "reserved", letter: "R", look: "r" },
    offline: { words: "offline by an admin", letter: "O", look: "o" },
    down: { words: "down", letter: "D", look: "x" },
    unknown: { words: "unknown", letter: "?", look: "u" },
  };
  const whole = new Intl.NumberFormat("en");
  const number = (value) => (value < 1000 ? String(value) : whole.format(value));
  const plural = (count, noun) => number(count) + " " + noun + (count === 1 ? "" : "s");

  /* The page of a node or a job. */
  const address = (kind, cluster, name) => ws.address.keep("/" + [kind, ...[cluster, name].map(encodeURIComponent)].join("/"));

  /* MiB in the unit one writes for qsub. */
  function memory(mib) {
    if (mib === null) return "–";
    const [value, unit] = mib < 1024 ? [mib, "MB"] : mib < 1024 * 1000 ? [mib / 1024, "GB"] : [mib / 1048576, "TB"];
    return (value < 10 && Math.round(value * 10) % 10 ? value.toFixed(1) : Math.round(value)) + "\u00a0" + unit;
  }

  /* The columns with what is asked of them again and again: each node's jobs, each job's place by its id. */
  function read(data) {
    const jobsOn = data.nodes.name.map(() => []);
    const place = new Map();
    data.jobs.id.forEach((id, job) => {
      place.set(id, job);
      data.jobs.nodes[job].forEach((node, at) => {
        // Where the scheduler does not tell a job's cores on a node, its nodes share them.
        const told = data.jobs.on[job][at];
        jobsOn[node].push([job, told === null ? data.jobs.cores[job] / data.jobs.nodes[job].length : told]);
      });
    });
    jobsOn.forEach((jobs) => jobs.sort((one, other) => other[1] - one[1]));
    return { ...data, jobsOn, place };
  }

  const stateOf = (map, node) => STATES[map.states[map.nodes.state[node]]] || STATES.unknown;
  const takesWork = (map, node) => ["free", "partial"].includes(map.states[map.nodes.state[node]]);
  const free = (total, used) => (total === null ? null : Math.max(0, total - (used || 0)));
  const level = (share) => (share <= 0 ? 0 : share >= 1 ? 5 : Math.ceil(share * 4));

  /* How a node's cell looks in a colouring: class, text in it, and the parts it is divided into, [class, share]. */
  function look(map, node, colouring) {
    const state = stateOf(map, node);
    const { cores, used, memory: most, memory_used: taken } = map.nodes;
    if (state.look) return { look: state.look, text: state.letter, parts: [] };
    const spare = takesWork(map, node) ? free(cores[node], used[node]) : 0;
    if (colouring === "memory") {
      if (most[node] === null || taken[node] === null) return { look: "f0", text: "–", parts: [] };
      return { look: "f" + level(taken[node] / most[node]), text: String(Math.floor((most[node] - taken[node]) / 1024)), parts: [] };
    }
    if (colouring === "user" || colouring === "queue") {
      const parts = holders(map, node, colouring);
      if (!parts.length) return { look: "f0", text: spare ? String(spare) : "", parts };
      return parts.length === 1 && parts[0][1] > 0.99 ? { look: parts[0][0], text: "", parts: [] } : { look: "f0", text: "", parts };
    }
    const share = cores[node] ? (used[node] || 0) / cores[node] : 0;
    const full = map.states[map.nodes.state[node]] === "busy";
    return { look: "f" + (full ? 5 : level(share)), text: spare ? String(spare) : "", parts: [] };
  }

  /* Who has which share of a node's cores, most first: [class of the shade, share]. */
  function holders(map, node, kind) {
    const sums = new Map();
    map.jobsOn[node].forEach(([job, cores]) => {
      if (map.jobs.state[job] === "suspended") return;
      const who = map.jobs[kind][job];
      sums.set(who, (sums.get(who) || 0) + cores);
    });
    const all = Math.max(map.nodes.cores[node] || 0, [...sums.values()].reduce((sum, cores) => sum + cores, 0)) || 1;
    return [...sums].sort((one, other) => other[1] - one[1]).map(([who, cores]) => [shade(map[kind + "s"], who), cores / all]);
  }

  const shade = (words, who) => "b-c c" + words.hue[who] + ["", " tx", " td"][words.texture[who]];

  /* What is said of a node: by name, for who cannot see its colour. */
  function label(map, node) {
    const { name, cores, used } = map.nodes;
    const spare = takesWork(map, node) ? ", " + free(cores[node], used[node]) + " of " + plural(cores[node] || 0, "core") + " free" : "";
    return name[node] + ", " + stateOf(map, node).words + spare + ", " + plural(map.jobsOn[node].length, "job");
  }

  /* The lines of a node's tip: words, and jobs by their place. */
  function about(map, node) {
    const n = map.nodes;
    const lines = [];
    const native = n.native[node];
    const state = stateOf(map, node);
    lines.push(state.words + (native && state.look ? " (" + native + ")" : ""));
    if (n.comment[node]) lines.push("“" + n.comment[node] + "”");
    const facts = [];
    if (n.cores[node] !== null) facts.push((n.used[node] === null ? "–" : number(n.used[node])) + " of " + plural(n.cores[node], "core") + " in use");
    if (n.gpus[node]) facts.push((n.gpus_used[node] === null ? "–" : n.gpus_used[node]) + " of " + plural(n.gpus[node], "GPU"));
    if (n.memory[node] !== null) facts.push((n.memory_used[node] === null ? "" : memory(n.memory_used[node]) + " of ") + memory(n.memory[node]));
    if (n.load[node] !== null) facts.push("load " + n.load[node]);
    if (facts.length) lines.push(facts.join(", "));
    const properties = map.sets[n.properties[node]];
    if (properties && properties.length) lines.push(properties.join(", "));
    return lines;
  }

  /* What is said of a job beside its id, name and user. */
  function aboutJob(map, job) {
    const j = map.jobs;
    const words = [plural(j.nodes[job].length || 1, "node") + ", " + plural(j.cores[job], "core") + ", queue " + map.queues.name[j.queue[job]]];
    const now = ws.now();
    if (j.state[job] !== "running") words.push(j.state[job]);
    else if (j.started_at[job] !== null) {
      const left = j.ends_at[job] === null ? "" : j.ends_at[job] > now ? ", at most " + ws.duration(j.ends_at[job] - now) + " left" : ", beyond its walltime";
      words.push("runs for " + ws.duration(now - j.started_at[job]) + left);
    }
    return words;
  }

  /* Nodes in rows: lists of node places, each line with a label; `by` is "name" or "property". */
  function lines(map, by) {
    const of = by === "property" ? map.nodes.properties : map.nodes.row;
    const groups = new Map();
    of.forEach((group, node) => {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(node);
    });
    const result = [];
    for (const [group, nodes] of groups) {
      for (let from = 0; from < nodes.length; from += map.columns) {
        const words = by === "property" ? (from ? "" : map.sets[group].join(", ") || "none") : map.nodes.name[nodes[from]];
        result.push({ words, nodes: nodes.slice(from, from + map.columns) });
      }
    }
    return result;
  }

  ws.nodes = { STATES, read, look, label, about, aboutJob, lines, shade, stateOf, takesWork, free, memory, number, plural, address };
})();
