// Who has the most, or the least.

import { address, ask } from "./api.js";
import { keepingFocus, make, setText } from "./dom.js";
import * as format from "./format.js";
import { rowName } from "./heatmappane.js";

const NS = "http://www.w3.org/2000/svg";
const FIGURE = { average: "avg", maximum: "max", minimum: "min" };

function bar(share) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("class", "bar");
  svg.setAttribute("viewBox", "0 0 100 4");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS(NS, "rect");
  rect.setAttribute("width", Math.max(0, Math.min(100, share * 100)).toFixed(1));
  rect.setAttribute("height", "4");
  svg.append(rect);
  return svg;
}

export class TopPane {
  // `what`: { nodes(), metric(), by(), order(), limit() }
  constructor(root, what) {
    this.what = what;
    this.title = root.querySelector("[data-top-title]");
    this.lines = root.querySelector("[data-top-lines]");
    const csv = root.querySelector("[data-top-csv]");
    csv.addEventListener("click", () => csv.setAttribute("href", this.csv()));
  }

  get problem() {
    return this.what.metric() ? "" : "Choose a metric.";
  }

  question(from, to) {
    return { nodes: this.what.nodes(), metric: this.what.metric().key, from, to, by: this.what.by(), order: this.what.order(), limit: this.what.limit() };
  }

  ask(range, signal) {
    return ask("/api/history/top", this.question(range.from, range.to), signal);
  }

  csv() {
    return address("/api/history/top", { ...this.question(this.body.from, this.body.to), format: "csv" });
  }

  draw(body) {
    this.body = body;
    const by = this.what.by();
    const high = body.unit === "pct" ? 100 : Math.max(...body.subjects.map((one) => one[FIGURE[by]]), 0) || 1;
    setText(this.title, `${body.name}: ${this.what.order()} by ${by}`);
    const lines = body.subjects.map((one, i) => this.line(one, i + 1, one[FIGURE[by]] / high));
    if (!lines.length) lines.push(make("tr", {}, make("td", { colspan: "6", class: "muted", text: "Nothing was recorded in this range. Choose another one, or another metric." })));
    keepingFocus(this.lines, () => this.lines.replaceChildren(...lines));
  }

  line(one, rank, share) {
    const { from, to } = this.body;
    const name = make("bdi", { text: rowName(one) });
    const who = one.node_id === null ? name : make("a", { href: `${address(`/node/${one.node_id}`, { from, to })}#trends` }, name);
    const figures = ["avg", "min", "max"].map((key) => make("td", { class: "n", text: format.value(one[key], this.body.unit) }));
    return make("tr", {}, make("td", { class: "n", text: String(rank) }), make("th", { scope: "row" }, who), make("td", { class: "top__bar" }, bar(share)), ...figures);
  }
}
