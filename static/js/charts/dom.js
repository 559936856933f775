// Small help with elements and colours. Text is always set as text.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) {
    if (given === undefined || given === null || given === false) continue;
    if (name === "class") element.className = given;
    else if (name === "text") element.textContent = given;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), given);
    else element.setAttribute(name, given === true ? "" : given);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What stands in `host` becomes `made`; a region that scrolls stays itself, where its reader is in it.
export function renew(host, made) {
  const old = host.firstElementChild;
  if (old) old.replaceChildren(...made.childNodes);
  else host.replaceChildren(made);
}

// Run what puts new links in the place of old ones: the one to the same page keeps the focus.
export function keepingFocus(host, run) {
  const held = host.contains(document.activeElement) && document.activeElement.pathname;
  run();
  const same = held && [...host.querySelectorAll("a")].find((link) => link.pathname === held);
  if (same) same.focus({ preventScroll: true });
}

// A colour of the design as the canvas wants it: light-dark() and var() resolved.
const probe = document.createElement("span");
probe.hidden = true;

export function colour(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = "";
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

export function faded(rgb, alpha) {
  const parts = rgb.match(/[\d.]+/g);
  return parts && parts.length >= 3 ? `rgba(${parts[0]}, ${parts[1]}, ${parts[2]}, ${alpha})` : rgb;
}

export function onThemeChange(run) {
  new MutationObserver(run).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", run);
}

// A <details> that hangs over the page: Escape and whatever happens outside close it.
export function overlay(details) {
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary").focus();
    event.stopPropagation();
  });
  for (const name of ["pointerdown", "focusin"]) {
    document.addEventListener(name, (event) => {
      if (details.open && !details.contains(event.target)) details.open = false;
    });
  }
}

export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
