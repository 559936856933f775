// Line charts, one for each group of metrics, from one question to the history.

import { address, ask, Latest } from "./api.js";
import { VALUE_AXIS_PX } from "./axes.js";
import { MOST_CURVES, TimeChart } from "./chart.js";
import { onThemeChange } from "./dom.js";
import * as format from "./format.js";
import { prepare } from "./marks.js";
import * as timeline from "./timeline.js";

const MOST_POINTS = 1200;
const FLEET = "/api/history/fleet";
const SERIES = "/api/history/series";
const STATES = "/api/history/states";
const SOURCES = { raw: "samples", minute: "minutes", hour: "hours", day: "days" };

export class ChartsPane {
  // `what`: { groups(): [{ title, metrics, optional? }], nodes(): text or "" for the fleet,
  //   told?(number of nodes that are too many to draw each) }
  // `hidden`: see TimeChart.
  // `acts`: of the board. Elements within `root`: [data-charts], [data-states].
  constructor(root, what, acts, hidden) {
    this.root = root;
    this.what = what;
    this.acts = acts;
    this.hidden = hidden;
    this.host = root.querySelector("[data-charts]");
    this.states = root.querySelector("[data-states]");
    this.charts = new Map();
    this.marks = [];
    this.marksOf = null;
    this.latestMarks = new Latest();
    onThemeChange(() => requestAnimationFrame(() => this.repaint()));
  }

  get problem() {
    if (this.what.groups().length) return "";
    this.clear();
    return "Choose at least one metric.";
  }

  get isFleet() {
    return !this.what.nodes();
  }

  // Never more points than the widest chart has pixels.
  get points() {
    const widths = [...this.charts.values()].map((chart) => chart.width);
    const width = widths.length ? Math.max(...widths) : this.host.clientWidth || 600;
    return Math.max(60, Math.min(MOST_POINTS, width - VALUE_AXIS_PX));
  }

  // Where a metric has more curves than a chart can show, one of all together takes their place.
  async ask(range, signal) {
    const nodes = this.what.nodes();
    const metrics = [...new Set(this.what.groups().flatMap((group) => group.metrics))].join(",");
    const question = { nodes, metrics, from: range.from, to: range.to, points: this.points };
    if (!nodes) return ask(FLEET, question, signal);
    const body = await ask(SERIES, { ...question, curves: MOST_CURVES }, signal);
    const many = body.left_out.map((one) => one.metric);
    if (many.length) body.fleet = await ask(FLEET, { ...question, metrics: many.join(",") }, signal);
    if (this.states && !manyNodes(body)) {
      body.states = await ask(STATES, { nodes, from: body.from, to: body.to }, signal);
    }
    return body;
  }

  clear() {
    for (const wait of this.host.querySelectorAll(".chart--wait")) wait.remove();
    for (const chart of this.charts.values()) chart.destroy();
    this.charts.clear();
    if (this.states) this.states.hidden = true;
  }

  drop(title) {
    const chart = this.charts.get(title);
    if (chart) chart.destroy();
    this.charts.delete(title);
  }

  draw(body) {
    this.body = body;
    const from = Date.parse(body.from) / 1000;
    const to = Date.parse(body.to) / 1000;
    const groups = this.what.groups();
    const wanted = new Set(groups.map((group) => group.title));
    for (const title of [...this.charts.keys()]) if (!wanted.has(title)) this.drop(title);
    for (const group of groups) {
      const own = this.bodyOf(group);
      const found = own.series.filter((series) => group.metrics.includes(series.metric));
      const curves = own === body && !this.isFleet ? nodeCurves(found) : found.flatMap((series) => fleetCurves(series, manyOf(body, series.metric)));
      if (group.optional && !curves.some(isKnown)) {
        this.drop(group.title);
        continue;
      }
      const left = curves.length > MOST_CURVES ? `, ${curves.length - MOST_CURVES} of ${curves.length} curves left out: choose fewer nodes` : "";
      this.chart(group).show({
        curves: curves.slice(0, MOST_CURVES),
        times: own.times,
        stepS: own.step_s,
        unit: found.length ? found[0].unit : "",
        from,
        to,
        note: `per ${format.length(own.step_s)}, from ${SOURCES[own.resolution]}${left}`,
      });
    }
    for (const wait of this.host.querySelectorAll(".chart--wait")) wait.remove();
    this.order(groups);
    if (this.what.told) this.what.told(manyNodes(body));
    if (this.states) {
      if (body.states) timeline.show(this.states, body.states, from * 1000, to * 1000, VALUE_AXIS_PX);
      else this.states.hidden = true;
    }
    this.applyMarks();
    this.loadMarks();
  }

