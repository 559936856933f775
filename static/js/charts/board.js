// What the charts of a page share: the range, the address, live updates, one question at a time.

import { Latest } from "./api.js";
import { setText } from "./dom.js";
import { Range } from "./range.js";
import { RangeBar } from "./rangebar.js";

const LIVE_SOONEST_MS = 5000;
const LIVE_LATEST_MS = 60000;

export class Board {
  // `view`: { pane(), write(params), read(params) }.
  // A pane: { ask(range, signal) → body with from, to, step_s; draw(body); repaint?() },
  // or with a `problem` in words when there is nothing to ask.
  constructor(root, { fallback, view }) {
    this.root = root;
    this.view = view;
    this.fallback = fallback;
    this.earlier = [];
    this.latest = new Latest();
    this.notice = root.querySelector("[data-notice]");
    this.body = null;
    this.readAddress();
    this.bar = new RangeBar(root.querySelector("[data-range]"), {
      range: this.range,
      on: { change: (range) => this.go(range), reset: () => this.reset(), live: (isOn) => this.setLive(isOn) },
    });
    document.addEventListener("visibilitychange", () => this.schedule(0));
    window.addEventListener("popstate", () => {
      this.readAddress();
      this.load();
    });
  }

  readAddress() {
    const params = new URLSearchParams(location.search);
    this.range = Range.read(params, this.fallback);
    this.isLive = params.get("live") !== "0";
    this.view.read(params);
  }

  // ---- where we are ------------------------------------------------------------

  go(range, { remember = true } = {}) {
    if (remember && !range.equals(this.range)) this.earlier.push(this.range);
    this.range = range;
    this.write(true);
    this.load();
  }

  reset() {
    this.earlier = [];
    this.isLive = true;
    this.go(new Range(this.fallback, "now"), { remember: false });
  }

  // Back to what was seen before the last zoom; without one, twice the time.
  out() {
    const before = this.earlier.pop();
    this.go(before || this.range.zoomed(2), { remember: false });
  }

  // What a chart may ask for.
  get acts() {
    return {
      zoom: (from, to) => this.go(Range.between(from, to)),
      pan: (share) => this.go(this.range.panned(share), { remember: false }),
      scale: (factor) => this.go(this.range.zoomed(factor)),
      out: () => this.out(),
      reset: () => this.reset(),
      note: () => this.write(false),
    };
  }

  setLive(isOn) {
    this.isLive = isOn;
    this.write(false);
    this.bar.show(this.range, this.isLive, this.shownEnds());
    this.schedule(0);
  }

  // The address holds everything, so that a link shows the same to a colleague.
  write(push) {
    const params = new URLSearchParams();
    this.view.write(params);
    if (this.range.from !== this.fallback || !this.range.isLive) {
      params.set("from", this.range.from);
      params.set("to", this.range.to);
    }
    if (!this.isLive) params.set("live", "0");
    const query = params.toString().replace(/%2C/g, ",").replace(/%3A/g, ":");
    const url = location.pathname + (query ? "?" + query : "") + location.hash;
    if (url === location.pathname + location.search + location.hash) return;
    history[push ? "pushState" : "replaceState"]({}, "", url);
  }

  changed() {
    this.write(true);
    this.load();
  }

  // ---- asking ------------------------------------------------------------------

  async load() {
    clearTimeout(this.timer);
    const pane = this.view.pane();
    this.bar.show(this.range, this.isLive);
    if (pane.problem) {
      this.say(pane.problem);
      return;
    }
    this.root.setAttribute("aria-busy", "true");
    try {
      const body = await this.latest.run((signal) => pane.ask(this.range, signal));
      if (body === undefined) return;
      this.say("");
      this.body = body;
      this.bar.show(this.range, this.isLive, this.shownEnds());
      pane.draw(body);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.say(error.message);
    }
    this.root.removeAttribute("aria-busy");
    this.schedule();
  }

  shownEnds() {
    return this.body ? [Date.parse(this.body.from), Date.parse(this.body.to)] : null;
  }

  schedule(delay) {
    clearTimeout(this.timer);
    if (!this.range.isLive || !this.isLive || document.hidden) return;
    const step = this.body && this.body.step_s ? this.body.step_s * 1000 : LIVE_LATEST_MS / 2;
    const wait = delay === undefined ? Math.min(Math.max(step, LIVE_SOONEST_MS), LIVE_LATEST_MS) : delay;
    this.timer = setTimeout(() => this.load(), wait);
  }

  say(text) {
    this.notice.hidden = !text;
    setText(this.notice, text);
    this.root.classList.toggle("is-stale", Boolean(text));
  }
}
