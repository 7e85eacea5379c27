// Locust's page shows texts only in tables that are not its own: this makes links of our addresses in them. The texts stay
// where they are, beside the links and unseen, because Locust's page goes on to change them.
"use strict";
(() => {
  const LABELS = { "./wps": "Live charts", "./wps/report/report.html": "report of this run" };

  function link() {
    for (const cell of document.querySelectorAll("td")) {
      const text = cell.firstChild && cell.firstChild.nodeType === Node.TEXT_NODE ? cell.firstChild.data : "";
      const found = cell.querySelector(":scope > a[data-wps]");
      const wanted = LABELS[text];
      if (found && found.dataset.wps !== text) found.remove();
      if (wanted && (!found || found.dataset.wps !== text)) {
        const made = document.createElement("a");
        made.href = text;
        made.dataset.wps = text;
        made.textContent = wanted;
        made.style.cssText = "font-size: .875rem; color: inherit";
        cell.append(made);
      }
      cell.style.fontSize = wanted ? "0" : "";
    }
  }

  new MutationObserver(link).observe(document.getElementById("root"), { childList: true, subtree: true, characterData: true });
})();
