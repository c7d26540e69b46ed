// Removes from this browser what a withdrawn consent had left there. A name may have * in it.
(() => {
  const said = /** @type {HTMLScriptElement} */ (document.currentScript).dataset;

  /** @param {string | undefined} names one a line */
  const matcher = (names) => {
    const patterns = (names || "").split("\n").filter(Boolean);
    const quoted = patterns.map((name) => name.split("*").map((part) => part.replace(/[^\w]/g, "\\$&")).join(".*"));
    const whole = new RegExp("^(?:" + quoted.join("|") + ")$");
    return (/** @type {string} */ name) => quoted.length > 0 && whole.test(name);
  };

  for (const kind of /** @type {const} */ (["local", "session"])) {
    try {
      const storage = kind === "local" ? localStorage : sessionStorage;
      Object.keys(storage).filter(matcher(said[kind])).forEach((name) => storage.removeItem(name));
    } catch {} // a browser may keep storage from pages altogether, and then there is nothing in it
  }

  if (said.idb && indexedDB.databases) {
    const matches = matcher(said.idb);
    indexedDB.databases().then((all) => all.forEach(({ name }) => name && matches(name) && indexedDB.deleteDatabase(name)));
  }
  // Neither is there where a page was not served securely, and then nothing is in them.
  if (said.cache && window.caches) {
    caches.keys().then((all) => all.filter(matcher(said.cache)).forEach((name) => caches.delete(name)));
  }
  if (said.worker && navigator.serviceWorker) {
    const matches = matcher(said.worker);
    navigator.serviceWorker.getRegistrations().then((all) =>
      all.forEach((one) => {
        const script = (one.active || one.waiting || one.installing)?.scriptURL;
        if (script && matches(new URL(script).pathname)) one.unregister();
      }),
    );
  }
})();
