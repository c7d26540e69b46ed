// Removes the storage of a withdrawn consent from this browser, and shows what it removed. A name may contain *.
(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const data = script.dataset;
  const list = /** @type {HTMLElement} */ (script.parentElement);

  /** @param {string | undefined} names one name a line */
  const matcher = (names) => {
    const patterns = (names || "").split("\n").filter(Boolean);
    const quoted = patterns.map((name) => name.split("*").map((part) => part.replace(/[^\w]/g, "\\$&")).join(".*"));
    const whole = new RegExp("^(?:" + quoted.join("|") + ")$");
    return (/** @type {string} */ name) => quoted.length > 0 && whole.test(name);
  };

  /** @param {string} kind */
  const show = (kind) => {
    for (const item of list.querySelectorAll(`[data-kind=${kind}]`)) {
      list.hidden = /** @type {HTMLElement} */ (item).hidden = false;
    }
  };

  /** @param {string} name */
  const drop = (name) =>
    new Promise((done, failed) => Object.assign(indexedDB.deleteDatabase(name), { onsuccess: done, onerror: failed }));

  /** @type {Record<string, (matches: (name: string) => boolean) => unknown>} */
  const removals = {
    local: (matches) => Object.keys(localStorage).filter(matches).forEach((name) => localStorage.removeItem(name)),
    session: (matches) => Object.keys(sessionStorage).filter(matches).forEach((name) => sessionStorage.removeItem(name)),
    idb: async (matches) =>
      Promise.all((await indexedDB.databases()).map(({ name }) => name && matches(name) && drop(name))),
    // Caches and service workers exist only in secure contexts (HTTPS).
    cache: async (matches) =>
      window.caches && Promise.all((await caches.keys()).filter(matches).map((name) => caches.delete(name))),
    worker: async (matches) =>
      navigator.serviceWorker &&
      Promise.all(
        (await navigator.serviceWorker.getRegistrations()).map((one) => {
          const address = (one.active || one.waiting || one.installing)?.scriptURL;
          return address && matches(new URL(address).pathname) && one.unregister();
        }),
      ),
  };

  for (const [kind, remove] of Object.entries(removals)) {
    if (!data[kind]) continue;
    try {
      const done = remove(matcher(data[kind]));
      if (done instanceof Promise) done.then(() => show(kind), () => {});
      else show(kind);
    } catch {} // the browser denies the page this storage, so it is empty
  }
})();
