// A link marked data-dialog opens the part of its page that is marked data-dialog-part as a dialog
// above this page. Without this file, and whenever anything is in the way, the link is a link.
(function () {
  "use strict";

  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "dialog-title");
  document.body.append(dialog);
  let asked = 0;

  async function partOf(url) {
    const answer = await fetch(url, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return answer.ok && !answer.redirected ? page.querySelector("[data-dialog-part]") : null;
  }

  async function open(link) {
    const mine = ++asked;
    const inside = dialog.open;
    let part = null;
    link.setAttribute("aria-busy", "true");
    try {
      part = await partOf(link.href);
    } catch {
      // The portal does not answer: the browser says so better than we could.
    }
    link.removeAttribute("aria-busy");
    // Another link was pressed meanwhile, or the dialog that this one is in was closed.
    if (mine !== asked || (inside && !dialog.open)) return;
    if (!part) {
      location.assign(link.href);
      return;
    }
    dialog.replaceChildren(document.adoptNode(part));
    const heading = part.querySelector("h1");
    if (heading) heading.id = "dialog-title";
    document.dispatchEvent(new CustomEvent("portal:added", { detail: { element: part } }));
    if (!dialog.open) dialog.showModal();
    const first = part.querySelector("[autofocus]") || part.querySelector("a, button");
    if (first) first.focus();
    dialog.scrollTop = 0;
  }

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a");
    if (!link) return;
    if (link.dataset.dialog !== undefined) {
      event.preventDefault();
      open(link);
    } else if (link.dataset.dialogClose !== undefined && dialog.open) {
      event.preventDefault();
      dialog.close();
    }
  });
})();
