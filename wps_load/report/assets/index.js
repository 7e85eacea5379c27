// Filters the runs of index.html by words and by verdict.
"use strict";
(() => {
  const form = document.querySelector(".filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("#rows tr")].map((row) => [row, row.textContent.toLowerCase(), row.cells[1].textContent.toLowerCase()]);
  function filter() {
    const words = document.getElementById("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = document.getElementById("verdict").value;
    let shown = 0;
    for (const [row, text, verdict] of rows) {
      row.hidden = !(words.every((word) => text.includes(word)) && (!wanted || verdict === wanted));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = `${shown.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")}`;
  }
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
})();
