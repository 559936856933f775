// What a chart shows, in words and as a table: for those who do not see it, and to copy from.

import * as format from "./format.js";
import { make } from "./dom.js";

const MOST_ROWS = 400;
const MOST_SAID = 4;

// Over the whole range: average of the known averages, lowest, highest and when, gaps.
export function figuresOf(curve, times) {
  let sum = 0;
  let count = 0;
  let low = null;
  let high = null;
  let highAt = null;
  let gaps = 0;
  let last = null;
  for (let i = 0; i < times.length; i += 1) {
    const mean = curve.avg[i];
    if (mean === null) {
      if (i > 0 && curve.avg[i - 1] !== null) gaps += 1;
      continue;
    }
    sum += mean;
    count += 1;
    last = mean;
    const bottom = curve.min ? curve.min[i] : mean;
    const top = curve.max ? curve.max[i] : mean;
    if (low === null || bottom < low) low = bottom;
    if (high === null || top > high) [high, highAt] = [top, times[i]];
  }
  // What ends the data is no gap in it.
  if (count && curve.avg[times.length - 1] === null) gaps -= 1;
  return { avg: count ? sum / count : null, low, high, highAt, gaps, last };
}

function sentence(curve, times, unit, stepS) {
  const found = figuresOf(curve, times);
  if (found.avg === null) return `${curve.label}: nothing known.`;
  const gaps = found.gaps ? `, ${found.gaps} gap${found.gaps > 1 ? "s" : ""}` : "";
  const when = format.moment(found.highAt * 1000, stepS);
  return `${curve.label}: average ${format.value(found.avg, unit)}, lowest ${format.value(found.low, unit)}, highest ${format.value(found.high, unit)} on ${when}${gaps}.`;
}

export function words(title, shown) {
  const { curves, times, unit, stepS, from, to } = shown;
  const range = format.span(from * 1000, to * 1000);
  const known = curves.filter((curve) => curve.avg.some((mean) => mean !== null));
  if (!known.length) return `${title}, ${range}: nothing was recorded.`;
  const said = known.slice(0, MOST_SAID).map((curve) => sentence(curve, times, unit, stepS));
  if (known.length > MOST_SAID) said.push(`And ${known.length - MOST_SAID} more; see the table.`);
  return `${title}, ${range}. ${said.join(" ")}`;
}

export function table(title, shown) {
  const { curves, times, unit, stepS } = shown;
  const head = make("tr", {}, make("th", { scope: "col", text: "Time" }));
  for (const curve of curves) head.append(make("th", { scope: "col", class: "n", text: curve.label }));
  const body = make("tbody");
  const every = Math.max(1, Math.ceil(times.length / MOST_ROWS));
  for (let i = 0; i < times.length; i += every) {
    const row = make("tr", {}, make("th", { scope: "row", class: "num", text: format.moment(times[i] * 1000, stepS) }));
    for (const curve of curves) {
      const cell = make("td", { class: "n", text: format.value(curve.avg[i], unit) });
      if (curve.min && curve.avg[i] !== null && curve.min[i] !== curve.max[i]) {
        cell.append(make("small", { text: ` ${format.value(curve.min[i], unit)} – ${format.value(curve.max[i], unit)}` }));
      }
      row.append(cell);
    }
    body.append(row);
  }
  const caption = `${title}: average${curves.some((curve) => curve.min) ? ", lowest – highest" : ""} per ${format.length(stepS)}${every > 1 ? `, every ${every}th shown; all are in the CSV` : ""}`;
  return make(
    "div",
    { class: "scroll chart__table", tabindex: "0", role: "region", "aria-label": `${title} as a table` },
    make("table", { class: "table" }, make("caption", { class: "chart__caption", text: caption }), make("thead", {}, head), body),
  );
}
