/* Whose browser this is: a user name that it remembers, and the menu in the bar that asks for it. */
(function () {
  "use strict";
  const ws = window.webstat;
  const { make, icon } = ws;
  let menu = null;
  let back = null; // what asked for the name, and gets the focus again

  function build(place) {
    const name = make("span", "ws-cut d-none d-xl-inline");
    const summary = make("summary", "btn btn-outline-secondary", [icon("person"), name]);
    const field = make("input", "form-control", [], { id: "me-name", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: "64" });
    const save = make("button", "btn btn-primary", "Save", { type: "submit" });
    const form = make("form", "", [
      make("label", "form-label", "My user name on the clusters", { for: "me-name" }),
      make("div", "d-flex gap-2", [field, save]),
    ]);
    const said = make("div", "ws-sub mt-1", [], { role: "status" });
    const kept = make("p", "ws-sub my-2", "Kept in this browser only. It is no login: it marks and finds what is yours.");
    const own = make("span", "me-auto");
    const forget = make("button", "btn btn-outline-secondary", "Forget", { type: "button" });
    const mine = make("div", "d-flex align-items-center gap-2", [own, forget]);
    const keys = make("button", "btn btn-link p-0 ws-keys-list", "All keys", { type: "button" });
    const end = make("div", "ws-me-keys", [keys, " ", make("kbd", "", "?")]);
    const tell = make("div", "mt-2", ws.link([icon("bell"), " Tell me when"], "/tell"));
    const who = ws.known.name ? [signedIn()] : [form, said, kept];
    const parts = [...who, mine, tell, ...door(), end];
    const details = make("details", "ws-menu", [summary, make("div", "dropdown-menu show p-3", parts)], { id: "me-menu" });
    forget.classList.toggle("d-none", Boolean(ws.known.name));
    place.append(details);

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = field.value.trim();
      set(typed);
      if ((ws.stored("me") || "") !== typed) {
        said.textContent = "This browser lets no page remember anything.";
        return;
      }
      details.open = false;
      (back && back.isConnected ? back : summary).focus();
    });
    forget.addEventListener("click", () => {
      set("");
      field.value = "";
      field.focus();
    });
    keys.addEventListener("click", () => {
      details.open = false;
      ws.showKeys();
    });
    details.addEventListener("toggle", () => {
      said.textContent = "";
      if (!details.open) back = null;
      else if (document.activeElement !== field) field.value = ws.stored("me") || "";
    });
    return { details, field, name, summary, own, mine };
  }

  function signedIn() {
    const role = ws.known.role === "admin" ? "an admin" : "a " + ws.known.role;
    return make("p", "mb-2", ["Signed in as ", make("b", "", ws.known.name), ", " + role + " of this site."]);
  }

  /* In or out, where people sign in here. */
  function door() {
    if (ws.known.mode !== "oidc") return [];
    if (!ws.known.name) return [make("a", "btn btn-outline-secondary mt-2", "Sign in", { href: "/signin?next=" + encodeURIComponent(location.pathname + location.search) })];
    const out = make("button", "btn btn-outline-secondary mt-2", "Sign out", { type: "submit" });
    return [make("form", "", [out], { method: "post", action: "/signout" })];
  }

  function draw() {
    const me = ws.stored("me") || "";
    menu.name.textContent = me || "Me";
    menu.summary.setAttribute("aria-label", me ? "Me: " + me : "Me");
    menu.summary.title = me ? "On the clusters you are " + me : "Tell webstat who you are on the clusters";
    menu.mine.classList.toggle("d-none", !me);
    menu.own.replaceChildren(...(me ? [ws.link("My page", "/user/" + encodeURIComponent(me))] : []));
  }

  function set(name) {
    ws.store("me", name);
    tell();
  }

  /* The name is another one: mark it, and have drawn what rests on it. */
  function tell() {
    window.dash_clientside.set_props("viewer", { data: ws.viewer() });
    ws.after.forEach((act) => act());
  }

  ws.askMe = function () {
    if (!menu) return;
    const from = document.activeElement;
    // After the click that asked for it, which closes the menus that are open.
    setTimeout(() => {
      menu.details.open = true;
      if (ws.known.name) return;
      back = from === document.body ? null : from;
      menu.field.value = ws.stored("me") || "";
      menu.field.focus();
      menu.field.select();
    });
  };

  ws.after.push(() => {
    const place = document.getElementById("me");
    if (!place) return;
    if (!place.firstChild) menu = build(place);
    draw();
  });
  window.addEventListener("storage", (event) => event.key === "webstat-me" && menu && tell());
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".ws-me-set, .ws-me-ask");
    if (!button) return;
    if (button.classList.contains("ws-me-ask")) ws.askMe();
    else set(button.dataset.me || "");
  });
})();
