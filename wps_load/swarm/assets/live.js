// Live charts: requests new rows once a second, shows the figures, and passes the columns to the charts of chart.js.
"use strict";
(() => {
  const POLL_MS = 1000;
  const MAX_ROWS = 7200;
  const MAX_POINTS = 600; // as many as fit a chart
  const $ = (id) => document.getElementById(id);
  const DASH = "–";
  let state = { state: "none" };
  let key = "";
  let rows = {};
  let next = 0; // the number of the next second
  let windowS = 300;

  // -- words and numbers ------------------------------------------------------------------------------------------------

  const count = (v) => v === null || v === undefined ? DASH : Math.abs(v) >= 10 || Number.isInteger(v) ? Math.round(v).toLocaleString("en-US") : v.toFixed(1);
  const millis = (v) => v === null || v === undefined ? DASH : v.toLocaleString("en-US", { maximumSignificantDigits: 3 });
  function duration(s) {
    const whole = Math.max(0, Math.round(s));
    if (whole < 60) return whole + " s";
    const [h, m, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return h ? `${h} h ${m} min` : rest ? `${m} min ${rest} s` : `${m} min`;
  }

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // -- data -------------------------------------------------------------------------------------------------------------

  const length = () => (rows.t_s || []).length;

  function take(found) {
    state = found;
    if (found.state === "none") { key = ""; rows = {}; return; }
    if (found.key !== key || found.first !== next) { rows = {}; next = 0; }
    if (found.first !== next) { key = ""; return; } // rows in between are missing: the next request is for all
    next = found.next;
    key = length() < MAX_ROWS ? found.key : ""; // in a long run the next answer has the older rows merged
    for (const [name, column] of Object.entries(found.rows)) (rows[name] ||= []).push(...column);
  }

  async function poll() {
    try {
      const answer = await fetch(`./wps/data?key=${encodeURIComponent(key)}&since=${next}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(`Locust answered ${answer.status}`);
      if (!(answer.headers.get("content-type") || "").includes("json")) throw new Error("please log in to Locust again");
      take(await answer.json());
      $("trouble").hidden = true;
      show();
      if (!document.hidden) draw();
    } catch (error) {
      $("trouble").textContent = `No data: ${error.message === "Failed to fetch" ? "Locust cannot be reached" : error.message}. Retrying.`;
      $("trouble").hidden = false;
    }
    setTimeout(poll, document.hidden ? 5 * POLL_MS : POLL_MS);
  }

  // -- figures ----------------------------------------------------------------------------------------------------------

  function show() {
    const s = state;
    const none = s.state === "none";
    $("state").className = "verdict " + (none ? "none" : s.verdict || "running");
    $("main").hidden = none;
    $("progress").hidden = none || !s.total_s || s.state === "finished";
    if (none) {
      setText("phase", "No run yet");
      setText("clock", "Start one on Locust’s page; this page will follow it.");
      setText("what", "");
      return;
    }
    setText("phase", s.verdict_word || s.phase[0].toUpperCase() + s.phase.slice(1) + (s.so_far ? ` · ${s.so_far}` : ""));
    showClock(s);
    setText("what", `${s.what}, against ${s.target}`);
    document.title = `${s.verdict_word || s.phase} · Live charts · Web PubSub`;
    showFigures(s);
    ifChanged("doubts", s.doubts, showDoubts);
    ifChanged("slos", s.slos, showSlos);
    ifChanged("populations", s.populations, showPopulations);
    setText("latency-note", latencyNote(s));
    $("generator").replaceChildren(...s.generator.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }

  function setText(id, text) {
    if ($(id).textContent !== text) $(id).textContent = text; // screen readers must not announce it each second
  }

  // Rebuilding loses the keyboard's focus and the reader's selection.
  const before = {};
  function ifChanged(name, value, rebuild) {
    const text = JSON.stringify(value);
    if (before[name] !== text) rebuild(value);
    before[name] = text;
  }

  function showClock(s) {
    if (s.state === "finished") {
      ifChanged("end", [s.key, s.sentence, s.report], () => {
        $("clock").replaceChildren(s.sentence + " ", ...(s.report ? [element("a", { href: s.report }, "Full report")] : []));
      });
      return;
    }
    const left = s.total_s ? `, ${duration(s.total_s - s.elapsed_s)} left` : "";
    before.end = undefined;
    setText("clock", `${duration(s.elapsed_s)} since the start${left}`);
    if (s.total_s) $("done").style.width = Math.min(100, 100 * s.elapsed_s / s.total_s) + "%";
  }

  function showFigures(s) {
    const f = s.figures;
    const last = (name) => rows[name] && rows[name].length ? rows[name].at(-1) : null;
    const broken = [f.failed && `${count(f.failed)} failed`, f.dropped && `${count(f.dropped)} dropped`].filter(Boolean).join(", ");
    const over = s.state === "finished";
    const items = s.tiles || [
      ["connections", count(over ? f.peak : f.open), broken || `of ${count(f.target)}`],
      ["published", count(over ? f.published : last("published")), over ? "in total" : "per second"],
      ["delivered", count(over ? f.delivered : last("delivered")), over ? "in total" : "per second"],
      [over ? "lost" : "missing", count(f.lost), over ? "" : "so far"],
      [s.metric + " p50", millis(over ? f.whole.p50 : last("p50")), "ms"],
      [s.metric + " p99", millis(over ? f.whole.p99 : last("p99")), "ms"],
    ];
    $("figures").replaceChildren(...items.map(([name, value, unit]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, element("strong", {}, value), " " + unit))));
  }

  function showDoubts(doubts) {
    $("doubted").hidden = !doubts.length;
    const open = new Set([...$("doubts").querySelectorAll("details[open]")].map((each) => each.dataset.name));
    $("doubts").replaceChildren(...doubts.map((d) => element("li", { class: d.level },
      element("details", { "data-name": d.name, ...(open.has(d.name) ? { open: "" } : {}) },
        element("summary", {}, element("strong", {}, d.name.replaceAll("_", " ")), " · " + d.message.replaceAll("`", "")),
        element("p", { class: "advice" }, d.advice.replaceAll("`", ""))))));
  }

  function showSlos(slos) {
    $("slos").hidden = !slos.length;
    $("slos").querySelector("tbody").replaceChildren(...slos.map((slo) => element("tr", {},
      element("th", { scope: "row" }, slo.expression),
      element("td", {}, element("span", { class: { pass: "is-pass", fail: "is-fail" }[slo.verdict] || "" }, slo.words)),
      element("td", { class: "num" }, slo.value))));
  }

  function showPopulations(found) {
    $("populations").hidden = !found;
    if (!found) return;
    const numeric = (at) => found.columns[at].numeric ? { class: "num" } : {};
    const tones = { pass: "is-pass", fail: "is-fail" };
    $("populations").querySelector("thead tr").replaceChildren(...found.columns.map((column, at) =>
      element("th", { scope: "col", ...numeric(at) }, column.text)));
    $("populations").querySelector("tbody").replaceChildren(...found.rows.map((row) => element("tr", {}, ...row.map((cell, at) =>
      at ? element("td", numeric(at), element("span", { class: tones[cell.tone] || "" }, cell.text)) : element("th", { scope: "row" }, cell.text)))));
  }

  function latencyNote(s) {
    const limits = s.limits.map((l) => l.expression).join(", ");
    return `${s.metric} of each second, in ms.` + (limits ? ` SLO: ${limits}; its line appears when the curves come close to it.` : "");
  }

  // -- charts -----------------------------------------------------------------------------------------------------------

  // Part of the columns, thinned: the mean of each bin for rates, else its maximum, so that no spike is hidden.
  function shown() {
    const t = rows.t_s || [];
    const first = windowS ? Math.max(0, t.findIndex((v) => v > t.at(-1) - windowS)) : 0;
    const step = Math.ceil((t.length - first) / MAX_POINTS) || 1;
    const found = {};
    for (const [name, column] of Object.entries(rows)) {
      if (step === 1) { found[name] = column.slice(first); continue; }
      found[name] = [];
      for (let i = first; i < column.length; i += step) {
        const bin = column.slice(i, i + step).filter((v) => v !== null);
        found[name].push(!bin.length ? null : RATES.has(name) ? bin.reduce((a, b) => a + b) / bin.length : Math.max(...bin));
      }
    }
    return found;
  }
  const RATES = new Set(["offered", "published", "delivered", "lost", "connect_opened", "connect_failed"]);

  // Everything but the measure phase is shaded.
  function bands(from, to) {
    return state.phases
      .map((p, i) => ({ ...p, end: i + 1 < state.phases.length ? state.phases[i + 1].started_s : Infinity }))
      .filter((p) => p.name !== "measure" && p.end > from && p.started_s < to)
      .map((p) => ({ start: Math.max(from, p.started_s), end: Math.min(to, p.end) }));
  }

  // Column -> label of its line, by chart.
  const CHARTS = {
    latency: { p50: "p50", p99: "p99" },
    messages: { offered: "due", published: "published", delivered: "delivered", lost: "missing" },
    connections: { users: "open", connect_opened: "opened", connect_failed: "failed" },
    generator: { cpu_percent: "CPU, % of a core" },
    lag: { loop_lag_ms_p99: "loop lag p99", send_lag_ms_p99: "send lag p99" },
  };

  function draw() {
    if (!length() || $("main").hidden) return;
    const data = shown();
    const [from, to] = [Math.max(0, data.t_s[0] - 1), Math.max(data.t_s.at(-1), data.t_s[0] + 9)];
    for (const [name, columns] of Object.entries(CHARTS)) {
      window.wpsCharts[name].update({
        x: data.t_s, from, to, bands: bands(from, to),
        lines: Object.fromEntries(Object.entries(columns).map(([column, label]) => [label, data[column]])),
        limits: name === "latency" ? state.limits.map((l) => ({ at: l.ms, label: l.expression })) : [],
      });
    }
    document.documentElement.dataset.seconds = length();
  }

  document.querySelector(".bar").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    windowS = Number(button.dataset.window);
    for (const each of event.currentTarget.children) each.setAttribute("aria-pressed", String(each === button));
    draw();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) draw(); });
  poll();
})();
