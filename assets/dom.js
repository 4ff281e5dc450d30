/* Elements built without innerHTML: what is a name stays text. */
(function () {
  "use strict";
  const ws = window.webstat;

  const make = (ws.make = function (tag, className, children = [], attributes = {}) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...[].concat(children));
    return element;
  });

  ws.icon = (name, tone = "") => make("i", ("bi bi-" + name + " " + tone).trim(), [], { "aria-hidden": "true" });

  /* Whether a click is one that follows a link here, not in another tab. */
  ws.plain = (event) => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

  /* A link inside the site, followed without loading the page anew. */
  ws.link = function (children, href, className = "") {
    const link = make("a", className, children, { href: ws.address.keep(href) });
    link.addEventListener("click", (event) => {
      if (!ws.plain(event)) return;
      event.preventDefault();
      ws.address.go(link.getAttribute("href"));
    });
    return link;
  };

  /* Something that is said once, below on the right and to screen readers. */
  let hiding = 0;
  ws.say = function (text) {
    window.dash_clientside.set_props("refresh-said", { children: text });
    clearTimeout(hiding);
    hiding = setTimeout(() => window.dash_clientside.set_props("refresh-said", { children: "" }), 8000);
  };
})();
