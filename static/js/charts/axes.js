// The axes of a uPlot: times in the reader's zone, values with their unit.

import * as format from "./format.js";
import { colour } from "./dom.js";

const DAY = 86400;

// Distance, text, and the second line where a year, month or day begins.
const TIMES = [
  [DAY * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [DAY * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

export const VALUE_AXIS_PX = 76;

export const tzDate = (seconds) => uPlot.tzDate(new Date(seconds * 1000), format.zone);

export function axesOf(unit) {
  const text = colour("--text-3");
  const grid = { stroke: colour("--border"), width: 1 };
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const common = { stroke: text, font, grid, ticks: { ...grid, size: 4 } };
  return [
    { ...common, space: 70, size: 40, values: TIMES },
    {
      ...common,
      size: VALUE_AXIS_PX,
      space: 26,
      incrs: format.axisIncrements(unit),
      values: (_, splits) => splits.map((split) => format.value(split, unit).replace(/\.0 %$/, " %")),
    },
  ];
}

// Percent is always 0–100, so that calm looks calm; else from 0, with air above.
export function valueRange(unit) {
  if (unit === "pct") return () => [0, 100];
  return (_, low, high) => {
    if (low === null || high === null || low === undefined) return [0, 1];
    const bottom = Math.min(0, low);
    return [bottom, high > bottom ? high + (high - bottom) * 0.08 : bottom + 1];
  };
}
