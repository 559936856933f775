// Nodes × time on a canvas: a thousand nodes at a glance, each with its own line of pixels.

import { colour, make, onThemeChange, save, setText } from "./dom.js";
import * as format from "./format.js";

const LABEL_PX = 132;
const AXIS_PX = 26;
const MOST_HEIGHT = 620;
const ROW_LOW = 2;
const ROW_HIGH = 24;
const NAMES_FROM_PX = 12;
const STOPS = 32;

// From calm to loud, told apart in grey and by colour-blind eyes as well.
const SCALE = [[13, 8, 135], [84, 2, 163], [139, 10, 165], [185, 50, 137], [219, 92, 104], [244, 136, 73], [254, 188, 43], [240, 249, 33]];

function scaleColours() {
  const found = [];
  for (let i = 0; i < STOPS; i += 1) {
    const place = (i / (STOPS - 1)) * (SCALE.length - 1);
    const low = Math.min(Math.floor(place), SCALE.length - 2);
    const part = place - low;
    found.push(SCALE[low].map((channel, at) => Math.round(channel + (SCALE[low + 1][at] - channel) * part)));
  }
  return found;
}

const COLOURS = scaleColours();

function top(rows, cell, unit) {
  if (unit === "pct") return 100;
  let high = 0;
  for (const row of rows) for (const figure of row[cell]) if (figure !== null && figure > high) high = figure;
  return high || 1;
}

export function sorted(rows, cell, order) {
  if (order === "id") return rows;
  const key = (row) => {
    const known = row[cell].filter((figure) => figure !== null);
    return known.length ? known.reduce((sum, figure) => sum + figure, 0) / known.length : -Infinity;
  };
  return rows.map((row) => [key(row), row]).sort((one, other) => other[0] - one[0]).map(([, row]) => row);
}

export class Heatmap {
  // `on`: { zoom(fromMs, toMs), open(row) }
  constructor(host, { on }) {
    this.on = on;
    this.cursor = { row: 0, column: 0 };
    this.canvas = make("canvas", { class: "heatmap__canvas" });
    this.box = make("div", { class: "heatmap__cursor", hidden: true });
    this.selection = make("div", { class: "heatmap__selection", hidden: true });
    this.field = make("div", { class: "heatmap__field", tabindex: "0", role: "application", "aria-roledescription": "heatmap" }, this.canvas, this.selection, this.box);
    this.tip = make("p", { class: "heatmap__tip num" });
    this.say = make("span", { class: "visually-hidden", "aria-live": "polite" });
    this.scale = make("div", { class: "heatmap__scale", "aria-hidden": "true" });
    this.scroller = make("div", { class: "heatmap__scroll" }, this.field);
    host.append(make("div", { class: "heatmap__foot" }, this.tip, this.scale), this.scroller, this.say);
    this.listen();
    new ResizeObserver(() => this.shown && this.draw()).observe(this.scroller);
    onThemeChange(() => requestAnimationFrame(() => this.shown && this.draw()));
  }

  // shown: { rows: [{ node_id, node, avg, max }], times, stepS, unit, cell: "avg" | "max", title }
  show(shown) {
    this.shown = shown;
    this.cursor.row = Math.min(this.cursor.row, Math.max(0, shown.rows.length - 1));
    this.cursor.column = Math.min(this.cursor.column, Math.max(0, shown.times.length - 1));
    const high = format.value(top(shown.rows, shown.cell, shown.unit), shown.unit);
    this.field.setAttribute("aria-label", `${shown.title}: ${shown.rows.length} lines, ${shown.times.length} columns of ${format.length(shown.stepS)}; from 0 to ${high}. Arrow keys move, Enter opens the node.`);
    this.draw();
  }

  get columns() {
    return this.shown.times.length;
  }

