// Inserts this visitor's banner and tracker into a page that is the same for all visitors.
(() => {
  const { body } = document;
  const { isConnected, nonce } = /** @type {HTMLScriptElement} */ (document.currentScript);
  if (!isConnected) return; // a library replaced the body meanwhile
  const template = document.createElement("template");
  const innerHTML = "THE BANNER"; // the server puts the HTML here
  // Under Trusted Types, HTML and addresses of scripts come from a policy that the page allows. A document may create it once.
  /** @type {any} */
  const page = window;
  const key = Symbol.for("mixamo-privacy"); // no name that a script of the site may use
  try {
    page[key] ||= page.trustedTypes?.createPolicy("mixamo-privacy", { createHTML: String, createScriptURL: String });
  } catch {} // the page allows no such policy; it may have a default one
  const types = page[key];
  template.innerHTML = types ? types.createHTML(innerHTML) : innerHTML;
  for (const sheet of template.content.querySelectorAll("link")) sheet.nonce = nonce; // page.js knows no other response's
  for (const field of template.content.querySelectorAll("input")) {
    if (field.name === "next") field.value = location.pathname + location.search;
  }
  // Scripts inserted as HTML do not run, so replace each by a new element.
  const scripts = [...template.content.querySelectorAll("script")].map((written) => {
    const script = document.createElement("script");
    const src = written.getAttribute("src");
    script.src = types ? types.createScriptURL(src) : src;
    script.nonce = nonce;
    if (!("prerendering" in document && document.prerendering)) script.dataset.pageView = ""; // the server did not count this page view
    written.remove();
    return script;
  });
  // A library may have taken the body from its cache, with the banner of an earlier run.
  for (const earlier of document.querySelectorAll("#mixamo-place")) earlier.remove();
  body.prepend(template.content);
  body.append(...scripts); // not in the head, where a body that replaces this one would leave them
})();
