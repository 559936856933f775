// The bar that chooses the range: presets, free range, pan, zoom, live, reset.

import * as format from "./format.js";
import { Range } from "./range.js";
import { overlay, setText } from "./dom.js";

export class RangeBar {
  // `on`: { change(range), reset(), back(), live(isOn) }
  constructor(root, { range, on }) {
    this.root = root;
    this.on = on;
    this.part = (name) => root.querySelector(`[data-range-${name}]`);
    for (const button of root.querySelectorAll("[data-preset]")) {
      button.addEventListener("click", () => on.change(new Range(button.dataset.preset, "now")));
    }
    this.listen("earlier", () => on.change(this.range.panned(-0.5)));
    this.listen("later", () => on.change(this.range.panned(0.5)));
    this.listen("out", () => on.change(this.range.zoomed(2)));
    this.listen("in", () => on.change(this.range.zoomed(0.5)));
    this.listen("reset", () => on.reset());
    this.listen("live", (event) => on.live(event.currentTarget.getAttribute("aria-pressed") !== "true"));
    this.part("free").addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    overlay(this.part("menu"));
    this.show(range, true);
  }

  listen(name, run) {
    this.part(name).addEventListener("click", run);
  }

  apply() {
    const from = format.fromField(this.part("from").value);
    const to = format.fromField(this.part("to").value);
    const wrong = this.part("problem");
    if (from === null || to === null || to <= from) {
      wrong.hidden = false;
      setText(wrong, from === null || to === null ? "Give both a start and an end." : "The start must be before the end.");
      return;
    }
    wrong.hidden = true;
    this.part("menu").open = false;
    this.on.change(Range.between(from, to));
  }

  show(range, isLive, shown = null) {
    this.range = range;
    for (const button of this.root.querySelectorAll("[data-preset]")) {
      const chosen = range.isLive && button.dataset.preset === range.from;
      button.setAttribute("aria-pressed", String(chosen));
    }
    const [from, to] = shown || range.ends(Date.now());
    setText(this.part("words"), format.span(from, to));
    if (!this.part("menu").open) {
      this.part("from").value = format.toField(from);
      this.part("to").value = format.toField(to);
    }
    const live = this.part("live");
    live.disabled = !range.isLive;
    live.setAttribute("aria-pressed", String(range.isLive && isLive));
    this.part("later").disabled = range.isLive;
    setText(this.part("zone"), format.zone);
  }
}