  // From which answer a group is drawn.
  bodyOf(group) {
    const { fleet, left_out: leftOut } = this.body;
    return fleet && leftOut.some((one) => group.metrics.includes(one.metric)) ? fleet : this.body;
  }

  chart(group) {
    if (!this.charts.has(group.title)) {
      const chart = new TimeChart(this.host, { title: group.title, csv: () => this.csv(group), on: this.acts, hidden: this.hidden, hasMarks: Boolean(this.root.dataset.marksUrl) });
      this.charts.set(group.title, chart);
    }
    return this.charts.get(group.title);
  }

  // In the order of the groups; an element that stands right is not moved, or it would lose focus.
  order(groups) {
    let next = this.host.firstElementChild;
    for (const group of groups) {
      const chart = this.charts.get(group.title);
      if (!chart) continue;
      if (chart.root === next) next = next.nextElementSibling;
      else this.host.insertBefore(chart.root, next);
    }
  }

  // What is seen: the same buckets, not the same question.
  csv(group) {
    const nodes = this.what.nodes();
    const own = this.bodyOf(group);
    const { from, to, step_s: step } = own;
    return address(nodes && own === this.body ? SERIES : FLEET, { nodes, metrics: group.metrics.join(","), from, to, step, format: "csv" });
  }

  // ---- marks -------------------------------------------------------------------

  // What was done and what happened; of the whole fleet only what was done, or it would be a crowd.
  async loadMarks() {
    const path = this.root.dataset.marksUrl;
    if (!path) return;
    const nodes = this.what.nodes();
    if (nodes !== this.marksOf) this.marks = [];
    this.marksOf = nodes;
    const kinds = nodes && !manyNodes(this.body) ? "" : "job,maintenance";
    const { from, to } = this.body;
    try {
      const body = await this.latestMarks.run((signal) => ask(path, { nodes, kinds, from, to }, signal));
      if (body === undefined) return;
      this.marks = prepare(body.marks);
      this.applyMarks();
    } catch (error) {
      if (error.status === undefined) throw error; // the charts stand without their marks
    }
  }

  applyMarks() {
    for (const chart of this.charts.values()) chart.setMarks(this.marks);
  }

  repaint() {
    for (const chart of this.charts.values()) chart.repaint();
  }
}

// How many curves one of all together stands for; null: it stands for the whole fleet.
function manyOf(body, metric) {
  const left = (body.left_out || []).find((one) => one.metric === metric);
  return left ? left.curves : null;
}

// How many nodes, where they are too many to be drawn one by one; else 0.
function manyNodes(body) {
  const left = (body.left_out || []).find((one) => one.subject_kind === "node");
  return left ? left.curves : 0;
}

// The curves that are put away, in the address: "CPU/node3" each.
export function readHidden(hidden, params) {
  hidden.clear();
  for (const name of params.getAll("hide")) hidden.add(name);
}

export function writeHidden(hidden, params) {
  for (const name of hidden) params.append("hide", name);
}

function isKnown(curve) {
  return curve.avg.some((mean) => mean !== null);
}

function partWords(series) {
  if (series.part === null) return [];
  return [series.subject_kind === "worker" ? `worker ${series.part}` : series.part_name || series.part];
}

// Named by what tells them apart: the node where there are several, the part, the metric.
function nodeCurves(found) {
  const several = new Set(found.map((series) => series.node_id)).size > 1;
  const metrics = new Set(found.map((series) => series.metric));
  return found.map((series) => {
    const words = [...(several ? [series.node] : []), ...partWords(series)];
    if (metrics.size > 1 || !words.length) words.push(series.name);
    const isFlat = series.min.every((low, i) => low === series.max[i]);
    return { label: words.join(" · "), avg: series.avg, min: isFlat ? null : series.min, max: isFlat ? null : series.max };
  });
}

function fleetCurves(series, many) {
  const whose = many ? format.plain(many) : "nodes";
  return [
    { label: `average of ${whose}; band: lowest to highest`, avg: series.avg, min: series.min, max: series.max },
    { label: `95th percentile of ${whose}`, avg: series.p95, min: null, max: null },
  ];
}
