// Marks on the time axis: what was done to a node and what happened to it, and when.
//
// A mark is one of /api/history/marks: kind, at, until, node, action, title, status, by, reason,
// outcome, url. Marks that would touch each other become one, which zooms in when pressed.

import * as format from "./format.js";
import { colour, faded, make } from "./dom.js";

const TOUCH_PX = 20;
const TIP_PX = 272;
const MOST_TOLD = 6;
const MOST_SPANS = 40;
const SHORTEST_SPAN_PX = 3;
// Worst first: the colour of several is that of the worst of them.
const TONES = ["bad", "wait", "busy", "good", "calm"];
const TONE_OF = { succeeded: "good", alive: "good", running: "busy", queued: "busy", active: "wait", hung: "wait", canceled: "calm", over: "calm" };
const TONE_COLOURS = { bad: "--down-solid", wait: "--hung-solid", busy: "--accent", good: "--alive-solid", calm: "--text-3" };
const SIGNS = { restart: "R", shutdown: "S", start: "U", status: "?", begin: "M", change: "M", end: "M", down: "↓", hung: "!", alive: "↑" };

export function prepare(marks) {
  return marks
    .map((mark) => ({ ...mark, atS: Date.parse(mark.at) / 1000, untilS: mark.until ? Date.parse(mark.until) / 1000 : null }))
    .filter((mark) => !Number.isNaN(mark.atS))
    .sort((one, other) => one.atS - other.atS);
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

const toneOf = (marks) => TONES[Math.min(...marks.map((mark) => TONES.indexOf(TONE_OF[mark.status] || "bad")))];

// "Restart of node3 by alice", "Maintenance begun on node3 by bob", "node3 went down".
function headline(mark) {
  if (mark.kind === "state") return `${mark.node} ${mark.title}`;
  const where = mark.kind === "job" ? `of ${mark.node}` : `on ${mark.node}`;
  return `${mark.title} ${where}${mark.by ? ` by ${mark.by}` : ""}`;
}

function statusWords(mark) {
  if (mark.kind === "state") return "";
  if (mark.kind === "maintenance") return mark.status === "active" ? "goes on" : "";
  const words = mark.status.replace("_", " ");
  return mark.untilS && mark.untilS > mark.atS ? `${words} in ${format.length(mark.untilS - mark.atS)}` : words;
}

function tellOne(mark) {
  const lines = [make("b", { text: headline(mark) })];
  const when = [format.moment(mark.atS * 1000), statusWords(mark)].filter(Boolean).join(" · ");
  lines.push(make("span", { class: "num", text: when }));
  if (mark.outcome) lines.push(make("span", { text: mark.outcome }));
  if (mark.reason) lines.push(make("span", { class: "mark__why", text: mark.kind === "state" ? mark.reason : `“${mark.reason}”` }));
  if (mark.url) lines.push(make("span", { class: "faint", text: "Press to open the job." }));
  return lines;
}

function tellMany(marks) {
  const lines = marks.slice(0, MOST_TOLD).map((mark) => make("span", {}, make("span", { class: "num", text: format.moment(mark.atS * 1000) }), ` ${headline(mark)}`, make("span", { class: "muted", text: statusWords(mark) ? `, ${statusWords(mark)}` : "" })));
  const more = marks.length - MOST_TOLD;
  if (more > 0) lines.push(make("span", { class: "muted", text: `and ${more} more` }));
  lines.push(make("span", { class: "faint", text: "Press to zoom in." }));
  return lines;
}

function element(group, onZoom) {
  const { marks } = group;
  const tone = toneOf(marks);
  const tip = make("span", { class: "mark__tip", "aria-hidden": "true" }, ...(marks.length === 1 ? tellOne(marks[0]) : tellMany(marks)));
  const label = [...tip.children].map((line) => line.textContent.replace(/[.“”]+$/g, "")).join(". ");
  const sign = { "aria-label": label, class: `mark__sign mark__sign--${tone}` };
  let inner;
  if (marks.length > 1) {
    const first = marks[0].atS;
    const last = marks[marks.length - 1].atS;
    const pad = Math.max(30, (last - first) * 0.2);
    inner = make("button", { ...sign, type: "button", class: `${sign.class} mark__sign--many`, text: String(marks.length), onclick: () => onZoom((first - pad) * 1000, (last + pad) * 1000) });
  } else {
    const text = SIGNS[marks[0].action] || "·";
    const kind = `${sign.class} mark__sign--${marks[0].kind}`;
    inner = marks[0].url
      ? make("a", { ...sign, class: kind, href: marks[0].url, text })
      : make("button", { ...sign, type: "button", class: kind, text });
  }
  const made = make("span", { class: "mark" }, inner, tip);
  // What a mark says stays readable until the pointer leaves it; Escape puts it away.
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    made.classList.add("is-quiet");
    event.stopPropagation();
  });
  for (const back of ["pointerenter", "focusin"]) made.addEventListener(back, () => made.classList.remove("is-quiet"));
  return made;
}

