// Starts Swagger UI on the API's own schema; requests it sends are the signed-in person's.
(() => {
  const root = document.getElementById("api-docs");
  window.SwaggerUIBundle({
    domNode: root,
    url: root.dataset.schema,
    deepLinking: true,
    validatorUrl: null,
    requestInterceptor: (request) => {
      if (new URL(request.url, location.href).origin === location.origin) {
        request.headers["X-CSRFToken"] = root.dataset.csrf;
      }
      return request;
    },
  });
})();
