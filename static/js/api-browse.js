// Sends what is written on a page of the API, as the person who is signed in, and shows the answer.
(() => {
  "use strict";

  const show = (form, words, text) => {
    const answer = form.querySelector(".api__answer");
    answer.hidden = false;
    answer.querySelector("strong").textContent = words;
    answer.querySelector("pre").textContent = text;
  };

  const pretty = (text) => {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  };

  const say = (form, problem) => {
    const line = form.querySelector(".problem");
    line.hidden = !problem;
    line.textContent = problem;
  };

  // "" for nothing to send; undefined when it is not JSON, which has been said then.
  const bodyOf = (form) => {
    const field = form.querySelector("textarea");
    const text = field ? field.value.trim() : "";
    try {
      if (text) JSON.parse(text);
    } catch (error) {
      field.setAttribute("aria-invalid", "true");
      say(form, "This is not JSON: " + error.message);
      field.focus();
      return undefined;
    }
    if (field) field.removeAttribute("aria-invalid");
    say(form, "");
    return text;
  };

  async function send(form) {
    const body = bodyOf(form);
    if (body === undefined) return;
    const button = form.querySelector("button");
    button.disabled = true;
    const headers = { "X-CSRFToken": form.dataset.csrf, Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    try {
      const response = await fetch(location.pathname + location.search, {
        method: form.dataset.send, headers, body: body || null, credentials: "same-origin",
      });
      show(form, response.status + " " + response.statusText, pretty(await response.text()));
    } catch (error) {
      say(form, "The portal did not answer: " + error.message);
    } finally {
      button.disabled = false;
    }
  }

  for (const form of document.querySelectorAll("form[data-send]")) {
    form.querySelector("button").disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
})();
