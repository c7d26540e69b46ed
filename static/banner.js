// Sends the banner's own form without a reload, and closes the banner once the server has answered.
// Without this script the form does the same by itself.
(() => {
  const banner = /** @type {HTMLFormElement | null} */ (document.querySelector(".privacy-banner"));
  if (!banner) return;
  const root = document.documentElement;
  const note = /** @type {HTMLElement} */ (banner.querySelector(".privacy-note"));
  const observer = new ResizeObserver(() => root.style.setProperty("--privacy-height", banner.offsetHeight + "px"));
  /** @type {HTMLElement} */
  let before; // what had the focus before the banner
  let busy = false;

  /** @param {{ target: any }} event */
  const remember = (event) => {
    if (!banner.contains(event.target)) before = event.target;
  };

  /** @param {string} message */
  const close = (message) => {
    const focused = banner.contains(document.activeElement);
    const said = document.createElement("p");
    said.className = "privacy-said";
    said.setAttribute("role", "status");
    banner.replaceWith(said);
    observer.disconnect();
    removeEventListener("focusin", remember);
    root.style.removeProperty("--privacy-height");
    if (focused) {
      // Back to where the reader was, or to the beginning of what there is to read.
      /** @type {any} */
      const target = before?.isConnected ? before : document.querySelector("main, h1") || document.body;
      target.focus({ preventScroll: true });
      if (document.activeElement !== target) {
        target.tabIndex = -1;
        target.focus({ preventScroll: true });
      }
    }
    setTimeout(() => (said.textContent = message), 100); // a status has to be there before it is filled
  };

  banner.addEventListener("submit", async (event) => {
    const body = new URLSearchParams(/** @type {any} */ (new FormData(banner)));
    body.set("choice", /** @type {HTMLButtonElement} */ (event.submitter).value);
    event.preventDefault();
    if (busy) return;
    busy = true;
    /** @type {any} */
    let answer = {};
    try {
      const response = await fetch(banner.action, { method: "POST", body, headers: { Accept: "application/json" } });
      answer = await response.json();
      if (response.ok) {
        close(answer.message);
        // What was granted may have to be served, and what was taken back to be removed: by another page, unless the
        // site's own script prevents it and sees to that itself.
        const change = new CustomEvent("privacy:change", { detail: answer, cancelable: true });
        if (document.dispatchEvent(change) && answer.go) location.assign(answer.go);
        else if (answer.tracker && !document.querySelector(`[src="${answer.tracker}"]`)) {
          document.head.append(Object.assign(document.createElement("script"), { src: answer.tracker }));
        }
        return;
      }
      // The words have changed meanwhile: the settings page shows those in force.
      if (response.status === 409) location.assign(banner.action + "?next=" + encodeURIComponent(String(body.get("next"))));
    } catch {}
    busy = false;
    note.textContent = answer.message || note.dataset.offline;
  });

  addEventListener("focusin", remember);
  observer.observe(banner);
})();
