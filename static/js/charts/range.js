// A range of time: two ends, each a moment or relative to now. As in the API's from and to.

const UNIT_MS = { s: 1000, m: 60000, h: 3600000, d: 86400000, w: 604800000 };
export const SHORTEST_MS = 10000;
const LONGEST_MS = 5 * 365 * 86400000;

export const PRESETS = [
  ["-5m", "5 min"], ["-15m", "15 min"], ["-1h", "1 h"], ["-6h", "6 h"], ["-24h", "24 h"],
  ["-7d", "7 d"], ["-30d", "30 d"], ["-90d", "90 d"], ["-365d", "1 y"], ["-730d", "2 y"],
];

export function resolve(text, nowMs) {
  if (text === "now") return nowMs;
  const back = /^-((?:\d+(?:\.\d+)?[smhdw])+)$/.exec(text);
  if (back) {
    let ms = 0;
    for (const [, amount, unit] of back[1].matchAll(/(\d+(?:\.\d+)?)([smhdw])/g)) ms += Number(amount) * UNIT_MS[unit];
    return nowMs - ms;
  }
  if (/^\d{1,15}(\.\d+)?$/.test(text)) return Number(text) >= 1e11 ? Number(text) : Number(text) * 1000;
  const parsed = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes("T") ? text : text + "Z");
  return Number.isNaN(parsed) ? null : parsed;
}

function iso(ms) {
  return new Date(Math.round(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

function relative(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "m"]]) {
    if (seconds % size === 0) return `-${seconds / size}${unit}`;
  }
  return `-${seconds}s`;
}

export class Range {
  constructor(from, to) {
    this.from = from;
    this.to = to;
  }

  // From an address; what can't be read becomes the default.
  static read(params, fallback) {
    const range = new Range(params.get("from") || fallback, params.get("to") || "now");
    const ends = range.ends(Date.now());
    return ends && ends[0] < ends[1] ? range : new Range(fallback, "now");
  }

  static between(fromMs, toMs, nowMs = Date.now()) {
    const length = Math.min(Math.max(toMs - fromMs, SHORTEST_MS), LONGEST_MS);
    const middle = (fromMs + toMs) / 2;
    let start = middle - length / 2;
    // A range that reaches the present follows it.
    if (start + length >= nowMs - 2000) return new Range(relative(length), "now");
    start = Math.max(start, 0);
    return new Range(iso(start), iso(start + length));
  }

  get isLive() {
    return this.to === "now";
  }

  ends(nowMs) {
    const from = resolve(this.from, nowMs);
    const to = resolve(this.to, nowMs);
    return from === null || to === null ? null : [from, to];
  }

  panned(share, nowMs = Date.now()) {
    const [from, to] = this.ends(nowMs);
    const by = (to - from) * share;
    return Range.between(from + by, to + by, nowMs);
  }

  // factor 2: twice the time, around the middle; at the present, the end stays there.
  zoomed(factor, nowMs = Date.now()) {
    const [from, to] = this.ends(nowMs);
    const length = (to - from) * factor;
    if (this.isLive) return Range.between(to - length, to, nowMs);
    const middle = (from + to) / 2;
    return Range.between(middle - length / 2, middle + length / 2, nowMs);
  }

  equals(other) {
    return this.from === other.from && this.to === other.to;
  }
}
