// Runs before any script of a page and its frames. Reports each stored item, also if it is deleted at once.
(() => {
  const send = window.privacyAudit;
  if (!send) return;

  const report = (kind, name, text = "") => {
    try {
      send({ kind, name: String(name), text: String(text), at: location.href, origin: performance.timeOrigin }).catch(() => {});
    } catch {} // the page is being unloaded
  };

  const before = (prototype, name, observe) => {
    const original = prototype?.[name];
    if (!original) return;
    prototype[name] = function (...values) {
      observe(...values);
      return original.apply(this, values);
    };
  };

  const cookie = Object.getOwnPropertyDescriptor(Document.prototype, "cookie");
  Object.defineProperty(Document.prototype, "cookie", {
    ...cookie,
    set(text) {
      report("js", "", text);
      cookie.set.call(this, text);
    },
  });
  before(window.CookieStore?.prototype, "set", (first, value) => {
    const options = typeof first === "object" ? first : { name: first, value };
    const ends = options.expires ? "; Expires=" + new Date(Number(options.expires)).toUTCString() : "";
    report("js", "", `${options.name}=${options.value}; Path=${options.path ?? "/"}; Secure${ends}`);
  });

  // An entry can be set as a property, without a method call, so a proxy replaces each storage.
  const real = new WeakMap();
  for (const name of ["setItem", "getItem", "removeItem", "key", "clear"]) {
    const original = Storage.prototype[name];
    Storage.prototype[name] = function (...values) {
      const storage = real.get(this) ?? this;
      if (name === "setItem") report(storage === local() ? "local" : "session", values[0]);
      return original.apply(storage, values);
    };
  }
  let local = () => null;
  for (const kind of ["local", "session"]) {
    const own = Object.getOwnPropertyDescriptor(window, kind + "Storage");
    if (kind === "local") local = () => own.get.call(window);
    let proxy;
    Object.defineProperty(window, kind + "Storage", {
      ...own,
      get() {
        const storage = own.get.call(window); // throws if the browser forbids storage, as without the proxy
        proxy ??= new Proxy(storage, {
          get(target, key) {
            const value = Reflect.get(target, key);
            return typeof value === "function" ? value.bind(target) : value;
          },
          set(target, key, value) {
            report(kind, key);
            return Reflect.set(target, key, value);
          },
        });
        real.set(proxy, storage);
        return proxy;
      },
    });
  }

  // A StorageEvent accepts only the real storage, not the proxy.
  if (window.StorageEvent)
    window.StorageEvent = new Proxy(StorageEvent, {
      construct(target, [...values], as) {
        const area = real.get(values[1]?.storageArea);
        if (area) values[1] = { ...values[1], storageArea: area };
        return Reflect.construct(target, values, as);
      },
    });

  // Connections that browsers do not report as requests.
  const opening = (name, addresses) => {
    if (!window[name]) return;
    window[name] = new Proxy(window[name], {
      construct(target, values, as) {
        const opened = Reflect.construct(target, values, as);
        for (const address of addresses(...values)) report("connect", address);
        return opened;
      },
    });
  };
  opening("WebTransport", (url) => [new URL(url, location.href).href]);
  opening("RTCPeerConnection", (options) =>
    (options?.iceServers ?? []).flatMap(({ urls }) => urls).map((url) => String(url).replace(/^(stun|turn)s?:/i, "https://")),
  );

  before(Navigator.prototype, "sendBeacon", (url) => report("beacon", new URL(url, location.href).href));
  before(window.IDBFactory?.prototype, "open", (name) => report("idb", name));
  before(window.CacheStorage?.prototype, "open", (name) => report("cache", name));
  before(window.ServiceWorkerContainer?.prototype, "register", (url) => report("worker", new URL(url, location.href).pathname));
  addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => report("blocked", blockedURI, effectiveDirective), true);
})();
