// Marks on the time axis: what was done to a node, and when.
//
// A mark: { at: ISO 8601, until: ISO 8601 or null, node_id: number or null (the whole cluster),
//           title: "Restart of node 3 by alice", status: "succeeded" | "failed" | "running" | …,
//           url: where it leads, or null }.
// Marks that would touch each other become one, which zooms in when pressed.

import * as format from "./format.js";
import { colour, make } from "./dom.js";

const TOUCH_PX = 22;
const STATUS_COLOURS = { succeeded: "--alive-solid", failed: "--down-solid", running: "--accent" };

export function prepare(marks) {
  return marks
    .map((mark) => ({ ...mark, atS: Date.parse(mark.at) / 1000, untilS: mark.until ? Date.parse(mark.until) / 1000 : null }))
    .filter((mark) => !Number.isNaN(mark.atS))
    .sort((one, other) => one.atS - other.atS);
}

// Marks of these nodes, and those of the whole cluster.
export function ofNodes(marks, nodeIds) {
  if (!nodeIds) return marks;
  return marks.filter((mark) => mark.node_id === null || mark.node_id === undefined || nodeIds.has(mark.node_id));
}

// Groups of marks closer than TOUCH_PX to their neighbour, with their place.
export function cluster(marks, place, width) {
  const groups = [];
  for (const mark of marks) {
    const x = place(mark.atS);
    if (x < 0 || x > width) continue;
    const last = groups[groups.length - 1];
    if (last && x - last.right < TOUCH_PX) {
      last.marks.push(mark);
      last.right = x;
    } else {
      groups.push({ marks: [mark], left: x, right: x });
    }
  }
  for (const group of groups) group.x = (group.left + group.right) / 2;
  return groups;
}

function statusOf(group) {
  const statuses = new Set(group.marks.map((mark) => mark.status));
  for (const status of ["failed", "running", "succeeded"]) if (statuses.has(status)) return status;
  return "other";
}

function element(group, onZoom) {
  const status = statusOf(group);
  const [first] = group.marks;
  if (group.marks.length === 1) {
    const text = `${first.title}, ${format.moment(first.atS * 1000)}${first.status ? ": " + first.status : ""}`;
    const attributes = { class: `mark mark--${status}`, title: text, "aria-label": text };
    return first.url ? make("a", { ...attributes, href: first.url }) : make("span", { ...attributes, role: "img" });
  }
  const last = group.marks[group.marks.length - 1];
  const text = `${group.marks.length} actions, ${format.span(first.atS * 1000, last.atS * 1000)}. Zoom in`;
  const pad = Math.max(30, (last.atS - first.atS) * 0.2);
  return make("button", {
    type: "button", class: `mark mark--many mark--${status}`, title: text, "aria-label": text,
    text: String(group.marks.length),
    onclick: () => onZoom((first.atS - pad) * 1000, (last.atS + pad) * 1000),
  });
}

// The strip above a plot. `u`: the uPlot.
export function strip(host, u, marks, onZoom) {
  const ratio = devicePixelRatio;
  const left = u.bbox.left / ratio;
  const groups = cluster(marks, (atS) => u.valToPos(atS, "x"), u.bbox.width / ratio);
  const made = groups.map((group) => {
    const one = element(group, onZoom);
    one.style.left = `${left + group.x}px`;
    return one;
  });
  host.hidden = !made.length;
  host.replaceChildren(...made);
}

// The lines in a plot, under the curves.
export function lines(u, marks) {
  const { ctx, bbox } = u;
  const groups = cluster(marks, (atS) => u.valToPos(atS, "x"), bbox.width / devicePixelRatio);
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const group of groups) {
    ctx.strokeStyle = colour(STATUS_COLOURS[statusOf(group)] || "--border-strong");
    const x = Math.round(bbox.left + group.x * devicePixelRatio) + 0.5;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
