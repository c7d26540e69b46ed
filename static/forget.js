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
})();
