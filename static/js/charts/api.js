// Questions to the history, one at a time per asker: a newer one ends the older.

export class ApiError extends Error {
  constructor(message, status, body = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

// Below which path the portal is; "" at the top.
const root = (document.documentElement.dataset.root || "/").replace(/\/$/, "");

export function address(path, params) {
  const query = new URLSearchParams();
  for (const [name, given] of Object.entries(params)) {
    if (given !== undefined && given !== null && given !== "") query.set(name, given);
  }
  return `${root}${path}?${query}`;
}

export async function ask(path, params, signal) {
  let response;
  try {
    response = await fetch(address(path, params), { headers: { Accept: "application/json" }, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The portal does not answer. What is shown is the last that came.", 0);
  }
  if (response.status === 401) {
    location.reload(); // the session ended: to the sign-in, and back
    throw new ApiError("Signed out.", 401);
  }
  const body = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error; // a newer question came while this was read
    return {};
  });
  if (!response.ok) {
    const words = [body.error || `The portal answered ${response.status}.`, body.remedy].filter(Boolean);
    throw new ApiError(words.join(" "), response.status, body);
  }
  return body;
}

export class Latest {
  constructor() {
    this.controller = null;
  }

  // Runs `work(signal)`; undefined when a newer call took its place.
  async run(work) {
    if (this.controller) this.controller.abort();
    const controller = new AbortController();
    this.controller = controller;
    try {
      const found = await work(controller.signal);
      return controller.signal.aborted ? undefined : found;
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      throw error;
    } finally {
      if (this.controller === controller) this.controller = null;
    }
  }
}
