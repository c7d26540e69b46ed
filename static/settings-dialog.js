// Opens the settings page as a dialog over the page with the banner. banner.js loads this file when the visitor asks for the
// settings, and sends the dialog's form. Without this script, or if anything fails here, the browser opens the page itself.
(async () => {
  const opener = /** @type {HTMLFormElement} */ (document.querySelector("#mixamo-to-settings"));
  if (document.querySelector(".mixamo-panel")) return;
  const { nonce } = /** @type {HTMLScriptElement} */ (document.currentScript);
  const dialog = document.createElement("dialog");
  dialog.className = "mixamo-panel";
  // Libraries keep a copy of the page for Back, in which the dialog would neither close nor let another one open.
  dialog.dataset.turboTemporary = "";
  for (const leaving of ["htmx:beforeHistorySave", "popstate"]) addEventListener(leaving, () => dialog.remove(), { once: true });
  document.body.append(dialog); // before the answer, so that a second press opens no second dialog
  try {
    const address = new URL(opener.action);
    address.search = new URLSearchParams(/** @type {any} */ (new FormData(opener))).toString();
    const response = await fetch(address, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(8000) });
    const text = await response.text();
    /** @type {any} */
    const page = window;
    const html = page[Symbol.for("mixamo-privacy")]?.createHTML(text) ?? text; // the policy that banner.js made
    const parsed = new DOMParser().parseFromString(html, "text/html");
    const content = /** @type {HTMLElement} */ (parsed.querySelector(".mixamo-page:has([name=choice])"));
    const title = /** @type {HTMLElement} */ (content.querySelector("h1"));
    const loaded = [...parsed.querySelectorAll("link[rel=stylesheet]")].map((sheet) => {
      const href = /** @type {HTMLLinkElement} */ (sheet).getAttribute("href") || "";
      if (!/\/(pages|widgets)\.[0-9a-f]+\.css$/.test(href) || document.querySelector(`link[href="${href}"]`)) return;
      const link = Object.assign(document.createElement("link"), { nonce, href, rel: "stylesheet" });
      document.head.append(link);
      return new Promise((resolve) => (link.onload = link.onerror = resolve));
    });
    await Promise.all(loaded);
    const close = document.createElement("button");
    close.type = "button";
    close.className = "mixamo-quiet mixamo-close";
    close.setAttribute("aria-label", opener.dataset.close || "");
    close.textContent = "\u00d7";
    close.onclick = () => dialog.close();
    title.before(close);
    const error = document.createElement("p");
    error.className = "mixamo-message";
    error.setAttribute("role", "alert");
    content.querySelector("[name=choice]")?.before(error);
    title.tabIndex = -1;
    title.autofocus = true;
    title.id ||= "mixamo-panel-title";
    dialog.setAttribute("aria-labelledby", title.id);
    dialog.lang = content.lang;
    dialog.dir = content.dir;
    dialog.append(content);
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // without a padding: the backdrop
    dialog.onclose = () => dialog.remove();
    if (!(opener.isConnected && dialog.isConnected)) return dialog.remove(); // a library replaced the page, or the visitor has answered
    dialog.showModal();
  } catch {
    dialog.remove();
    opener.submit();
  }
})();
