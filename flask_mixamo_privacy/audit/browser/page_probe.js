// Returns what a page shows and stores, as plain values.
async ({ settings }) => {
  scrollTo({ top: 0, behavior: "instant" });
  const shown = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return width > 0 && height > 0 && getComputedStyle(element).visibility !== "hidden";
  };

  // Contrast of colours, by WCAG 2.
  const drawn = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas"); // also on an XML page, such as a sitemap
  const canvas = Object.assign(drawn, { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((part, at) => (part * a + below[at] * (255 - a)) / 255);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };

  const tabStops = [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")].filter(
    (element) => element.tabIndex >= 0 && !element.disabled && shown(element),
  );
  const button = (value) => {
    const found = document.querySelector(`form button[name=choice][value=${value}]`);
    if (!found || !shown(found)) return null;
    const { width, height, top, bottom } = found.getBoundingClientRect();
    const surface = behind(found);
    return {
      area: width * height,
      font: parseFloat(getComputedStyle(found).fontSize),
      contrast: contrast(over(rgba(getComputedStyle(found).color), surface), surface),
      fill: contrast(surface, behind(found.parentElement)),
      order: tabStops.indexOf(found),
      in_view: top < innerHeight && bottom > 0,
    };
  };

  // The notice is visible and read by screen readers: in the link's text or title, or in its description.
  const noticed = (link) => {
    const by = (link.getAttribute("aria-describedby") ?? "").split(/\s+/);
    const described = by.map((id) => document.getElementById(id)?.textContent ?? "").join("");
    const notice = link.classList.contains("mixamo-external") && link.querySelector("span")?.textContent.trim();
    return Boolean(notice || link.title.trim() || described.trim());
  };
  const externalLinks = [...document.querySelectorAll("a[href]")].filter((link) => /^https?:$/.test(link.protocol) && link.host !== location.host);
  const settingsLinks = [...document.querySelectorAll("a[href]")].filter((link) => link.host === location.host && link.pathname === settings);
  const ticked = [...document.querySelectorAll("input[type=checkbox]:is([checked], :checked)")].filter(({ name }) =>
    ["purpose", "privacy_opt_in"].includes(name),
  );
  // Requests that the recorder cannot observe, such as an icon in a headless browser.
  const linked = (rels) => [...document.querySelectorAll(`link:is(${rels})[href^=http i], link:is(${rels})[href^="//"]`)].map(({ href }) => href);

  // Text without the banner, which is there even on a page that is empty without JavaScript.
  const readable = () => {
    const asking = document.querySelector("form:has(button[name=choice])");
    return (document.body?.innerText.trim().length ?? 0) - (location.pathname === settings ? 0 : (asking?.innerText.trim().length ?? 0));
  };

  const keys = (kind) => {
    try {
      return Object.keys(window[kind + "Storage"]);
    } catch {
      return [];
    }
  };
  const listed = async (look) => {
    try {
      return await look();
    } catch {
      return []; // the interface is missing, for example without HTTPS
    }
  };
  return {
    text: readable(),
    settings_link: location.pathname === settings || settingsLinks.some(shown),
    external_links: externalLinks.map((link) => ({ href: link.href, rel: link.rel.split(/\s+/).filter(Boolean), noticed: noticed(link) })),
    own_links: [...document.querySelectorAll("a[href]")].filter((link) => link.host === location.host).map((link) => link.pathname + link.search),
    ticked: ticked.map(({ value }) => value),
    banner: location.pathname === settings ? null : { accept: button("accept_all"), reject: button("reject_all") },
    hints: linked("[rel~=preconnect i], [rel~=dns-prefetch i], [rel~=manifest i]"),
    icons: linked("[rel~=icon i]"),
    local: keys("local"),
    session: keys("session"),
    idb: await listed(async () => (await indexedDB.databases()).map(({ name }) => name)),
    cache: await listed(() => caches.keys()),
    worker: await listed(async () =>
      (await navigator.serviceWorker.getRegistrations()).map((one) => new URL((one.active ?? one.waiting ?? one.installing).scriptURL).pathname),
    ),
  };
}