// What a picture of the plot shows above it: place, text and colour of each sign.
export function signs(u, marks) {
  const left = u.bbox.left / devicePixelRatio;
  return cluster(marks, (atS) => u.valToPos(atS, "x"), u.bbox.width / devicePixelRatio).map((group) => ({
    x: left + group.x,
    text: group.marks.length > 1 ? String(group.marks.length) : SIGNS[group.marks[0].action] || "·",
    colour: colour(TONE_COLOURS[toneOf(group.marks)]),
  }));
}

const keyOf = (group) => group.marks.map((mark) => `${mark.kind}${mark.job || ""}${mark.node_id}${mark.at}${mark.status}${mark.until}`).join("|");

// The strip above a plot. An element that says the same stays, and with it the focus.
export function strip(host, u, marks, onZoom) {
  const left = u.bbox.left / devicePixelRatio;
  const width = u.bbox.width / devicePixelRatio;
  const room = host.clientWidth;
  const kept = new Map([...host.children].map((child) => [child.dataset.key, child]));
  let next = host.firstElementChild;
  for (const group of cluster(marks, (atS) => u.valToPos(atS, "x"), width)) {
    const key = keyOf(group);
    const one = kept.get(key) || element(group, onZoom);
    kept.delete(key);
    one.dataset.key = key;
    const x = left + group.x;
    one.style.left = `${x}px`;
    // The text hangs under its sign, moved so far that it stays within the chart.
    const tip = Math.min(TIP_PX, room);
    one.style.setProperty("--tip-shift", `${Math.min(Math.max(-tip / 2, -x), room - x - tip)}px`);
    if (one === next) next = next.nextElementSibling;
    else host.insertBefore(one, next);
  }
  for (const gone of kept.values()) gone.remove();
}

// In the plot, under the curves: a line where something began, a shade as long as it lasted.
export function lines(u, marks) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const place = (atS) => u.valToPos(atS, "x");
  const width = bbox.width / ratio;
  ctx.save();
  let spans = 0;
  for (const mark of marks) {
    const begin = Math.max(place(mark.atS), 0);
    const end = Math.min(mark.untilS === null ? place(Date.now() / 1000) : place(mark.untilS), width);
    if (end - begin < SHORTEST_SPAN_PX || spans >= MOST_SPANS) continue;
    spans += 1;
    ctx.fillStyle = faded(colour(TONE_COLOURS[toneOf([mark])]), 0.1);
    ctx.fillRect(bbox.left + begin * ratio, bbox.top, (end - begin) * ratio, bbox.height);
  }
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  for (const group of cluster(marks, place, width)) {
    ctx.strokeStyle = colour(TONE_COLOURS[toneOf(group.marks)]);
    const x = Math.round(bbox.left + group.x * ratio) + 0.5;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
