// Inserts this visitor's banner and tracker into a page that is the same for all visitors.
(() => {
  const { head, body } = document;
  const template = document.createElement("template");
  template.innerHTML = "THE BANNER"; // the server puts the HTML here
  for (const field of template.content.querySelectorAll("input")) {
    if (field.name === "next") field.value = location.pathname + location.search;
  }
  // Scripts inserted as HTML do not run, so replace each by a new element.
  const scripts = [...template.content.querySelectorAll("script")].map((written) => {
    const script = document.createElement("script");
    script.src = /** @type {string} */ (written.getAttribute("src"));
    if (!("prerendering" in document && document.prerendering)) script.dataset.pageView = ""; // the server did not count this page view
    written.remove();
    return script;
  });
  body.prepend(template.content);
  head.append(...scripts);
})();
