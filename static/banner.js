// Submits the banner's form without a reload, and closes the banner after the server's answer.
// Without this script, the browser submits the form.
(() => {
  const banner = /** @type {HTMLFormElement | null} */ (document.querySelector(".mixamo-ask"));
  if (!banner) return;
  const root = document.documentElement;
  const nonce = /** @type {HTMLScriptElement | null} */ (document.currentScript)?.nonce || "";
  const note = /** @type {HTMLElement} */ (banner.querySelector(".mixamo-error"));
  const observer = new ResizeObserver(() => root.style.setProperty("--privacy-height", banner.offsetHeight + "px"));
  /** @type {HTMLElement} */
  let before; // the element that had the focus before the banner
  let busy = false;
  let framed = false; // by another origin, which may cover the banner: the browser sends the form, and a grant is refused
  try {
    framed = !top?.location.href;
  } catch {
    framed = true;
  }
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const listeners = new AbortController();
  const options = { capture: true, signal: listeners.signal };

  /** @param {Event} event The path leads into open shadow roots, for which the target is only their host. */
  const remember = (event) => {
    /** @type {any} */
    const [target] = event.composedPath();
    if (!banner.contains(target)) before = target;
    if (!banner.isConnected) listeners.abort(); // a library replaced the page
  };

  /** @param {string} message */
  const close = (message) => {
    const focused = banner.contains(document.activeElement);
    const p = document.createElement("p");
    p.className = "mixamo-said";
    p.setAttribute("role", "status");
    banner.replaceWith(p);
    observer.disconnect();
    listeners.abort();
    root.style.removeProperty("--privacy-height");
    if (focused) {
      // Return the focus to the earlier element, or move it to the start of the content.
      /** @type {any} */
      const target = before?.isConnected ? before : document.querySelector("main, h1") || document.body;
      target.focus({ preventScroll: true });
      if (document.activeElement !== target) {
        target.tabIndex = -1;
        target.focus({ preventScroll: true });
      }
    }
    setTimeout(() => (p.textContent = message), 100); // screen readers announce a change of an existing status only
  };

  // A page that is shown again shows the banner again, although the visitor may have decided on another page since.
  const check = async () => {
    try {
      const state = await (await fetch(new URL("state.json", banner.action))).json();
      if (busy || !banner.isConnected || Object.values(state.purposes).includes("unasked")) return;
      close("");
    } catch {}
  };

  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    if (event.target !== banner || framed) return;
    const body = new URLSearchParams(/** @type {any} */ (new FormData(banner)));
    body.set("choice", /** @type {HTMLButtonElement} */ (event.submitter).value);
    event.preventDefault();
    event.stopImmediatePropagation(); // the site's other listeners, such as those of hx-boost, would send the form again
    if (busy) return;
    busy = true;
    /** @type {any} */
    let answer = {};
    try {
      // The visitor may leave before the answer arrives; keepalive lets the browser still store its cookie.
      const headers = { Accept: "application/json" };
      const response = await fetch(banner.action, { method: "POST", body, headers, keepalive: true });
      answer = await response.json();
      if (response.ok) {
        close(answer.message);
        // Load another page that contains the granted content or removes the withdrawn storage. A site's script that
        // does this itself calls preventDefault().
        const change = new CustomEvent("privacy:change", { detail: answer, cancelable: true });
        if (document.dispatchEvent(change) && answer.go) location.assign(answer.go);
        else if (answer.tracker && !document.querySelector(`[src="${answer.tracker}"]`)) {
          // A strict page demands its nonce, and under Trusted Types an address from a policy that it allows. A document may
          // create a policy once, so this script and page.js share it.
          /** @type {any} */
          const page = window;
          const types = Symbol.for("mixamo-privacy"); // no name that a script of the site may use
          let src = answer.tracker;
          try {
            page[types] ||= page.trustedTypes?.createPolicy("mixamo-privacy", { createHTML: String, createScriptURL: String });
            src = page[types]?.createScriptURL(src) ?? src;
          } catch {} // the page allows no such policy; it may have a default one
          const tracker = Object.assign(document.createElement("script"), { nonce, src });
          tracker.dataset.pageView = ""; // reported only now: if the answer never arrives, nothing is logged
          document.head.append(tracker);
        }
        return;
      }
      // The banner's text has changed since, so load the settings page with the current text.
      if (response.status === 409) location.assign(banner.action + "?next=" + encodeURIComponent(String(body.get("next"))));
    } catch {
      if (!banner.isConnected) return location.reload(); // the page lets no script in, but the server adds the tracker's tag
    }
    busy = false;
    note.textContent = answer.message || note.dataset.offline;
  };

  addEventListener("submit", submit, options);
  addEventListener("focusin", remember, options);
  addEventListener("pageshow", ({ persisted }) => persisted && check(), options);
  // A library that replaces the body of a complete document may have taken it from its own cache.
  if (script?.defer && document.readyState === "complete") check();
  observer.observe(banner);
})();
