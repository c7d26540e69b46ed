// Submits the banner's form without a reload, and closes the banner after the server's answer. Opens the settings as a dialog.
// Without this script, the browser submits the form, and opens the settings as a page.
(() => {
  const banner = /** @type {HTMLFormElement | null} */ (document.querySelector(".mixamo-ask"));
  if (!banner) return;
  const { nonce = "", defer } = /** @type {Partial<HTMLScriptElement>} */ (document.currentScript || {});
  const text = banner.querySelector("p");
  const {
    nextElementSibling: opener,
    parentElement: { lastElementChild: status, previousElementSibling: sheet },
  } = /** @type {any} */ (banner);
  /** @type {any} */
  let before; // the element that had the focus before the banner
  /** @type {boolean | undefined} */
  let busy;
  let framed = true; // by another origin, which may cover the banner: the browser sends the form, and a grant is refused
  try {
    framed = !top?.location.href;
  } catch {}
  const ended = new AbortController();
  const options = { capture: true, signal: ended.signal };

  /** @param {Event} event The path leads into open shadow roots, for which the target is only their host. */
  const remember = (event) => {
    /** @type {any} */
    const [target] = event.composedPath();
    if (!target.closest(".mixamo-ask, .mixamo-panel")) before = target;
    if (!banner.isConnected) ended.abort(); // a library replaced the page
  };

  /** @param {string} src */
  const load = (src) => {
    // A strict page demands its nonce, and under Trusted Types an address from a policy that it allows. A document may
    // create a policy once, so this script, page.js and settings-dialog.js share it.
    /** @type {any} */
    const page = window;
    const types = Symbol.for("mixamo-privacy"); // no name that a script of the site may use
    try {
      page[types] ||= page.trustedTypes?.createPolicy("mixamo-privacy", { createHTML: String, createScriptURL: String });
      src = page[types]?.createScriptURL(src) ?? src;
    } catch {} // the page allows no such policy; it may have a default one
    const tag = Object.assign(document.createElement("script"), { nonce, src });
    tag.dataset.pageView = ""; // the tracker reports this view only now: if the answer never arrives, nothing is logged
    document.head.append(tag);
    return tag;
  };

  /** @param {string} message */
  const close = (message) => {
    /** @type {HTMLDialogElement | null} */ (document.querySelector(".mixamo-panel"))?.close(); // returns the focus to the banner
    const inside = banner.contains(document.activeElement);
    banner.remove(); // the observer then sets the height to 0
    if (inside) {
      // Return the focus to the earlier element, or move it to the start of the content.
      if (!before?.isConnected) (before = document.querySelector("main, h1") || document.body).tabIndex = -1;
      before.focus({ preventScroll: true });
    }
    status.textContent = message;
  };

  // A page that is shown again shows the banner again, although the visitor may have decided on another page since.
  const check = async () => {
    try {
      const { purposes } = await (await fetch(new URL("state.json", banner.action))).json();
      if (!busy && banner.isConnected && !Object.values(purposes).includes("unasked")) close("");
    } catch {}
  };

  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const opens = form === opener;
    if (framed || (!opens && !form.closest(".mixamo-ask, .mixamo-panel"))) return;
    // Not as an argument of FormData, which older browsers ignore.
    const body = new URLSearchParams(/** @type {any} */ (new FormData(form)));
    body.append("choice", /** @type {any} */ (event.submitter).value);
    event.preventDefault();
    event.stopImmediatePropagation(); // the site's other listeners, such as those of hx-boost, would send the form again
    if (busy) return;
    busy = !opens;
    /** @type {any} */
    let answer = {};
    try {
      if (opens) {
        load(/** @type {string} */ (form.dataset.dialog)).onerror = () => form.submit();
        return;
      }
      // The visitor may leave before the answer arrives; keepalive lets the browser still store its cookie.
      const response = await fetch(banner.action, {
        method: "POST",
        body,
        headers: { Accept: "application/json" },
        keepalive: true,
      });
      answer = await response.json();
      if (response.ok) {
        close(answer.message);
        // Load another page that contains the granted content or removes the withdrawn storage. A site's script that
        // does this itself calls preventDefault().
        const change = { detail: answer, cancelable: true };
        if (document.dispatchEvent(new CustomEvent("privacy:change", change)) && answer.go) location.href = answer.go;
        else if (answer.tracker && !document.querySelector(`[src="${answer.tracker}"]`)) load(answer.tracker);
        return;
      }
      if (response.status === 409) opener.submit(); // the banner's text has changed since; the settings have the current text
    } catch {
      if (opens) return form.submit();
      if (!banner.isConnected) return location.reload(); // the page lets no script in, but the server adds the tracker's tag
    }
    busy = false;
    /** @type {HTMLElement} */ (form.querySelector("[role=alert]")).textContent = answer.message || status.dataset.offline;
  };

  // If the banner is hidden, a policy that the site does not send itself has blocked the style in the page.
  if (sheet) sheet.disabled &&= banner.offsetHeight;
  addEventListener("submit", submit, options);
  addEventListener("focusin", remember, options);
  addEventListener("pageshow", ({ persisted }) => persisted && check(), options);
  // A library that replaces the body of a complete document may have taken it from its own cache.
  defer && document.readyState === "complete" && check();
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--privacy-height", banner.offsetHeight + "px");
    // A text that scrolls takes the focus, because the arrow keys scroll what has it. A site's template may have no text.
    if (text) text.tabIndex = -(text.scrollHeight <= text.clientHeight);
  }).observe(banner);
})();
