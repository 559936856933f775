// Starts Redoc on the API's own schema. Its search would need a worker made from text, which the
// content security policy rightly refuses; the browser's own search finds what is on the page.
(() => {
  const root = document.getElementById("api-redoc");
  const typography = {
    fontFamily: "system-ui, sans-serif",
    headings: { fontFamily: "system-ui, sans-serif" },
    code: { fontFamily: "ui-monospace, monospace" },
  };

  // The colours of tokens.css: Redoc computes shades of them, so it must be told plain values.
  const DARK = {
    colors: {
      primary: { main: "#7fa6ff" },
      success: { main: "#63d69a" },
      warning: { main: "#f2c14f" },
      error: { main: "#ff8f98" },
      text: { primary: "#e8ecf3", secondary: "#adb7c7" },
      border: { dark: "#465163", light: "#242c38" },
      responses: {
        success: { color: "#63d69a", backgroundColor: "#11291e", tabTextColor: "#63d69a" },
        error: { color: "#ff8f98", backgroundColor: "#37171c", tabTextColor: "#ff8f98" },
        redirect: { color: "#f2c14f", backgroundColor: "#30260f", tabTextColor: "#f2c14f" },
        info: { color: "#7fa6ff", backgroundColor: "#17223b", tabTextColor: "#7fa6ff" },
      },
    },
    schema: { nestedBackground: "#1a202a", linesColor: "#465163", typeNameColor: "#adb7c7", typeTitleColor: "#adb7c7" },
    sidebar: { backgroundColor: "#13171f", textColor: "#adb7c7", activeTextColor: "#7fa6ff" },
    rightPanel: {
      backgroundColor: "#13171f",
      textColor: "#e8ecf3",
      servers: { overlay: { backgroundColor: "#1a202a", textColor: "#e8ecf3" }, url: { backgroundColor: "#0c0f15" } },
    },
    codeBlock: { backgroundColor: "#0c0f15" },
    typography: {
      ...typography,
      code: { ...typography.code, color: "#ff8f98", backgroundColor: "#1a202a" },
      links: { color: "#7fa6ff", visited: "#7fa6ff", hover: "#a3c0ff" },
    },
  };

  function draw() {
    const theme = window.apiTheme.isDark() ? DARK : { typography };
    window.Redoc.init(
      root.dataset.schema,
      { disableSearch: true, hideDownloadButton: true, nativeScrollbars: true, expandResponses: "200", theme },
      root,
    );
  }

  window.apiTheme.onChange(draw);
  draw();
})();
