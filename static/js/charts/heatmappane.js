// The fleet as a heatmap.

import { address, ask } from "./api.js";
import { make, renew, setText } from "./dom.js";
import * as format from "./format.js";
import { figuresOf } from "./summary.js";
import { Heatmap, sorted } from "./heatmap.js";

const HEATMAP = "/api/history/heatmap";
const MOST_COLUMNS = 300;
const PX_PER_COLUMN = 4;
const MOST_TABLE_ROWS = 200;

export class HeatmapPane {
  // `what`: { nodes(), metric(): { key, name, unit } or null, cell(), order() }
  constructor(root, what, acts) {
    this.what = what;
    this.host = root.querySelector("[data-heatmap]");
    this.title = root.querySelector("[data-heatmap-title]");
    this.note = root.querySelector("[data-heatmap-note]");
    this.tableHost = root.querySelector("[data-heatmap-table]");
    this.tableButton = root.querySelector("[data-heatmap-table-button]");
    this.map = new Heatmap(this.host, { on: { zoom: acts.zoom, open: (row) => this.open(row) } });
    this.tableButton.addEventListener("click", () => this.toggleTable());
    root.querySelector("[data-heatmap-png]").addEventListener("click", () => this.map.savePng("clio-heatmap.png"));
    const csv = root.querySelector("[data-heatmap-csv]");
    csv.addEventListener("click", () => csv.setAttribute("href", this.csv()));
  }

  get problem() {
    return this.what.metric() ? "" : "Choose a metric.";
  }

  // Of more nodes than one answer holds at that width, fewer columns.
  async ask(range, signal) {
    const points = Math.max(20, Math.min(MOST_COLUMNS, Math.floor((this.host.clientWidth || 800) / PX_PER_COLUMN)));
    const question = { nodes: this.what.nodes(), metric: this.what.metric().key, from: range.from, to: range.to, points };
    try {
      return await ask(HEATMAP, question, signal);
    } catch (error) {
      const { code, values, most } = error.body || {};
      const fewer = code === "too_much" ? Math.floor((points * most) / values) : 0;
      if (!fewer) throw error;
      return ask(HEATMAP, { ...question, points: fewer }, signal);
    }
  }

  draw(body) {
    this.body = body;
    const cell = this.what.cell();
    this.rows = sorted(body.rows, cell, this.what.order());
    setText(this.title, `${body.name}, ${cell === "max" ? "highest" : "average"} of each ${format.length(body.step_s)}`);
    const known = body.rows.some((row) => row.avg.some((mean) => mean !== null));
    setText(this.note, known ? `${format.plain(body.rows.length)} lines. Drag to zoom, press one to open its node.` : "Nothing was recorded in this range. Choose another one, or another metric.");
    this.map.show({ rows: this.rows, times: body.times, stepS: body.step_s, unit: body.unit, cell, title: body.name });
    if (!this.tableHost.hidden) this.fillTable();
  }

  open(row) {
    if (row.node_id === null) return;
    const { from, to } = this.body;
    location.assign(`${address(`/node/${row.node_id}`, { from, to })}#trends`);
  }

  csv() {
    const { from, to, step_s: step, metric } = this.body;
    return address(HEATMAP, { nodes: this.what.nodes(), metric, from, to, step, format: "csv" });
  }

  toggleTable() {
    const isOpen = this.tableHost.hidden;
    this.tableHost.hidden = !isOpen;
    this.tableButton.setAttribute("aria-expanded", String(isOpen));
    if (isOpen && this.body) this.fillTable();
    else this.tableHost.replaceChildren();
  }

  fillTable() {
    const { times, unit, step_s: stepS } = this.body;
    const head = make("tr", {}, ...["Node", "Average", "Lowest", "Highest", "Highest at", "Gaps"].map((text, i) => make("th", { scope: "col", class: i ? "n" : null, text })));
    const lines = this.rows.slice(0, MOST_TABLE_ROWS).map((row) => {
      const found = figuresOf({ avg: row.avg, max: row.max }, times);
      const figures = [found.avg, found.low, found.high].map((figure) => make("td", { class: "n", text: format.value(figure, unit) }));
      const when = found.highAt === null ? format.UNKNOWN : format.moment(found.highAt * 1000, stepS);
      return make("tr", {}, make("th", { scope: "row" }, make("bdi", { text: rowName(row) })), ...figures, make("td", { class: "n", text: when }), make("td", { class: "n", text: String(found.gaps) }));
    });
    const caption = make("caption", { class: "chart__caption", text: this.rows.length > MOST_TABLE_ROWS ? `The first ${MOST_TABLE_ROWS} of ${this.rows.length} lines; all are in the CSV` : "Each line over the whole range" });
    renew(this.tableHost, make("div", { class: "scroll chart__table", tabindex: "0", role: "region", "aria-label": "The heatmap as a table" }, make("table", { class: "table" }, caption, make("thead", {}, head), make("tbody", {}, ...lines))));
  }
}

export function rowName(row) {
  const parts = [row.node_id === null ? `${row.node} (left)` : `${row.node_id} · ${row.node}`];
  if (row.part !== null) parts.push(row.part_name || row.part);
  return parts.join(" · ");
}
