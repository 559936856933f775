// The charts of one node's page.

import { Board } from "./board.js";
import { ChartsPane, readHidden, writeHidden } from "./chartspane.js";

const GROUPS = [
  { title: "CPU", metrics: ["system.cpu_usage_pct"] },
  { title: "RAM", metrics: ["system.ram_usage_pct"] },
  { title: "GPU", metrics: ["system.gpu_usage_pct"], optional: true },
  { title: "GPU memory (HBM)", metrics: ["system.hbm_usage_pct"], optional: true },
  { title: "Queued and blocked tasks", metrics: ["workers.num_queued_tasks", "workers.num_blocked_tasks"] },
  { title: "Tasks processed by the workers", metrics: ["workers.tasks_per_s"] },
  { title: "Block devices, read", metrics: ["block_device.read_bytes_per_s"], optional: true },
  { title: "Block devices, written", metrics: ["block_device.write_bytes_per_s"], optional: true },
];

function start(root) {
  let pane = null;
  const hidden = new Set();
  const board = new Board(root, {
    fallback: "-1h",
    view: { pane: () => pane, read: (params) => readHidden(hidden, params), write: (params) => writeHidden(hidden, params) },
  });
  pane = new ChartsPane(root, { groups: () => GROUPS, nodes: () => root.dataset.nodeBoard }, board.acts, hidden);
  // Drawn when it comes into sight: the page is long, and many readers come for its top.
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    board.load();
  }, { rootMargin: "200px" });
  seen.observe(root);
}

for (const root of document.querySelectorAll("[data-node-board]")) start(root);
