// Reports clicks, page exits and page changes without a load, of visitors who granted statistics. Never sends text, form
// values, queries or fragments. Other visitors are not served this file. An answer of 403 stops it.
(() => {
  /** @typedef {{ id: string, kind: string, page: string, at: number, previous?: string, data?: object }} TrackerEvent */
  const WAIT = 5000; // milliseconds
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  // The address contains the visitor's tag. Events stored for an earlier visitor, who has withdrawn, are never sent.
  const address = script.src.replace(/tracker\.js.*&/, "events?");
  // A page that replaces its body runs this file again in the same document. The tracker that runs already carries on.
  if (!dispatchEvent(new CustomEvent("privacy:tracker", { detail: address, cancelable: true }))) return;
  let batch = 20; // events sent at once
  let wait = WAIT; // milliseconds until the next attempt to send
  let timer = 0;
  let shown = 0; // milliseconds for which the page was visible
  let busy = false;
  let over = false;
  let moved = false; // whether the body that arrives next belongs to a page that is counted already
  let fresh = false; // whether an event has never been sent
  let page = location.pathname;
  let since = performance.now();
  let hidden = document.hidden;

  // The tab's session storage holds, under privacy_events, what the site has not acknowledged.
  /** @returns {TrackerEvent[]} Events not acknowledged yet. The server counts an event id once, so resending is safe. */
  const read = () => {
    try {
      return [...JSON.parse(sessionStorage.privacy_events)[address]];
    } catch {
      return [];
    }
  };
  let kept = read();

  /** @param {TrackerEvent[]} events */
  const keep = (events) => {
    kept = events.slice(-100);
    try {
      if (kept[0]) sessionStorage.privacy_events = JSON.stringify({ [address]: kept });
      else delete sessionStorage.privacy_events;
    } catch {} // the storage may be forbidden or full
  };

  /** @param {string} kind @param {object} [data] @param {string} [previous] */
  const add = (kind, data, previous) => {
    if (over) return;
    fresh = true;
    keep([...kept, { id: String(Math.random()), kind, page, previous, data, at: Date.now() }]);
    plan();
  };

  const plan = () => {
    if (kept.length >= batch && wait === WAIT) send();
    else timer ||= setTimeout(send, wait);
  };

  /** @param {TrackerEvent[]} events Sent with an age instead of a time, because the browser's clock may be wrong. */
  const pack = (events) => JSON.stringify(events.map(({ at, ...event }) => ({ ...event, age: Date.now() - at })));

  /** @param {string} body */
  const post = (body) => fetch(address, { method: "POST", body, keepalive: true });

  const send = async () => {
    clearTimeout(timer);
    timer = 0;
    if (busy || over || !kept[0]) return;
    busy = true;
    const events = kept.slice(0, batch);
    let status = 500; // no answer
    try {
      ({ status } = await post(pack(events)));
    } catch {}
    busy = false;
    over = status === 403;
    if (over) keep([]);
    else if (status > 499 || status === 429) wait = Math.min(2 * wait, 6e5);
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
    if (!hidden) shown -= since;
    since = performance.now();
    if (!hidden) shown += since;
    hidden = document.hidden;
  };

  const leave = () => {
    watch();
    add("page_exit", { seconds: Math.round(shown / 1e3) });
    shown = 0;
  };

  const view = (previous = document.referrer.split("?")[0]) => add("page_view", {}, previous);

  const turn = (previous = page) => {
    leave();
    page = location.pathname;
    view(previous);
  };

  /** @param {unknown} [how] An address that replaces the one of a page just shown is the end of a redirect. */
  const move = (how) => {
    if (page === location.pathname) return;
    moved = true;
    const last = kept.at(-1);
    if (how !== "replaceState" || last?.kind !== "page_view") return turn();
    page = last.page = location.pathname;
    keep(kept);
  };

  /** @param {MouseEvent} event */
  const press = (event) => {
    // The path leads through open shadow roots, for which the event's target is only their host.
    /** @param {string} selector @returns {any} */
    const closest = (selector) =>
      event.composedPath().find((target) => /** @type {Partial<Element>} */ (target).matches?.(selector));
    if (event.button > 1 || closest("[data-privacy]")) return;
    const named = closest("[data-privacy-event]")?.dataset.privacyEvent;
    const pressed = closest(":any-link,button,[type=submit],[type=button],[type=image]");
    if (named) add(named);
    if (!pressed) return;
    const { host, origin, pathname, protocol, id, name } = pressed;
    if (host && host !== location.host) add("exit_link", { to: origin + pathname });
    else if (!named) add("click", protocol ? { to: host ? pathname : protocol } : { button: id || name });
  };

  for (const name of /** @type {const} */ (["pushState", "replaceState"])) {
    const original = history[name];
    history[name] = function (...values) {
      move(); // to the address that a library's listener of popstate is about to replace
      original.apply(this, values);
      move(name);
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
      if (persisted) {
        kept = read();
        watch();
        shown = 0;
        view("");
        send();
      }
    },
    prerenderingchange: () => view(), // a prerendered page is now visible
    "privacy:tracker": (event) => {
      if ((over ||= event.detail !== address)) return; // the visitor withdrew, and granted again as another visitor
      event.preventDefault();
      // Not a view: a body that is gone again, Turbo's preview of a page, and a page counted when its address changed.
      if (document.currentScript?.isConnected && !("turboPreview" in document.documentElement.dataset)) {
        if (!moved && document.readyState === "complete") turn();
        moved = false;
      }
    },
    visibilitychange: () => {
      watch();
      if (hidden) hurry();
    },
    "privacy:track": ({ detail: { name, ...data } }) => add(name, data),
  };
  for (const type in listeners) addEventListener(type, listeners[type], true);

  // The server counts neither a page that a script fetched into this document, nor one that the browser fetched in advance.
  if (script.defer && document.readyState === "complete") view("");
  else if ("pageView" in script.dataset && !(/** @type {any} */ (document).prerendering)) view();
  if (kept[0]) plan();
})();
