// One chart: lines with a band from lowest to highest, gaps left open, linked to its neighbours.

import { axesOf, tzDate, valueRange } from "./axes.js";
import { colour, faded, make, renew, setText } from "./dom.js";
import * as format from "./format.js";
import * as marks from "./marks.js";
import { savePng } from "./png.js";
import { table, words } from "./summary.js";

const COLOURS = 8;
const DASHES = [[], [6, 3], [2, 3]];
const MOST_BANDS = 4;
const LIVE_MS = 120000;
const SYNC = "portal-time";
export const MOST_CURVES = COLOURS * DASHES.length;

// Points that no line reaches, because both their neighbours are unknown.
function lonely(u, index) {
  const values = u.data[index];
  const found = [];
  for (let i = 0; i < values.length; i += 1) {
    if (values[i] !== null && (i === 0 || values[i - 1] === null) && (i === values.length - 1 || values[i + 1] === null)) found.push(i);
  }
  return found;
}

export class TimeChart {
  // `on`: { zoom(fromMs, toMs), pan(share), reset(), out(), note() }; `csv()`: address of the same
  // as a table; `hasMarks`: room is kept for marks, so that nothing moves when they come;
  // `hidden`: names of the curves that are put away, of all charts, `note()` told of each change.
  constructor(host, { title, on, csv, hidden, hasMarks = false, height = 200 }) {
    this.title = title;
    this.on = on;
    this.height = height;
    this.shown = null;
    this.marks = [];
    this.hidden = hidden;
    this.plotHeight = height;
    this.build(host, csv, hasMarks);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.plot);
  }

  build(host, csv, hasMarks) {
    const title = make("h3", { class: "chart__title", text: this.title });
    this.note = make("span", { class: "chart__note num" });
    this.tableButton = make("button", { type: "button", class: "button button--quiet button--small", "aria-expanded": "false", text: "Table", onclick: () => this.toggleTable() });
    const csvLink = make("a", { class: "button button--quiet button--small", href: "#", text: "CSV", title: "What is seen, as CSV", onclick: (event) => event.currentTarget.setAttribute("href", csv()) });
    const png = make("button", { type: "button", class: "button button--quiet button--small", text: "PNG", title: "What is seen, as a picture", onclick: () => this.savePng() });
    this.markStrip = make("div", { class: "chart__marks", hidden: !hasMarks });
    this.plot = make("div", { class: "chart__plot", tabindex: "0", role: "group", onkeydown: (event) => this.key(event) });
    this.empty = make("p", { class: "chart__empty", hidden: true });
    this.legend = make("div", { class: "chart__legend" });
    this.say = make("span", { class: "visually-hidden", "aria-live": "polite" });
    this.tableHost = make("div", { hidden: true });
    this.root = make(
      "section", { class: "chart", "aria-label": this.title },
      make("div", { class: "chart__head" }, title, this.note, make("div", { class: "chart__acts" }, this.tableButton, csvLink, png)),
      this.markStrip, this.plot, this.empty,
      make("div", { class: "chart__foot" }, this.legend), this.say, this.tableHost,
    );
    host.append(this.root);
  }

  get width() {
    return Math.max(240, Math.floor(this.plot.clientWidth));
  }

  // shown: { curves: [{ label, avg, min?, max?, nodeId? }], times, stepS, unit, from, to (Unix s), note }
  show(shown) {
    const before = this.shown;
    this.shown = shown;
    const same = before && this.u && this.drawnHidden === this.hiddenHere(shown) && before.unit === shown.unit && before.curves.length === shown.curves.length
      && before.curves.every((curve, i) => curve.label === shown.curves[i].label && !curve.min === !shown.curves[i].min);
    const known = shown.curves.some((curve) => curve.avg.some((mean) => mean !== null));
    this.empty.hidden = known;
    // Of the present, more may come; of the past it will not.
    const goesOn = shown.to * 1000 > Date.now() - LIVE_MS;
    setText(this.empty, known ? "" : `Nothing was recorded in this range. ${goesOn ? "New figures appear by themselves; or choose a longer one." : "Choose another one."}`);
    if (same) this.u.setData(this.columns());
    else this.rebuild();
    this.plot.setAttribute("aria-label", words(this.title, shown) + " Arrow keys read values, plus and minus zoom, shift and arrows pan, Escape resets.");
    if (!this.tableHost.hidden) this.fillTable();
    this.readout(null);
  }

  isHidden(label) {
    return this.hidden.has(`${this.title}/${label}`);
  }

  hiddenHere({ curves }) {
    return curves.map((curve) => (this.isHidden(curve.label) ? "1" : "0")).join("");
  }

  setMarks(list) {
    this.marks = list;
    if (this.u) this.u.redraw(false);
  }

  // ---- uPlot -----------------------------------------------------------------

  get hasBands() {
    return this.shown.curves.length <= MOST_BANDS && this.shown.curves.some((curve) => curve.min);
  }

  columns() {
    const { times, stepS, curves } = this.shown;
    const rows = [times.map((time) => time + stepS / 2)];
    for (const curve of curves) {
      rows.push(curve.avg);
      if (this.hasBands) rows.push(curve.min || curve.avg, curve.max || curve.avg);
    }
    return rows;
  }

  look(i) {
    return { stroke: colour(`--series-${(i % COLOURS) + 1}`), dash: DASHES[Math.floor(i / COLOURS) % DASHES.length] };
  }

  rebuild() {
    if (this.u) this.u.destroy();
    const { curves, unit } = this.shown;
    const series = [{}];
    const bands = [];
    this.placeOf = [];
    curves.forEach((curve, i) => {
      const { stroke, dash } = this.look(i);
      const show = !this.isHidden(curve.label);
      this.placeOf.push(series.length);
      series.push({ label: curve.label, stroke, dash, width: 1.5, show, spanGaps: false, points: { show: true, size: 4, fill: stroke, filter: lonely } });
      if (this.hasBands) {
        const edge = { stroke: "transparent", width: 0, show, spanGaps: false, points: { show: false } };
        series.push({ ...edge }, { ...edge });
        bands.push({ series: [series.length - 1, series.length - 2], fill: faded(stroke, 0.18) });
      }
    });
    const options = {
      width: this.width,
      height: this.plotHeight,
      tzDate,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      series,
      bands,
      axes: axesOf(unit),
      scales: { x: { time: true, range: () => [this.shown.from, this.shown.to] }, y: { range: valueRange(unit) } },
      cursor: {
        sync: { key: SYNC, scales: ["x", null], setSeries: false },
        drag: { x: true, y: false, setScale: false },
        points: { show: (u, index) => this.cursorPoint(u, index) },
        bind: { mousedown: (u, target, handler) => (event) => this.pressed(u, event, handler), dblclick: () => () => this.on.out() },
      },
      hooks: {
        setSelect: [(u) => this.selected(u)],
        setCursor: [(u) => this.readout(u.cursor.idx)],
        drawAxes: [(u) => marks.lines(u, this.marks)],
        draw: [(u) => marks.strip(this.markStrip, u, this.marks, this.on.zoom)],
      },
    };
    this.u = new uPlot(options, this.columns(), this.plot);
    this.drawnHidden = this.hiddenHere(this.shown);
    this.fillLegend();
  }

  cursorPoint(u, index) {
    if (!this.placeOf.includes(index)) return false;
    const point = make("div", { class: "chart__point" });
    point.style.background = u.series[index].stroke(u, index);
    return point;
  }

  pressed(u, event, handler) {
    if (event.button !== 0) return;
    if (!event.shiftKey) {
      handler(event);
      return;
    }
    const startX = event.clientX;
    const { from, to } = this.shown;
    const perPx = (to - from) / (u.bbox.width / devicePixelRatio);
    const move = (moved) => {
      const by = (startX - moved.clientX) * perPx;
      this.shown.from = from + by;
      this.shown.to = to + by;
      u.setScale("x", { min: this.shown.from, max: this.shown.to });
    };
    const up = (released) => {
      document.removeEventListener("mousemove", move);
      document.removeEventListener("mouseup", up);
      const by = (startX - released.clientX) * perPx;
      if (by) this.on.pan(by / (to - from));
    };
    document.addEventListener("mousemove", move);
    document.addEventListener("mouseup", up);
  }

  selected(u) {
    const { left, width } = u.select;
    if (width < 5) return;
    const from = u.posToVal(left, "x") * 1000;
    const to = u.posToVal(left + width, "x") * 1000;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.on.zoom(from, to);
  }

  resize() {
    if (this.u && this.u.width !== this.width) this.u.setSize({ width: this.width, height: this.plotHeight });
  }

  repaint() {
    if (this.shown) this.rebuild();
  }

  destroy() {
    this.observer.disconnect();
    if (this.u) this.u.destroy();
    this.root.remove();
  }

  // ---- legend and reading ----------------------------------------------------

  fillLegend() {
    this.legendValues = [];
    this.legend.replaceChildren(...this.shown.curves.map((curve, i) => {
      const figure = make("b", { class: "num" });
      this.legendValues.push(figure);
      const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
      const { stroke, dash } = this.look(i);
      swatch.style.borderTopColor = stroke;
      swatch.style.borderTopStyle = dash.length ? (dash[0] > 4 ? "dashed" : "dotted") : "solid";
      return make("button", {
        type: "button", class: "legend", "aria-pressed": String(!this.isHidden(curve.label)),
        title: "Show or hide", onclick: (event) => this.toggleCurve(i, event.currentTarget),
      }, swatch, make("bdi", { class: "truncate", text: curve.label }), figure);
    }));
  }

  toggleCurve(i, button) {
    const { label } = this.shown.curves[i];
    const show = this.isHidden(label);
    this.hidden[show ? "delete" : "add"](`${this.title}/${label}`);
    this.drawnHidden = this.hiddenHere(this.shown);
    this.on.note();
    button.setAttribute("aria-pressed", String(show));
    const place = this.placeOf[i];
    for (let at = place; at < place + (this.hasBands ? 3 : 1); at += 1) this.u.setSeries(at, { show });
  }

  // The values at a bucket, or the newest ones.
  readout(index) {
    const { curves, times, stepS, unit } = this.shown;
    if (!this.legendValues) return;
    const at = index === null || index === undefined ? null : index;
    curves.forEach((curve, i) => {
      let place = at;
      if (place === null) {
        place = times.length - 1;
        while (place > 0 && curve.avg[place] === null) place -= 1;
      }
      let text = format.value(curve.avg[place], unit);
      // Of one curve only: a legend that grows onto another line would move what is below.
      if (at !== null && curves.length === 1 && curve.min && curve.avg[place] !== null && curve.min[place] !== curve.max[place]) {
        text += ` (${format.value(curve.min[place], unit)} – ${format.value(curve.max[place], unit)})`;
      }
      setText(this.legendValues[i], text);
    });
    setText(this.note, at === null ? this.shown.note : format.moment(times[at] * 1000, stepS) + (stepS > 1 ? `, ${format.length(stepS)}` : ""));
    this.note.classList.toggle("is-reading", at !== null);
  }

  key(event) {
    const acts = { "+": () => this.on.scale(0.5), "=": () => this.on.scale(0.5), "-": () => this.on.scale(2), Escape: () => this.on.reset() };
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !this.shown) return;
    if (direction && event.shiftKey) this.on.pan(direction * 0.25);
    else if (direction) this.step(direction);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  }

  step(direction) {
    const { times, stepS, curves } = this.shown;
    if (!times.length) return;
    const now = this.u.cursor.idx;
    const known = (i) => curves.some((curve) => curve.avg[i] !== null);
    let index = now === null || now === undefined ? (direction > 0 ? 0 : times.length - 1) : now + direction;
    // The first step leads to where something is known, not into what has not come yet.
    if (now === null || now === undefined) while (index > 0 && index < times.length - 1 + (direction < 0) && !known(index)) index += direction;
    index = Math.min(Math.max(index, 0), times.length - 1);
    const left = this.u.valToPos(times[index] + stepS / 2, "x");
    this.u.setCursor({ left, top: this.u.bbox.height / devicePixelRatio / 2 }, true, true);
    this.readout(index);
    const said = curves.slice(0, 6).map((curve, i) => `${curve.label} ${this.legendValues[i].textContent}`);
    setText(this.say, `${format.moment(times[index] * 1000, stepS)}: ${said.join(", ")}`);
  }

  toggleTable() {
    const open = this.tableHost.hidden;
    this.tableHost.hidden = !open;
    this.tableButton.setAttribute("aria-expanded", String(open));
    if (open && this.shown) this.fillTable();
    else this.tableHost.replaceChildren();
  }

  fillTable() {
    renew(this.tableHost, table(this.title, this.shown));
  }

  savePng() {
    if (!this.u) return;
    const { curves, from, to, stepS } = this.shown;
    const entries = curves.map((curve, i) => ({ label: curve.label, colour: this.look(i).stroke, hidden: this.isHidden(curve.label) })).filter((entry) => !entry.hidden);
    savePng(this.u.ctx.canvas, { title: this.title, note: `${format.span(from * 1000, to * 1000)} (${format.zone}), per ${format.length(stepS)}`, entries, signs: marks.signs(this.u, this.marks) });
  }
}
