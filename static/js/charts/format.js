// Numbers with units and times in the reader's zone, as the pages write them elsewhere.
// Not known is always "—".

export const UNKNOWN = "—";
const NARROW_SPACE = "\u202f";
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const root = document.documentElement;

function validZone(zone) {
  if (!zone) return undefined;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: zone });
    return zone;
  } catch {
    return undefined;
  }
}

// The account's zone, else the browser's.
export const zone = validZone(root.dataset.timeZone) || Intl.DateTimeFormat().resolvedOptions().timeZone;

function grouped(value, places) {
  const [whole, part] = Math.abs(value).toFixed(places).split(".");
  const text = whole.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE) + (part ? "." + part : "");
  return value < 0 && Number(text.replace(/[^\d.]/g, "")) !== 0 ? "−" + text : text;
}

// As many decimals as tell neighbouring values apart, no more.
export function plain(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return grouped(value, 0);
  if (size >= 100) return grouped(value, 1);
  return grouped(value, size >= 1 || size === 0 ? 2 : 3);
}

function binary(value) {
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 1024 && unit < BINARY.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const places = unit === 0 && Number.isInteger(size) ? 0 : size >= 100 ? 0 : 1;
  return (value < 0 ? "−" : "") + size.toFixed(places).replace(/\.0$/, "") + " " + BINARY[unit];
}

function duration(us) {
  const size = Math.abs(us);
  if (size < 1000) return plain(us) + " µs";
  return size < 1e6 ? plain(us / 1000) + " ms" : plain(us / 1e6) + " s";
}

export function value(number, unit) {
  if (number === null || number === undefined || Number.isNaN(number)) return UNKNOWN;
  switch (unit) {
    case "pct": return grouped(number, 1) + " %";
    case "bytes": return binary(number);
    case "bytes/s": return binary(number) + "/s";
    case "us": return duration(number);
    case "1/s": return plain(number) + " /s";
    case "mbps": return plain(number) + " MB/s";
    case "days": return plain(number) + " d";
    default: return plain(number);
  }
}

export function unitWords(unit) {
  return { pct: "percent", bytes: "bytes", "bytes/s": "bytes per second", "1/s": "per second", us: "microseconds", mbps: "MB per second", days: "days" }[unit] || "";
}

// What the distances of a value axis may be: powers of two for bytes, else 1, 2, 5.
export function axisIncrements(unit) {
  const found = [];
  if (unit === "bytes" || unit === "bytes/s") {
    for (let power = 0; power < 62; power += 1) found.push(2 ** power);
    return found;
  }
  for (let power = -3; power < 18; power += 1) {
    for (const step of [1, 2, 5]) found.push(Number(`${step}e${power}`));
  }
  return found;
}

const formats = new Map();

function formatter(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key);
}

// A moment, as exactly as the distance of its neighbours asks.
export function moment(ms, stepS = 1) {
  const options = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  if (stepS < 60) options.second = "2-digit";
  if (stepS >= 86400) return formatter({ day: "numeric", month: "short", year: "numeric" }).format(ms);
  return formatter(options).format(ms);
}

// "22 Nov 2026, 16:50 – 17:50"; the second day and the first year only where they are others;
// of many days, only the days.
const DAYS_ONLY_FROM_MS = 10 * 86400000;

export function span(fromMs, toMs) {
  const day = { day: "numeric", month: "short" };
  const first = formatter({ ...day, year: "numeric" }).format(fromMs);
  const last = formatter({ ...day, year: "numeric" }).format(toMs);
  const year = formatter({ year: "numeric" });
  const begin = year.format(fromMs) === year.format(toMs) ? formatter(day).format(fromMs) : first;
  if (toMs - fromMs >= DAYS_ONLY_FROM_MS) return `${begin} – ${last}`;
  const time = { hour: "2-digit", minute: "2-digit" };
  if (toMs - fromMs < 600000) time.second = "2-digit";
  const [start, end] = [fromMs, toMs].map((ms) => formatter(time).format(ms));
  return first === last ? `${last}, ${start} – ${end}` : `${begin}, ${start} – ${last}, ${end}`;
}

export function length(seconds) {
  const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  for (const [size, word] of steps) {
    if (seconds >= size) return plain(Math.round((seconds / size) * 10) / 10).replace(/\.?0+$/, (zeros) => (zeros.startsWith(".") ? "" : zeros)) + " " + word;
  }
  return plain(seconds) + " s";
}

// For <input type="datetime-local">, which speaks of the reader's zone without naming it.
export function toField(ms) {
  const parts = Object.fromEntries(
    formatter({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" })
      .formatToParts(ms).map((part) => [part.type, part.value]),
  );
  return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}`;
}

export function fromField(text) {
  const wanted = Date.parse(text + "Z");
  if (Number.isNaN(wanted)) return null;
  // The zone's distance from UTC depends on the moment sought: two steps reach it.
  let ms = wanted;
  for (let turn = 0; turn < 2; turn += 1) ms = wanted - (Date.parse(toField(ms) + "Z") - ms);
  return ms;
}
