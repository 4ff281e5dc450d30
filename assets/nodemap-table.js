/* The node map as a table: a row a node, in the order of the map. After a report only texts that differ are changed. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make, number } = ws.nodes;
  let rows = []; // each node's cells

  ws.nodes.table = function (body, map, order) {
    const names = map.cluster + "\n" + order.map((node) => map.nodes.name[node]).join("\n");
    if (body.dataset.names !== names || !body.firstChild) {
      body.dataset.names = names;
      body.replaceChildren(empty(map, order));
    }
    order.forEach((node, place) => {
      texts(map, node).forEach((text, column) => {
        const cell = rows[place][column];
        if (cell.textContent !== text) cell.textContent = text;
      });
    });
  };

  const COLUMNS = [["State", ""], ["Cores free", "n"], ["GPUs free", "n"], ["Memory free", "n"], ["Load", "n"], ["Jobs", "n"], ["Comment", "ws-wrap"]];

  function texts(map, node) {
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

  function empty(map, order) {
    const whole = make("table", "table table-hover ws-table ws-fixed");
    whole.append(make("caption", "visually-hidden", "Every node, in the order of the map"));
    const top = make("tr");
    [["Node", ""], ...COLUMNS].forEach(([words, look]) => {
      const cell = make("th", look, words);
      cell.scope = "col";
      top.append(cell);
    });
    const head = make("thead");
    head.append(top);
    const body = make("tbody");
    rows = order.map((node) => {
      const row = make("tr");
      const name = make("th", "fw-normal");
      name.scope = "row";
      const link = make("a", "ws-quiet", map.nodes.name[node]);
      link.href = "/node/" + encodeURIComponent(map.cluster) + "/" + encodeURIComponent(map.nodes.name[node]);
      name.append(link);
      const made = COLUMNS.map(([, look]) => make("td", look));
      row.append(name, ...made);
      body.append(row);
      return made;
    });
    whole.append(head, body);
    const scroll = make("div", "ws-scroll ws-hours");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Nodes as a table");
    scroll.append(whole);
    return scroll;
  }
})();
