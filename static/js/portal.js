// Live pages: fragments are polled, ages tick, state changes are announced.
// Everything on a page works without this file, only not live.
(function () {
  "use strict";

  const root = document.documentElement;
  const MAX_BACKOFF_MS = 30000;
  const HIDDEN_FACTOR = 10; // a hidden page asks ten times less often,
  const HIDDEN_STOP_MS = 600000; // and after ten minutes not at all
  const MAX_ANNOUNCED = 3;

  // The server's clock, so that ages do not depend on this machine's.
  const clockOffsetMs = Date.now() - Date.parse(root.dataset.now || new Date().toISOString());
  const serverNow = () => Date.now() - clockOffsetMs;

  // ---- ages and local times -------------------------------------------------

  // The same words as the `age` filter of the templates.
  function ageWords(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min";
    if (s < 86400) {
      const minutes = Math.floor((s % 3600) / 60);
      return Math.floor(s / 3600) + " h" + (minutes ? " " + String(minutes).padStart(2, "0") + " min" : "");
    }
    const hours = Math.floor((s % 86400) / 3600);
    return Math.floor(s / 86400) + " d" + (hours ? " " + hours + " h" : "");
  }

  function zoneOptions(options) {
    const zone = root.dataset.timeZone;
    return zone ? Object.assign({ timeZone: zone }, options) : options;
  }

  function makeFormat(options) {
    try {
      return new Intl.DateTimeFormat("en-GB", zoneOptions(options));
    } catch {
      return new Intl.DateTimeFormat("en-GB", options);
    }
  }

  const longTime = makeFormat({ dateStyle: "medium", timeStyle: "long" });

  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tick() {
    const now = serverNow();
    for (const element of document.querySelectorAll("time[data-age]")) {
      const seconds = (now - Date.parse(element.dateTime)) / 1000;
      setText(element, ageWords(seconds) + (element.dataset.age === "ago" ? " ago" : ""));
      const limit = Number(element.dataset.oldAfter);
      if (limit) {
        const old = seconds > limit;
        element.classList.toggle("is-old", old);
        const holder = element.closest("[data-stales]");
        if (!holder) continue;
        // What holds the age goes grey with it, or what it names: all cards with the last round.
        const named = holder.dataset.stales && document.querySelector(holder.dataset.stales);
        if (named) named.classList.toggle("is-stale", old);
        else if (old) holder.classList.add("is-stale");
      }
    }
  }

  function localise(within) {
    for (const element of within.querySelectorAll("time[datetime]")) {
      const instant = new Date(element.dateTime);
      if (Number.isNaN(instant.getTime())) continue;
      element.title = longTime.format(instant);
      if ("local" in element.dataset) setText(element, longTime.format(instant));
    }
  }

  // The fields of forms are in the same zone as all times: without a profile's, the browser's.
  function localiseForms() {
    if (root.dataset.timeZone) return;
    const zone = longTime.resolvedOptions().timeZone;
    const two = (number) => String(number).padStart(2, "0");
    for (const hidden of document.querySelectorAll("input[data-zone]")) {
      const form = hidden.form;
      const fields = [...form.querySelectorAll("input[type='datetime-local']")];
      if (fields.some((field) => field.value && !field.dataset.at)) continue;
      for (const field of fields) {
        if (!field.dataset.at) continue;
        const at = new Date(field.dataset.at);
        const day = at.getFullYear() + "-" + two(at.getMonth() + 1) + "-" + two(at.getDate());
        field.value = day + "T" + two(at.getHours()) + ":" + two(at.getMinutes());
      }
      hidden.value = zone;
      for (const name of form.querySelectorAll("[data-zone-name]")) setText(name, zone);
    }
  }

  // ---- the connection to the portal -----------------------------------------

  const lost = document.getElementById("lost");
  let leaving = false;
  window.addEventListener("pagehide", () => { leaving = true; });
  window.addEventListener("pageshow", () => { leaving = false; });

  function showLost(isLost) {
    if (lost && lost.hidden === isLost) lost.hidden = !isLost;
  }

  // ---- polling --------------------------------------------------------------

  const polled = new Map();
  let hiddenSince = document.hidden ? Date.now() : null;

  function delayOf(entry) {
    let delay = entry.everyMs;
    if (entry.failures) delay = Math.min(MAX_BACKOFF_MS, delay * 2 ** Math.min(entry.failures, 6));
    if (hiddenSince !== null) delay *= HIDDEN_FACTOR;
    return delay * (0.95 + Math.random() * 0.1); // many browsers must not ask in step
  }

  function schedule(entry, delay) {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => poll(entry), delay === undefined ? delayOf(entry) : delay);
  }

  function poll(entry) {
    if (!entry.element.isConnected) {
      polled.delete(entry.element);
      return;
    }
    const hiddenFor = hiddenSince === null ? 0 : Date.now() - hiddenSince;
    if (hiddenFor > HIDDEN_STOP_MS) return;
    if (!entry.asking) htmx.trigger(entry.element, "portal:poll");
    schedule(entry);
  }

  function watch(within) {
    for (const element of within.querySelectorAll("[data-live]")) {
      if (polled.has(element)) continue;
      const entry = { element, everyMs: Number(element.dataset.live) * 1000, failures: 0, asking: false };
      polled.set(element, entry);
      schedule(entry);
    }
  }

  document.addEventListener("visibilitychange", () => {
    hiddenSince = document.hidden ? Date.now() : null;
    for (const entry of polled.values()) schedule(entry, document.hidden ? undefined : 0);
  });
  window.addEventListener("online", () => {
    for (const entry of polled.values()) schedule(entry, 0);
  });

  // ---- what changed, in words, for those who do not see it --------------------

  function states() {
    const found = new Map();
    for (const element of document.querySelectorAll("[data-node]")) {
      found.set(element.dataset.node, { state: element.dataset.state, name: element.dataset.name });
    }
    return found;
  }

  function announce(before) {
    const changed = [];
    for (const [id, now] of states()) {
      const was = before.get(id);
      if (was && was.state !== now.state) changed.push("Node " + id + ", " + now.name + ": " + was.state + " to " + now.state);
    }
    const region = document.getElementById("announce");
    if (!changed.length || !region) return;
    region.textContent = changed.length > MAX_ANNOUNCED
      ? changed.length + " nodes changed their state"
      : changed.join(". ");
  }

  // ---- updates in place -------------------------------------------------------

  Idiomorph.defaults.callbacks = Object.assign({}, Idiomorph.defaults.callbacks, {
    // A live region inside another one has its own updates.
    beforeNodeMorphed: (old) => !(old.nodeType === Node.ELEMENT_NODE && old.matches("[data-live]")),
    // What the reader has folded or unfolded stays so.
    beforeAttributeUpdated: (name, element) => !(name === "open" && element.tagName === "DETAILS"),
  });

  // ---- htmx -----------------------------------------------------------------

  let statesBefore = new Map();

  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, parameters } = event.detail;
    for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
    if (!polled.has(elt)) return;
    const mark = elt.querySelector("[data-cursor]");
    if (!mark) return;
    parameters.cursor = mark.dataset.cursor;
    if (mark.dataset.page) parameters.page = mark.dataset.page;
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const entry = polled.get(event.detail.elt);
    if (entry) entry.asking = true;
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const entry = polled.get(event.detail.elt);
    const xhr = event.detail.xhr;
    if (entry) entry.asking = false;
    if (leaving || !xhr) return;
    if (entry && (xhr.status === 404 || xhr.status === 403)) {
      location.reload(); // its subject is gone, or no longer ours to see: the page says which
      return;
    }
    const failed = xhr.status === 0 || xhr.status >= 500;
    if (entry) {
      entry.failures = failed ? entry.failures + 1 : 0;
      if (failed) schedule(entry);
    }
    showLost(failed || [...polled.values()].some((other) => other.failures > 0));
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, pathInfo } = event.detail;
    const asked = new URL(pathInfo.requestPath, location.href).pathname;
    if (xhr.status === 401 || (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked)) {
      // The session ended, and the answer is the sign-in page: go there, and come back.
      event.detail.shouldSwap = false;
      location.reload();
      return;
    }
    statesBefore = states();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    if (target && target.dataset.stales === "") target.classList.remove("is-stale");
    localise(document);
    tick();
    watch(document);
    if (polled.has(event.detail.elt)) announce(statesBefore);
  });

  // ---- keyboard and theme -----------------------------------------------------

  function isTyping(element) {
    return element && (element.isContentEditable || /^(input|textarea|select)$/i.test(element.tagName));
  }

  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("[data-search]");
    if (event.key === "/" && search && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && event.target === search) {
      if (search.value) {
        search.value = "";
        search.dispatchEvent(new Event("input", { bubbles: true }));
      } else {
        search.blur();
      }
    }
  });

  const THEMES = ["system", "light", "dark"];

  function labelTheme(button) {
    button.setAttribute("aria-label", "Theme: " + root.dataset.theme + ". Change");
    button.title = "Theme: " + root.dataset.theme;
  }

  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    button.hidden = false;
    labelTheme(button);
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
      root.dataset.theme = next;
      labelTheme(button);
      try {
        localStorage.setItem("portal-theme", next);
        localStorage.setItem("portal-theme-over", root.dataset.accountTheme || "system");
      } catch {
        // Storage is forbidden: the choice lasts as long as this page.
      }
    });
  }

  for (const button of document.querySelectorAll("[data-fold]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      for (const part of document.querySelectorAll(button.dataset.fold)) part.open = button.dataset.open === "yes";
    });
  }

  // What another script has added to the page.
  document.addEventListener("portal:added", (event) => {
    localise(event.detail.element);
    localiseForms();
    tick();
  });

  localise(document);
  localiseForms();
  tick();
  watch(document);
  setInterval(tick, 1000);
})();
