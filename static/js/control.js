// A job's output grows at its end; who reads further up is not moved.
(function () {
  "use strict";

  const NEAR_PX = 24;
  const output = document.getElementById("output");
  if (!output) return;

  let follows = true;
  const toEnd = () => { output.scrollTop = output.scrollHeight; };

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== output) return;
    follows = output.scrollHeight - output.scrollTop - output.clientHeight < NEAR_PX;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === output && follows) toEnd();
  });
  toEnd();
})();
