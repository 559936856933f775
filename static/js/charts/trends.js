// The page that compares nodes and metrics: curves, the fleet as a heatmap, top lists.

import { Board } from "./board.js";
import { ChartsPane, readHidden, writeHidden } from "./chartspane.js";
import { overlay, setText } from "./dom.js";
import * as format from "./format.js";
import { HeatmapPane } from "./heatmappane.js";
import { TopPane } from "./toppane.js";

const TYPING_MS = 500;

// The form's fields, in the address only where they differ from the default.
const FIELDS = { view: "compare", metric: "system.cpu_usage_pct", cell: "avg", sort: "id", by: "average", order: "highest", limit: "10" };
const METRICS = "system.cpu_usage_pct,system.ram_usage_pct";

class Choice {
  constructor(form) {
    this.form = form;
    this.boxes = [...form.querySelectorAll("input[name='metrics']")];
  }

  field(name) {
    const found = this.form.elements[name];
    return found instanceof RadioNodeList ? found.value : found.value.trim();
  }

  get nodes() {
    return this.field("nodes");
  }

  get chosen() {
    return this.boxes.filter((box) => box.checked);
  }

  get metric() {
    const option = this.form.elements.metric.selectedOptions[0];
    return option ? { key: option.value, name: option.textContent, unit: option.dataset.unit } : null;
  }

  read(params) {
    this.form.elements.nodes.value = params.get("nodes") || "";
    const metrics = new Set((params.get("metrics") ?? METRICS).split(","));
    for (const box of this.boxes) box.checked = metrics.has(box.value);
    for (const [name, fallback] of Object.entries(FIELDS)) this.set(name, params.get(name) || fallback, fallback);
  }

  // Of a value that does not exist, the default comes.
  set(name, value, fallback) {
    const field = this.form.elements[name];
    field.value = value;
    if (field.value !== value) field.value = fallback;
  }

  write(params) {
    if (this.nodes) params.set("nodes", this.nodes);
    const metrics = this.chosen.map((box) => box.value).join(",");
    if (metrics !== METRICS) params.set("metrics", metrics);
    for (const [name, fallback] of Object.entries(FIELDS)) {
      if (this.field(name) !== fallback) params.set(name, this.field(name));
    }
  }

  // Only what the chosen view uses is shown.
  show(root) {
    const view = this.field("view");
    for (const part of root.querySelectorAll("[data-view]")) part.hidden = !part.dataset.view.split(" ").includes(view);
    const count = this.form.querySelector("[data-metrics-count]");
    count.textContent = String(this.chosen.length);
    root.querySelector("[data-fleet-note]").hidden = Boolean(this.nodes);
    root.querySelector("[data-few-note]").hidden = !this.nodes;
    if (!this.nodes) root.querySelector("[data-many-note]").hidden = true;
  }

  // The same metric in another view.
  look(view) {
    const [first] = this.chosen;
    if (first) this.form.elements.metric.value = first.value;
    this.form.elements.view.value = view;
  }
}

function start(root) {
  const form = root.querySelector("[data-choice]");
  const choice = new Choice(form);
  let panes = null;
  const hidden = new Set();
  const board = new Board(root, {
    fallback: "-1h",
    view: {
      pane: () => panes[choice.field("view")],
      read: (params) => {
        choice.read(params);
        readHidden(hidden, params);
        choice.show(root);
      },
      write: (params) => {
        choice.write(params);
        writeHidden(hidden, params);
      },
    },
  });
  const nodes = () => choice.nodes;
  const told = (many) => {
    root.querySelector("[data-many-note]").hidden = !many;
    root.querySelector("[data-few-note]").hidden = Boolean(many) || !choice.nodes;
    setText(root.querySelector("[data-many-count]"), format.plain(many));
  };
  panes = {
    compare: new ChartsPane(root, { nodes, told, groups: () => choice.chosen.map((box) => ({ title: box.dataset.title, metrics: [box.value] })) }, board.acts, hidden),
    heatmap: new HeatmapPane(root, { nodes, metric: () => choice.metric, cell: () => choice.field("cell"), order: () => choice.field("sort") }, board.acts),
    top: new TopPane(root, { nodes, metric: () => choice.metric, by: () => choice.field("by"), order: () => choice.field("order"), limit: () => choice.field("limit") }),
  };
  overlay(root.querySelector(".choice__metrics"));
  let typing;
  const change = () => {
    choice.show(root);
    board.changed();
  };
  for (const button of root.querySelectorAll("[data-many-view]")) {
    button.addEventListener("click", () => {
      choice.look(button.dataset.manyView);
      change();
    });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    change();
  });
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(change, event.target.name === "nodes" ? TYPING_MS : 0);
  });
  board.load();
}

for (const root of document.querySelectorAll("[data-trends]")) start(root);
