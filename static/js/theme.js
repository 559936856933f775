// Runs before the first paint, so that a chosen theme never flashes.
// The device's choice in this browser wins over the account's, which base.html wrote.
(function () {
  "use strict";
  try {
    const chosen = localStorage.getItem("portal-theme");
    if (chosen === "light" || chosen === "dark" || chosen === "system") {
      document.documentElement.dataset.theme = chosen;
    }
  } catch {
    // Storage is forbidden: the account's theme stays.
  }
  document.documentElement.classList.add("has-js");
})();
