// Whether the description of the API is drawn dark: as the theme says, which may follow the device.
(() => {
  const root = document.documentElement;
  const device = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme === "dark" || (root.dataset.theme !== "light" && device.matches);
  const mark = () => root.classList.toggle("dark-mode", isDark()); // Swagger UI's own word

  window.apiTheme = {
    isDark,
    onChange: (run) => device.addEventListener("change", run),
  };
  window.apiTheme.onChange(mark);
  mark();
})();
