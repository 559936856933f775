// The states of nodes over time, as strips of colour with words for those who do not see them.

import * as format from "./format.js";
import { make } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const MOST_STRIPS = 12;

function bar(spans, fromMs, toMs) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("class", "states__bar");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} 10`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const span of spans) {
    const start = Math.max(Date.parse(span.from), fromMs);
    const end = Math.min(Date.parse(span.to), toMs);
    if (end <= start) continue;
    const rect = document.createElementNS(NS, "rect");
    rect.setAttribute("class", span.state ? `is-${span.state}` : "is-unseen");
    rect.setAttribute("x", (((start - fromMs) / (toMs - fromMs)) * WIDTH).toFixed(2));
    // A short outage must be seen: never thinner than a hair.
    rect.setAttribute("width", Math.max(((end - start) / (toMs - fromMs)) * WIDTH, 1.5).toFixed(2));
    rect.setAttribute("height", "10");
    const title = document.createElementNS(NS, "title");
    title.textContent = `${span.state || "not known"}, ${format.span(start, end)}`;
    rect.append(title);
    svg.append(rect);
  }
  return svg;
}

function words(node, fromMs, toMs) {
  const lengths = new Map();
  for (const span of node.spans) {
    const start = Math.max(Date.parse(span.from), fromMs);
    const end = Math.min(Date.parse(span.to), toMs);
    const state = span.state || "not known";
    if (end > start) lengths.set(state, (lengths.get(state) || 0) + end - start);
  }
  const parts = [...lengths].map(([state, ms]) => `${state} for ${format.length(ms / 1000)}`);
  return `State of ${node.node}: ${parts.join(", ") || "not known"}.`;
}

// `body`: an answer of /api/history/states.
export function show(host, body, fromMs, toMs, insetPx) {
  const strips = body.nodes.slice(0, MOST_STRIPS).map((node) => {
    const line = make(
      "div", { class: "states__line" },
      make("span", { class: "states__name truncate", "aria-hidden": "true", text: body.nodes.length > 1 ? node.node : "State" }),
      bar(node.spans, fromMs, toMs),
      make("span", { class: "visually-hidden", text: words(node, fromMs, toMs) }),
    );
    line.firstChild.style.width = `${insetPx}px`;
    return line;
  });
  host.hidden = !strips.length;
  host.replaceChildren(...strips);
}
