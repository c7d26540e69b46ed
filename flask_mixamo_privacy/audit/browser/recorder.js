// Runs before any script of a page and of its frames: tells of whatever is stored, even if it is gone a moment later.
(() => {
  const tell = window.privacyAudit;
  if (!tell) return;

  const told = (kind, name, text = "") => {
    try {
      tell({ kind, name: String(name), text: String(text), at: location.href, origin: performance.timeOrigin }).catch(() => {});
    } catch {} // a page that is going away
  };

  const before = (prototype, name, look) => {
    const original = prototype?.[name];
    if (!original) return;
    prototype[name] = function (...values) {
      look(...values);
      return original.apply(this, values);
    };
  };

  const cookie = Object.getOwnPropertyDescriptor(Document.prototype, "cookie");
  Object.defineProperty(Document.prototype, "cookie", {
    ...cookie,
    set(text) {
      told("js", "", text);
      cookie.set.call(this, text);
    },
  });
  before(window.CookieStore?.prototype, "set", (first, value) => {
    const said = typeof first === "object" ? first : { name: first, value };
    const ends = said.expires ? "; Expires=" + new Date(Number(said.expires)).toUTCString() : "";
    told("js", "", `${said.name}=${said.value}; Path=${said.path ?? "/"}; Secure${ends}`);
  });

  // An entry may be set as a property, which no method sees: hence a proxy before each storage.
  const real = new WeakMap();
  for (const name of ["setItem", "getItem", "removeItem", "key", "clear"]) {
    const original = Storage.prototype[name];
    Storage.prototype[name] = function (...values) {
      const storage = real.get(this) ?? this;
      if (name === "setItem") told(storage === local() ? "local" : "session", values[0]);
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
        const storage = own.get.call(window); // throws where a browser forbids it, as it should
        proxy ??= new Proxy(storage, {
          get(target, key) {
            const value = Reflect.get(target, key);
            return typeof value === "function" ? value.bind(target) : value;
          },
          set(target, key, value) {
            told(kind, key);
            return Reflect.set(target, key, value);
          },
        });
        real.set(proxy, storage);
        return proxy;
      },
    });
  }

  // An event about a storage wants the real one.
  if (window.StorageEvent)
    window.StorageEvent = new Proxy(StorageEvent, {
      construct(target, [...values], as) {
        const area = real.get(values[1]?.storageArea);
        if (area) values[1] = { ...values[1], storageArea: area };
        return Reflect.construct(target, values, as);
      },
    });

  // Connections of which no browser tells as of a request.
  const opening = (name, addresses) => {
    if (!window[name]) return;
    window[name] = new Proxy(window[name], {
      construct(target, values, as) {
        const opened = Reflect.construct(target, values, as);
        for (const address of addresses(...values)) told("connect", address);
        return opened;
      },
    });
  };
  opening("WebTransport", (url) => [new URL(url, location.href).href]);
  opening("RTCPeerConnection", (said) =>
    (said?.iceServers ?? []).flatMap(({ urls }) => urls).map((url) => String(url).replace(/^(stun|turn)s?:/i, "https://")),
  );

  before(Navigator.prototype, "sendBeacon", (url) => told("beacon", new URL(url, location.href).href));
  before(window.IDBFactory?.prototype, "open", (name) => told("idb", name));
  before(window.CacheStorage?.prototype, "open", (name) => told("cache", name));
  before(window.ServiceWorkerContainer?.prototype, "register", (url) => told("worker", new URL(url, location.href).pathname));
  addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => told("blocked", blockedURI, effectiveDirective), true);
})();
