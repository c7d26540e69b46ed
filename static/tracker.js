// Reports clicks, page exits and page changes without a load, of visitors who granted statistics. Never sends text, form
// values, queries or fragments. Other visitors are not served this file. An answer of 403 stops it.
(() => {
  /** @typedef {{ id: string, kind: string, page: string, at: number, previous?: string, data?: object }} TrackerEvent */
  const KEY = "privacy_events"; // key in the tab's session storage: events that the site has not acknowledged
  const WAIT = 5000; // milliseconds
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  // The address contains the visitor's tag. Events stored for an earlier visitor, who has withdrawn, are never sent.
  const address = script.src.replace(/tracker\.js.*&/, "events?");
  const prefix = crypto.getRandomValues(new Uint32Array(3)).join("-"); // of the event ids of this page load
  let batch = 20; // events sent at once
  let number = 0;
  let wait = WAIT; // milliseconds until the next attempt to send
  let timer = 0;
  let busy = false;
  let over = false;
  let fresh = false; // whether an event has never been sent
  let page = location.pathname;
  let shown = 0; // milliseconds for which the page was visible
  let since = performance.now();
  let hidden = document.hidden;

  /** @returns {TrackerEvent[]} Events not acknowledged yet. The server counts an event id once, so resending is safe. */
  const read = () => {
    try {
      return [...JSON.parse(sessionStorage[KEY])[address]];
    } catch {
      return [];
    }
  };
  let kept = read();

  /** @param {TrackerEvent[]} events */
  const keep = (events) => {
    kept = events.slice(-100);
    try {
      if (kept[0]) sessionStorage[KEY] = JSON.stringify({ [address]: kept });
      else delete sessionStorage[KEY];
    } catch {} // the storage may be forbidden or full
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

  /** @param {TrackerEvent[]} events Sent with an age instead of a time, because the browser's clock may be wrong. */
  const pack = (events) => {
    const aged = events.map(({ at, ...event }) => ({ ...event, age: Date.now() - at }));
    return new Blob([JSON.stringify(aged)], { type: "application/json" });
  };

  /** @param {Blob} body @returns {Promise<number>} The status of the answer; 0 if there is no answer. */
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
    else if (status > 299 && events[1]) batch = 1; // one event is invalid: send them one by one
    else {
      wait = WAIT;
      keep(kept.filter((event) => !events.includes(event)));
    }
    if (kept[0]) plan();
  };

  // The page may close before the answer arrives, so the events sent here stay stored.
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
    // The page returns from the back/forward cache. Other pages of the tab may have sent its events since, so read them
    // again. Consent may have been withdrawn since, so send at once: a 403 then clears the storage.
    pageshow: ({ persisted }) => {
      if (!persisted) return;
      kept = read();
      watch();
      shown = 0;
      view("");
      send();
    },
    prerenderingchange: () => view(), // a prerendered page is now visible
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
