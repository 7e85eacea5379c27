// Narrows a report to one of its populations, which the address names: #population-viewers.
"use strict";
(() => {
  const bar = document.querySelector(".filters");
  if (!bar) return;
  const buttons = [...bar.querySelectorAll("button")];
  const rows = document.querySelectorAll("[data-of=any] tbody tr");

  function show(name) {
    for (const each of document.querySelectorAll("[data-of]")) each.hidden = name !== "" && ![name, "any"].includes(each.dataset.of);
    for (const row of rows) row.hidden = name !== "" && ![...row.cells].slice(0, 2).some((cell) => cell.textContent === name);
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.shows === name));
  }

  function named() {
    const name = decodeURIComponent(location.hash).replace(/^#population-/, "");
    return buttons.some((button) => button.dataset.shows === name) ? name : "";
  }

  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const name = button.dataset.shows;
    history.replaceState(null, "", name ? "#population-" + encodeURIComponent(name) : location.pathname + location.search);
    show(name);
  });
  window.addEventListener("hashchange", () => show(named()));
  bar.hidden = false;
  show(named());
})();
