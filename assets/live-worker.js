/* One websocket for all tabs of a browser: a SharedWorker, or where there is none a script of the page.
   It reconnects for ever; what it hears it passes on to every tab. */
(function () {
  "use strict";
  const SILENCE = 15000; // milliseconds without a sign of life until the connection counts as dead
  const LONGEST = 30000;

  function connect(tell) {
    let socket = null;
    let tries = 0;
    let timer = 0;
    let silence = 0;

    function open() {
      clearTimeout(timer);
      const scheme = self.location.protocol === "https:" ? "wss:" : "ws:";
      const mine = (socket = new WebSocket(scheme + "//" + self.location.host + "/live"));
      const over = () => {
        if (socket !== mine) return;
        socket = null;
        clearTimeout(silence);
        tell({ open: false });
        const pause = Math.min(LONGEST, 1000 * 2 ** tries) * (0.5 + Math.random() / 2);
        tries += 1;
        timer = setTimeout(open, pause);
      };
      const heard = () => {
        clearTimeout(silence);
        silence = setTimeout(() => {
          mine.close();
          over();
        }, SILENCE);
      };
      mine.onopen = heard;
      mine.onmessage = (event) => {
        tries = 0;
        heard();
        tell({ open: true, ...JSON.parse(event.data) });
      };
      mine.onclose = over;
      mine.onerror = () => {};
    }

    open();
    return {
      hurry() {
        tries = 0;
        if (socket === null) open();
      },
    };
  }

  if (typeof SharedWorkerGlobalScope === "undefined" || !(self instanceof SharedWorkerGlobalScope)) {
    self.webstatConnect = connect;
    return;
  }
  const tabs = new Set();
  let last = { open: false, news: {} };
  const connection = connect((message) => {
    last = { ...message, news: { ...last.news, ...message.news } };
    tabs.forEach((tab) => tab.postMessage(message));
  });
  self.onconnect = (event) => {
    const tab = event.ports[0];
    tabs.add(tab);
    tab.postMessage(last);
    tab.onmessage = (said) => {
      if (said.data === "bye") tabs.delete(tab);
      else connection.hurry();
    };
  };
})();
