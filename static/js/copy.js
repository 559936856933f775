// Copies what is shown once.
(function () {
  "use strict";
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    source.addEventListener("focus", () => source.select());
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.value);
        button.textContent = "Copied";
      } catch {
        source.focus(); // not allowed here: selected, for the keyboard
        button.textContent = "Selected: press Ctrl+C";
      }
    });
  }
})();
