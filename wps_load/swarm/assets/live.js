// The live page: asks once a second for what is new, shows the figures, and draws the charts in the colours of the CSS.
"use strict";
(() => {
  const POLL_MS = 1000;
  const MAX_POINTS = 600; // as many as a chart has room for
  const narrow = matchMedia("(max-width: 34rem)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const $ = (id) => document.getElementById(id);
  const DASH = "–";
  let state = { state: "none" };
  let key = "";
  let rows = {};
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
    if (found.key !== key || found.from !== length()) rows = {};
    if (found.from !== length()) { key = ""; return; } // rows in between are missing: the next question asks for all
    key = found.key;
    for (const [name, column] of Object.entries(found.rows)) (rows[name] ||= []).push(...column);
  }

  async function poll() {
    try {
      const answer = await fetch(`./wps/data?key=${encodeURIComponent(key)}&since=${length()}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(`Locust answered ${answer.status}`);
      if (!(answer.headers.get("content-type") || "").includes("json")) throw new Error("please log in to Locust again");
      take(await answer.json());
      $("trouble").hidden = true;
      show();
      if (!document.hidden) draw();
    } catch (error) {
      $("trouble").textContent = `No news: ${error.message === "Failed to fetch" ? "Locust cannot be reached" : error.message}. Trying again.`;
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
    setText("phase", s.verdict_word || s.phase[0].toUpperCase() + s.phase.slice(1));
    showClock(s);
    setText("what", `${s.what}, against ${s.target}`);
    document.title = `${s.verdict_word || s.phase} · Web PubSub · live`;
    showFigures(s);
    ifChanged("doubts", s.doubts, showDoubts);
    ifChanged("slos", s.slos, showSlos);
    setText("latency-note", latencyNote(s));
    $("generator").replaceChildren(...s.generator.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }

  function setText(id, text) {
    if ($(id).textContent !== text) $(id).textContent = text; // what is announced must not be announced each second
  }

  // What is rebuilt loses the keyboard's focus and a reader's selection.
  const before = {};
  function ifChanged(name, value, rebuild) {
    const text = JSON.stringify(value);
    if (before[name] !== text) rebuild(value);
    before[name] = text;
  }

  function showClock(s) {
    if (s.state === "finished") {
      ifChanged("end", [s.key, s.sentence, s.report], () => {
        $("clock").replaceChildren(s.sentence + " ", ...(s.report ? [element("a", { href: s.report }, "The whole report")] : []));
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
    const broken = [f.failed && `${count(f.failed)} failed`, f.dropped && `${count(f.dropped)} ended unasked`].filter(Boolean).join(", ");
    const over = s.state === "finished";
    const items = [
      ["connections", count(over ? f.peak : f.open), broken || `of ${count(f.target)}`],
      ["published", count(over ? f.published : last("published")), over ? "in all" : "per second"],
      ["delivered", count(over ? f.delivered : last("delivered")), over ? "in all" : "per second"],
      [over ? "lost" : "missing", count(f.lost), over ? "" : "so far"],
      [s.metric + " p50", millis(over ? f.whole.p50 : last("p50")), "ms"],
      [s.metric + " p99", millis(over ? f.whole.p99 : last("p99")), "ms"],
    ];
    $("figures").replaceChildren(...items.map(([name, value, unit]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value + " ", element("small", {}, unit)))));
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

  function latencyNote(s) {
    const limits = s.limits.map((l) => l.expression).join(", ");
    return `${s.metric} of each second, in ms.` + (limits ? ` SLO: ${limits}; its line appears when the curves come near it.` : "");
  }

  // -- charts -----------------------------------------------------------------------------------------------------------

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // Part of the columns, thinned: of rates the mean of each bin, of everything else its largest, so that no spike is hidden.
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

  function line(data, name, label, slot, more) {
    const { width, ...rest } = more || {};
    return {
      type: "scatter", mode: data.t_s.length < 2 ? "markers" : "lines", name: label, x: data.t_s, y: data[name], connectgaps: false,
      line: { color: colour("c" + slot), width: width || 1.75 }, hovertemplate: "%{y:,.4~g}<extra>" + label + "</extra>", ...rest,
    };
  }

  function layout(data, unit, more) {
    const [ink, soft, grid, paper] = ["ink", "soft", "grid", "paper"].map(colour);
    const axis = { gridcolor: grid, linecolor: grid, zeroline: false, automargin: true, tickfont: { color: soft }, fixedrange: true };
    const title = (text) => ({ text, font: { color: soft } });
    const [from, to] = [Math.max(0, data.t_s[0] - 1), Math.max(data.t_s.at(-1), data.t_s[0] + 9)];
    const { yaxis, yaxis2, shapes, annotations, ...rest } = more || {};
    return {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink }, paper_bgcolor: paper, plot_bgcolor: paper,
      hovermode: "x unified", hoverlabel: { bgcolor: paper, bordercolor: grid, font: { color: ink } }, autosize: true, showlegend: true,
      margin: { l: 44, r: yaxis2 ? 44 : 12, t: 8, b: 36 }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: ink } },
      xaxis: { ...axis, range: [from, to], nticks: narrow.matches ? 5 : 8, title: title("seconds since the start") },
      yaxis: { ...axis, rangemode: "tozero", title: title(unit), ...yaxis },
      ...(yaxis2 ? { yaxis2: { ...axis, overlaying: "y", side: "right", rangemode: "tozero", showgrid: false, tickmode: "auto", nticks: 5, title: title(yaxis2) } } : {}),
      shapes: [...phases(from, to), ...(shapes || [])], annotations: annotations || [], ...rest,
    };
  }

  // The measure phase on plain paper, everything else shaded.
  function phases(from, to) {
    return state.phases
      .map((p, i) => ({ ...p, end: i + 1 < state.phases.length ? state.phases[i + 1].started_s : Infinity }))
      .filter((p) => p.name !== "measure" && p.end > from && p.started_s < to)
      .map((p) => ({
        type: "rect", xref: "x", yref: "paper", x0: Math.max(from, p.started_s), x1: Math.min(to, p.end), y0: 0, y1: 1,
        layer: "below", line: { width: 0 }, fillcolor: colour("c6"), opacity: 0.12,
      }));
  }

  const any = (traces) => traces.filter((trace) => trace.y.some((v) => v !== null));

  const charts = {
    latency: (data) => {
      const traces = any([line(data, "p50", state.metric + " p50", 1), line(data, "p99", state.metric + " p99", 2)]);
      // a limit far above everything measured would press the curves flat
      const top = Math.max(0, ...traces.flatMap((trace) => trace.y));
      const near = state.limits.filter((l) => l.ms <= 4 * top);
      return [traces, layout(data, "ms", {
        shapes: near.map((l) => ({ type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: l.ms, y1: l.ms, line: { color: colour("fail"), width: 1, dash: "dash" } })),
        annotations: near.map((l) => ({ xref: "paper", yref: "y", x: 1, y: l.ms, text: l.expression, showarrow: false, xanchor: "right", yanchor: "bottom", font: { size: 11, color: colour("fail") } })),
      })];
    },
    messages: (data) => [
      any([
        line(data, "offered", "due", 6, { width: 6, opacity: 0.35 }), line(data, "published", "published", 1), line(data, "delivered", "delivered", 3),
        line(data, "lost", "missing", 4),
      ]),
      layout(data, "per second"),
    ],
    connections: (data) => [
      any([line(data, "users", "open", 1), line(data, "connect_opened", "opened", 3), line(data, "connect_failed", "failed", 4)]),
      layout(data, "connections"),
    ],
    generator: (data) => [
      any([
        line(data, "cpu_percent", "CPU", 1), line(data, "loop_lag_ms_p99", "loop lag p99, ms", 2, { yaxis: "y2" }), line(data, "send_lag_ms_p99", "send lag p99, ms", 5, { yaxis: "y2" }),
      ]),
      layout(data, "% of a core", { yaxis2: "ms" }),
    ],
  };

  function draw() {
    if (!length() || $("main").hidden) return;
    const data = shown();
    for (const [name, chart] of Object.entries(charts)) {
      const [traces, plot] = chart(data);
      Plotly.react($("chart-" + name), traces, plot, { responsive: true, displayModeBar: false });
    }
    document.documentElement.dataset.drawn = length();
  }

  document.querySelector(".bar").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    windowS = Number(button.dataset.window);
    for (const each of event.currentTarget.children) each.setAttribute("aria-pressed", String(each === button));
    draw();
  });
  for (const query of [dark, narrow]) query.addEventListener("change", draw);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) draw(); });
  poll();
})();
