// Where pages are the same for everybody: puts what this visitor is to see into the page at hand, and starts what may run.
(() => {
  const { head, body } = document;
  const template = document.createElement("template");
  template.innerHTML = "THE BANNER"; // the server's answer stands here
  for (const field of template.content.querySelectorAll("input")) {
    if (field.name === "next") field.value = location.pathname + location.search;
  }
  // A script that came as text does not run: each is put in once more.
  const scripts = [...template.content.querySelectorAll("script")].map((written) => {
    const script = document.createElement("script");
    script.src = /** @type {string} */ (written.getAttribute("src"));
    if (!("prerendering" in document && document.prerendering)) script.dataset.pageView = ""; // the server counted none
    written.remove();
    return script;
  });
  body.prepend(template.content);
  head.append(...scripts);
})();