  draw() {
    const { rows, cell, unit } = this.shown;
    const ratio = devicePixelRatio;
    const width = Math.max(this.scroller.clientWidth, 280);
    this.labelPx = width < 520 ? 56 : LABEL_PX;
    this.rowPx = Math.max(ROW_LOW, Math.min(ROW_HIGH, Math.floor(MOST_HEIGHT / Math.max(rows.length, 1))));
    this.columnPx = (width - this.labelPx) / Math.max(this.columns, 1);
    const height = rows.length * this.rowPx + AXIS_PX;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const ctx = this.canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    ctx.fillStyle = colour("--surface-3");
    ctx.fillRect(this.labelPx, 0, width - this.labelPx, rows.length * this.rowPx);
    if (rows.length && this.columns) this.cells(ctx, top(rows, cell, unit));
    this.labels(ctx);
    this.times(ctx, rows.length * this.rowPx);
    this.drawScale(top(rows, cell, unit));
    this.point();
  }

  // One pixel a cell into a small picture, which the browser then enlarges at once.
  cells(ctx, high) {
    const { rows, cell } = this.shown;
    const small = document.createElement("canvas");
    small.width = this.columns;
    small.height = rows.length;
    const pixels = new ImageData(this.columns, rows.length);
    rows.forEach((row, y) => {
      const figures = row[cell];
      for (let x = 0; x < this.columns; x += 1) {
        const figure = figures[x];
        if (figure === null) continue;
        const stop = COLOURS[Math.max(0, Math.min(STOPS - 1, Math.floor((figure / high) * STOPS)))];
        const at = 4 * (y * this.columns + x);
        pixels.data[at] = stop[0];
        pixels.data[at + 1] = stop[1];
        pixels.data[at + 2] = stop[2];
        pixels.data[at + 3] = 255;
      }
    });
    small.getContext("2d").putImageData(pixels, 0, 0);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(small, this.labelPx, 0, this.columnPx * this.columns, this.rowPx * rows.length);
  }

  labels(ctx) {
    const { rows } = this.shown;
    ctx.fillStyle = colour("--text-2");
    ctx.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    const every = Math.max(1, Math.ceil(NAMES_FROM_PX / this.rowPx));
    for (let i = 0; i < rows.length; i += every) {
      const id = rows[i].node_id === null ? "–" : String(rows[i].node_id);
      const text = every > 1 || this.labelPx < LABEL_PX ? id : `${clipped(ctx, rows[i].node, LABEL_PX - 50)}  ${id}`;
      // The first is not cut off at the top.
      ctx.fillText(text, this.labelPx - 8, Math.max(i * this.rowPx + this.rowPx / 2, 6), this.labelPx - 10);
    }
  }

  times(ctx, y) {
    const { times, stepS } = this.shown;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    ctx.fillStyle = colour("--text-3");
    const every = Math.max(1, Math.ceil(110 / this.columnPx));
    for (let i = 0; i + every / 2 < times.length; i += every) {
      const x = this.labelPx + i * this.columnPx;
      ctx.fillRect(x, y, 1, 5);
      ctx.fillText(format.moment(times[i] * 1000, Math.max(stepS, 60)), x + 4, y + 6);
    }
  }

  drawScale(high) {
    const bars = COLOURS.filter((_, i) => i % 2 === 0).map((stop) => {
      const bar = make("i");
      bar.style.background = `rgb(${stop.join(", ")})`;
      return bar;
    });
    const unit = this.shown.unit;
    this.scale.replaceChildren(make("span", { text: format.value(0, unit) }), make("span", { class: "heatmap__bars" }, ...bars), make("span", { text: format.value(high, unit) }), make("i", { class: "heatmap__gap" }), make("span", { text: "not known" }));
  }

