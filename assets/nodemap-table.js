/* The node map as a table: a row a node, in the order of the map. After a report only texts that differ are changed. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make } = ws;
  const { number } = ws.nodes;
  const SLICE = 250; // rows made at a time, so that thousands of them stop nothing else
  const COLUMNS = [["State", ""], ["Cores free", "n"], ["GPUs free", "n"], ["Memory free", "n"], ["Load", "n"], ["Jobs", "n"], ["Comment", "ws-wrap"]];

  let rows = []; // the cells of each row that is there
  let map = null;
  let order = []; // the nodes of all rows

  /* Fill `place`, or bring it up to date; nodes stand in the order of `nodes`, their places in the columns of `now`. */
  ws.nodes.table = function (place, now, nodes) {
    [map, order] = [now, nodes];
    const names = map.cluster + "\n" + order.map((node) => map.nodes.name[node]).join("\n");
    if (place.dataset.names !== names || !place.firstChild) {
      place.dataset.names = names;
      rows = [];
      const body = make("tbody");
      place.replaceChildren(around(body));
      grow(body);
    }
    rows.forEach(fill);
  };

  function grow(body) {
    if (!body.isConnected) return;
    const next = order.slice(rows.length, rows.length + SLICE).map((node) => {
      const cells = COLUMNS.map(([, look]) => make("td", look));
      rows.push(cells);
      fill(cells, rows.length - 1);
      const link = make("a", "ws-quiet", map.nodes.name[node], { href: ws.nodes.address("node", map.cluster, map.nodes.name[node]) });
      return make("tr", "", [make("th", "fw-normal", link, { scope: "row" }), ...cells]);
    });
    body.append(...next);
    if (rows.length < order.length) requestAnimationFrame(() => grow(body));
  }

  function fill(cells, row) {
    texts(order[row]).forEach((text, column) => {
      if (cells[column].textContent !== text) cells[column].textContent = text;
    });
  }

  function texts(node) {
    const n = map.nodes;
    const spare = (total, used) => (total[node] === null || used[node] === null ? "–" : number(ws.nodes.free(total[node], used[node])));
    const memory = n.memory[node] === null ? "–" : ws.nodes.memory(ws.nodes.free(n.memory[node], n.memory_used[node]));
    const open = ws.nodes.takesWork(map, node);
    return [
      ws.nodes.stateOf(map, node).words,
      open ? spare(n.cores, n.used) : "0",
      n.gpus[node] ? (open ? spare(n.gpus, n.gpus_used) : "0") : "",
      memory,
      n.load[node] === null ? "–" : String(n.load[node]),
      number(map.jobsOn[node].length),
      n.comment[node] || "",
    ];
  }

  function around(body) {
    const heads = [["Node", ""], ...COLUMNS].map(([words, look]) => make("th", look, words, { scope: "col" }));
    const whole = make("table", "table table-hover ws-table ws-fixed", [
      make("caption", "visually-hidden", "Every node, in the order of the map"), make("thead", "", make("tr", "", heads)), body,
    ]);
    return make("div", "ws-scroll ws-hours", whole, { tabindex: "0", role: "region", "aria-label": "Nodes as a table" });
  }
})();
