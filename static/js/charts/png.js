// What is seen, as a picture: title, range, plot and legend on one canvas.

import { colour, save } from "./dom.js";

const PAD = 16;
const LINE = 20;

function fileName(title) {
  return `clio-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")}.png`;
}

// `entries`: [{ label, colour }] of the legend; `signs`: [{ x, text, colour }] of what was done.
export function savePng(plot, { title, note, entries, signs = [] }) {
  const ratio = devicePixelRatio;
  const width = plot.width / ratio + 2 * PAD;
  const inner = width - 2 * PAD;
  const canvas = document.createElement("canvas");
  const ctx = canvas.getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  const small = `12px ${family}`;

  ctx.font = small;
  const rows = [[]];
  let used = 0;
  for (const entry of entries) {
    const need = ctx.measureText(entry.label).width + 34;
    if (used + need > inner && used) {
      rows.push([]);
      used = 0;
    }
    rows[rows.length - 1].push({ ...entry, x: used });
    used += need;
  }
  const top = PAD + 2 * LINE + 6 + (signs.length ? LINE : 0);
  const height = top + plot.height / ratio + rows.length * LINE + PAD;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  ctx.scale(ratio, ratio);
  ctx.fillStyle = colour("--surface");
  ctx.fillRect(0, 0, width, height);
  ctx.textBaseline = "top";
  ctx.fillStyle = colour("--text");
  ctx.font = `600 15px ${family}`;
  ctx.fillText(title, PAD, PAD, inner);
  ctx.fillStyle = colour("--text-2");
  ctx.font = small;
  ctx.fillText(note, PAD, PAD + LINE, inner);
  ctx.textAlign = "center";
  for (const sign of signs) {
    const wide = Math.max(16, ctx.measureText(sign.text).width + 8);
    ctx.strokeStyle = sign.colour;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(PAD + sign.x - wide / 2, top - LINE + 2, wide, 16);
    ctx.fillText(sign.text, PAD + sign.x, top - LINE + 4);
  }
  ctx.textAlign = "start";
  ctx.drawImage(plot, PAD, top, plot.width / ratio, plot.height / ratio);
  rows.forEach((row, index) => {
    const y = top + plot.height / ratio + index * LINE;
    for (const entry of row) {
      ctx.fillStyle = entry.colour;
      ctx.fillRect(PAD + entry.x, y + 6, 14, 3);
      ctx.fillStyle = colour("--text-2");
      ctx.fillText(entry.label, PAD + entry.x + 20, y);
    }
  });
  canvas.toBlob((blob) => blob && save(blob, fileName(title)), "image/png");
}
