// Starts Redoc on the API's own schema. Its search would need a worker made from text, which the
// content security policy rightly refuses; the browser's own search finds what is on the page.
(() => {
  const root = document.getElementById("api-redoc");
  window.Redoc.init(
    root.dataset.schema,
    {
      disableSearch: true,
      hideDownloadButton: true,
      nativeScrollbars: true,
      expandResponses: "200",
      theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" }, code: { fontFamily: "ui-monospace, monospace" } } },
    },
    root,
  );
})();
