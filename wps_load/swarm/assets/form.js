// Locust's form has one list of custom parameters: this folds ours by groups, opens the list, and says what Start will
// test before it is pressed. Locust's own elements stay where they are and keep their values; ours stand between them.
"use strict";
(() => {
  const GROUPS = window.templateArgs.wps_form;
  const ASK_AFTER_MS = 300;
  const opened = new WeakSet();
  let asked = "", timer = 0;

  const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  const snake = (name) => name.replace(/[A-Z0-9]/g, (letter) => "_" + letter.toLowerCase());

  function open() {
    for (const head of document.querySelectorAll("form button[aria-expanded='false']")) {
      if (head.textContent === "Custom parameters" && !opened.has(head)) {
        opened.add(head);
        head.click();
      }
    }
  }

  // The list's own child that holds the field; null while Locust's page has not made it.
  function item(name) {
    const field = document.querySelector(`form [name="${camel(name)}"]`);
    const list = field && field.closest(".MuiAccordionDetails-root > *");
    let found = field;
    while (found && found.parentElement !== list) found = found.parentElement;
    return list ? found : null;
  }

  function fold() {
    for (const { title, about, names } of GROUPS) {
      const items = names.map(item).filter((each) => each);
      if (!items.length || items[0].previousElementSibling?.dataset.wpsGroup) continue;
      const head = document.createElement("button");
      head.type = "button";
      head.dataset.wpsGroup = title;
      head.style.cssText =
        "all: unset; box-sizing: border-box; width: 100%; padding: .5rem 0; cursor: pointer; border-bottom: 1px solid #8884";
      head.innerHTML = "<b></b> <span style='opacity: .7'></span>";
      head.lastElementChild.textContent = about;
      head.onfocus = () => (head.style.outline = head.matches(":focus-visible") ? "2px solid" : "");
      head.onblur = () => (head.style.outline = "");
      const show = (shown) => {
        head.setAttribute("aria-expanded", shown);
        head.firstElementChild.textContent = `${shown ? "▾" : "▸"} ${title}`;
        for (const each of items) each.style.display = shown ? "" : "none";
      };
      head.onclick = () => show(head.getAttribute("aria-expanded") !== "true");
      items[0].before(head);
      show(false);
    }
  }

  function line() {
    const start = document.querySelector("form button[type='submit']");
    if (!start || !document.querySelector("form [name='userCount']")) return null;
    const there = start.parentElement.querySelector("[data-wps-target]");
    if (there) return there;
    const made = document.createElement("p");
    made.dataset.wpsTarget = "";
    made.setAttribute("role", "status");
    made.style.cssText = "margin: 0; overflow-wrap: anywhere";
    start.before(made);
    asked = "";
    return made;
  }

  async function preview() {
    const said = line();
    if (!said) return;
    const fields = [...new FormData(said.closest("form"))].filter(([name]) => name !== "userClasses");
    const body = new URLSearchParams(fields.map(([name, value]) => [snake(name), value]));
    if (String(body) === asked) return;
    asked = String(body);
    try {
      const answer = await fetch("./wps/target", { method: "POST", body });
      const { says } = await answer.json();
      if (String(body) === asked) said.textContent = says;
    } catch {
      said.textContent = "";
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(preview, ASK_AFTER_MS);
  }

  function changed() {
    open();
    fold();
    if (line()) soon();
  }

  new MutationObserver(changed).observe(document.getElementById("root"), { childList: true, subtree: true });
  for (const event of ["input", "change"]) document.addEventListener(event, soon);
  changed();
})();