  // ---- where the reader points ---------------------------------------------------

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - this.labelPx) / this.columnPx);
    const row = Math.floor((event.clientY - box.top) / this.rowPx);
    if (row < 0 || row >= this.shown.rows.length) return null;
    return { row, column: Math.max(-1, Math.min(column, this.columns - 1)) };
  }

  words() {
    const { rows, times, stepS, unit, cell } = this.shown;
    const row = rows[this.cursor.row];
    if (!row) return "";
    const name = row.node_id === null ? `${row.node} (left the cluster)` : `node ${row.node_id}, ${row.node}`;
    const part = row.part_name ? ` · ${row.part_name}` : row.part !== null && row.part !== undefined ? ` · ${row.part}` : "";
    const figure = row[cell][this.cursor.column];
    return `${name}${part}, ${format.moment(times[this.cursor.column] * 1000, stepS)}: ${figure === null ? "not known" : format.value(figure, unit)}`;
  }

  point(isVisible = !this.box.hidden) {
    this.box.hidden = !isVisible;
    const { style } = this.box;
    style.left = `${this.labelPx + this.cursor.column * this.columnPx}px`;
    style.top = `${this.cursor.row * this.rowPx}px`;
    style.width = `${Math.max(this.columnPx, 3)}px`;
    style.height = `${Math.max(this.rowPx, 3)}px`;
  }

  listen() {
    let dragFrom = null;
    this.field.addEventListener("mousemove", (event) => {
      const at = this.shown && this.place(event);
      if (!at || at.column < 0) return;
      this.cursor = at;
      this.point(true);
      setText(this.tip, this.words());
      if (dragFrom !== null) this.select(dragFrom, at.column);
    });
    this.field.addEventListener("mouseleave", () => this.point(false));
    this.field.addEventListener("mousedown", (event) => {
      const at = this.shown && this.place(event);
      if (event.button === 0 && at && at.column >= 0) dragFrom = at.column;
    });
    document.addEventListener("mouseup", (event) => {
      if (dragFrom === null) return;
      const from = dragFrom;
      dragFrom = null;
      this.selection.hidden = true;
      const at = this.place(event) || this.cursor;
      if (Math.abs(at.column - from) >= 1) this.zoom(from, at.column);
      else if (this.field.contains(event.target)) this.on.open(this.shown.rows[at.row]);
    });
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("focus", () => this.shown && this.point(true));
    this.field.addEventListener("blur", () => this.point(false));
  }

  select(from, to) {
    const [low, high] = from < to ? [from, to] : [to, from];
    this.selection.hidden = false;
    this.selection.style.left = `${this.labelPx + low * this.columnPx}px`;
    this.selection.style.width = `${(high - low + 1) * this.columnPx}px`;
  }

  zoom(from, to) {
    const { times, stepS } = this.shown;
    const [low, high] = from < to ? [from, to] : [to, from];
    this.on.zoom(times[low] * 1000, (times[high] + stepS) * 1000);
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-10, 0], PageDown: [10, 0] };
    if (!this.shown || !this.shown.rows.length || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") {
      this.on.open(this.shown.rows[this.cursor.row]);
    } else if (moves[event.key]) {
      const [down, right] = moves[event.key];
      this.cursor = {
        row: Math.max(0, Math.min(this.cursor.row + down, this.shown.rows.length - 1)),
        column: Math.max(0, Math.min(this.cursor.column + right, this.columns - 1)),
      };
      this.point(true);
      this.box.scrollIntoView({ block: "nearest", inline: "nearest" });
      setText(this.tip, this.words());
      setText(this.say, this.words());
    } else {
      return;
    }
    event.preventDefault();
  }

  savePng(name) {
    const copy = document.createElement("canvas");
    copy.width = this.canvas.width;
    copy.height = this.canvas.height;
    const ctx = copy.getContext("2d");
    ctx.fillStyle = colour("--surface");
    ctx.fillRect(0, 0, copy.width, copy.height);
    ctx.drawImage(this.canvas, 0, 0);
    copy.toBlob((blob) => blob && save(blob, name), "image/png");
  }
}

function clipped(ctx, text, width) {
  if (ctx.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && ctx.measureText(text.slice(0, end) + "…").width > width) end -= 1;
  return text.slice(0, end) + "…";
}
