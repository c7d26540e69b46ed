// Tells the site what a visitor who allowed statistics does on its pages: clicks, exits, and pages changed without a load.
// Never a text, a form's value, a query or a fragment. Only such a visitor is served this file; a 403 ends it for good.
(() => {
  /** @typedef {{ id: string, kind: string, page: string, at: number, previous?: string, data?: object }} Told */
  const KEY = "privacy_events"; // in this tab's session storage: what the site has not acknowledged yet
  const WAIT = 5000; // milliseconds
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  // It tells this visitor from an earlier one: what was kept for somebody who has withdrawn since is nobody's any more.
  const address = script.src.replace(/tracker\.js.*&/, "events?");
  const prefix = crypto.getRandomValues(new Uint32Array(3)).join("-"); // of this load of the page
  let batch = 20; // events sent at once
  let number = 0;
  let wait = WAIT; // until they are sent, or sent again
  let timer = 0;
  let busy = false;
  let over = false;
  let fresh = false; // whether there is something that was never sent
  let page = location.pathname;
  let shown = 0; // milliseconds that somebody could see it
  let since = performance.now();
  let hidden = document.hidden;

  /** @returns {Told[]} What pages of this tab could not bring home. Sent again with the same ids, it counts once. */
  const read = () => {
    try {
      return [...JSON.parse(sessionStorage[KEY])[address]];
    } catch {
      return [];
    }
  };
  let kept = read();

  /** @param {Told[]} events */
  const keep = (events) => {
    kept = events.slice(-100);
    try {
      if (kept[0]) sessionStorage[KEY] = JSON.stringify({ [address]: kept });
      else delete sessionStorage[KEY];
    } catch {} // a browser may forbid it, or be full
  };

  /** @param {string} kind @param {object} [data] @param {string} [previous] */
  const add = (kind, data, previous) => {
    if (over) return;
    keep([...kept, { id: prefix + "-" + number++, kind, page, previous, data, at: Date.now() }]);
    fresh = true;
    plan();
  };

  const plan = () => {
    if (kept.length >= batch && wait === WAIT) send();
    else timer ||= setTimeout(send, wait);
  };

  /** @param {Told[]} events Told with an age, not a time: the browser's clock may be wrong. */
  const pack = (events) => {
    const told = events.map(({ at, ...event }) => ({ ...event, age: Date.now() - at }));
    return new Blob([JSON.stringify(told)], { type: "application/json" });
  };

  /** @param {Blob} body @returns {Promise<number>} The answer's status; 0 where there was none. */
  const post = (body) =>
    fetch(address, { method: "POST", body, keepalive: true }).then(
      (answer) => answer.status,
      () => 0,
    );

  const send = async () => {
    clearTimeout(timer);
    timer = 0;
    if (busy || !kept[0]) return;
    busy = true;
    const events = kept.slice(0, batch);
    const status = await post(pack(events));
    busy = false;
    over = status === 403;
    if (over) keep([]);
    else if (!status || status === 429 || status > 499) wait = Math.min(2 * wait, 6e5);
    else if (status > 299 && events[1]) batch = 1; // one of them is bad: it shall not take the others with it
    else {
      wait = WAIT;
      keep(kept.filter((event) => !events.includes(event)));
    }
    if (kept[0]) plan();
  };

  // The page may be gone in a moment, and not hear the answer: what is sent here is kept as well.
  const hurry = () => {
    if (!fresh || !kept[0]) return;
    fresh = false;
    const body = pack(kept.slice(-20));
    navigator.sendBeacon?.(address, body) || post(body);
  };

  const watch = () => {
    const now = performance.now();
    if (!hidden) shown += now - since;
    since = now;
    hidden = document.hidden;
  };

  const leave = () => {
    watch();
    add("page_exit", { seconds: Math.round(shown / 1000) });
    shown = 0;
  };

  const view = (previous = document.referrer.split("?")[0]) => add("page_view", undefined, previous);

  const move = () => {
    const previous = page;
    if (previous === location.pathname) return;
    leave();
    page = location.pathname;
    view(previous);
  };

  /** @param {MouseEvent} event */
  const press = ({ target, button }) => {
    const at = /** @type {Element} */ (target);
    if (button > 1 || !at.closest || at.closest(".privacy-banner")) return;
    const named = at.closest("[data-privacy-event]")?.getAttribute("data-privacy-event");
    const pressed = /** @type {HTMLAnchorElement & HTMLButtonElement | null} */ (
      at.closest("a[href],area[href],button,[type=submit],[type=button],[type=image]")
    );
    if (named) add(named);
    if (!pressed) return;
    const { host, origin, pathname, protocol, id, name } = pressed;
    if (host && host !== location.host) add("exit_link", { to: origin + pathname });
    else if (!named) add("click", protocol ? { to: host ? pathname : protocol } : { button: id || name });
  };

  for (const name of /** @type {const} */ (["pushState", "replaceState"])) {
    const original = history[name];
    history[name] = function (...values) {
      original.apply(this, values);
      move();
    };
  }
  /** @type {Record<string, (event: any) => void>} */
  const listeners = {
    popstate: move,
    click: press,
    auxclick: press, // a link opened in a new tab
    pagehide: () => {
      leave();
      hurry();
    },
    // Back from the browser's memory of pages; others of this tab may have brought home what this one kept, and consent
    // may be withdrawn since: asked at once, so that nothing lies here if it is.
    pageshow: ({ persisted }) => {
      if (!persisted) return;
      kept = read();
      watch();
      shown = 0;
      view("");
      send();
    },
    prerenderingchange: () => view(), // made ahead, and looked at only now
    visibilitychange: () => {
      watch();
      if (hidden) hurry();
    },
    "privacy:track": ({ detail: { name, ...data } }) => add(name, data),
  };
  for (const type in listeners) addEventListener(type, listeners[type], true);

  if ("pageView" in script.dataset) view();
  if (kept[0]) plan();
})();
