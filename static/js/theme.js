// Runs before the first paint, so that a chosen theme never flashes.
// A choice made in this browser holds until the account's theme, which base.html wrote, is
// changed on the profile page: the newer choice counts.
(function () {
  "use strict";
  const root = document.documentElement;
  try {
    const chosen = localStorage.getItem("portal-theme");
    const over = localStorage.getItem("portal-theme-over");
    const account = root.dataset.accountTheme;
    if (account === undefined || account === over) {
      if (chosen === "light" || chosen === "dark" || chosen === "system") root.dataset.theme = chosen;
    }
  } catch {
    // Storage is forbidden: the account's theme stays.
  }
  root.classList.add("has-js");
})();
