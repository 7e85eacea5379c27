// Draws the charts of report.html from the JSON in #data, in the colours of report.css; again when the theme changes
// and, at the paper's width, for print.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const time = data.timeline;
  const printing = matchMedia("print");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 34rem)");
  const PAPER_WIDTH = 680; // px: fits A4 and US letter inside a browser's usual margins
  const SLOT = { rtt: 1, rtt_service: 6, delivery: 3, publish_ack: 5, rest_publish: 7, recover: 2, connect: 4 };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const has = (name) => (time[name] || []).some((v) => v !== null);
  const line = (name, label, slot, more) => ({
    type: "scatter", mode: "lines", name: label, x: time.t_s, y: time[name], connectgaps: false,
    line: { color: colour("c" + slot), width: 1.75, ...(more || {}) },
    hovertemplate: "%{y:,.4~g}<extra>" + label + "</extra>",
  });

  function layout(more) {
    const [ink, soft, grid, paper] = ["ink", "soft", "grid", "paper"].map(colour);
    const axis = { gridcolor: grid, linecolor: grid, zeroline: false, automargin: true, tickfont: { color: soft }, fixedrange: narrow.matches };
    const { xaxis, yaxis, ...rest } = more;
    return {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      paper_bgcolor: paper, plot_bgcolor: paper, hovermode: "x unified",
      hoverlabel: { bgcolor: paper, bordercolor: grid, font: { color: ink } },
      margin: { l: 48, r: 12, t: 8, b: 40 }, showlegend: true, ...(printing.matches ? { width: PAPER_WIDTH } : { autosize: true }),
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: ink } },
      xaxis: { ...axis, ...xaxis, title: { font: { color: soft }, ...(xaxis || {}).title } },
      yaxis: { ...axis, rangemode: "tozero", ...yaxis, title: { font: { color: soft }, ...(yaxis || {}).title } },
      ...rest,
    };
  }

  // Where each step of a search or of stages begins; too many lines would hide the curves.
  const stepsOf = ({ curve }) => curve && curve.points.length <= 40 ? curve.points : [];

  // The measure phase in plain paper, everything before and after it shaded.
  function overTime(unit, more) {
    const shaded = data.phases.filter((p) => p.name !== "measure" && p.duration_s > 0);
    return layout({
      xaxis: { title: { text: "seconds since the start" }, range: [0, Math.max(...time.t_s)] },
      yaxis: { title: { text: unit } },
      shapes: [
        ...shaded.map((p) => ({
          type: "rect", xref: "x", yref: "paper", x0: p.started_s, x1: p.started_s + p.duration_s, y0: 0, y1: 1,
          layer: "below", line: { width: 0 }, fillcolor: colour("c6"), opacity: 0.12,
        })),
        ...stepsOf(data).map((s) => ({
          type: "line", xref: "x", yref: "paper", x0: s.from_s, x1: s.from_s, y0: 0, y1: 1, layer: "below",
          line: { color: colour("c6"), width: 1, dash: "dot" },
        })),
      ],
      annotations: shaded.filter((p) => p.duration_s > 0.06 * Math.max(...time.t_s)).map((p) => ({
        xref: "x", yref: "paper", x: p.started_s, y: 1, text: p.name, showarrow: false, xanchor: "left", yanchor: "top",
        font: { size: 11, color: colour("soft") },
      })),
      ...more,
    });
  }

  const limitLine = (limits) => limits.map((l) => ({
    type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: l.ms, y1: l.ms,
    line: { color: colour("fail"), width: 1, dash: "dash" },
  }));
  const limitNote = (limits) => limits.map((l) => ({
    xref: "paper", yref: "y", x: 1, y: l.ms, text: l.expression, showarrow: false, xanchor: "right", yanchor: "bottom",
    font: { size: 11, color: colour("fail") },
  }));

  const wide = (values) => {
    const seen = values.filter((v) => v > 0);
    return seen.length > 1 && Math.max(...seen) > 30 * Math.min(...seen);
  };
  const logarithmic = (values) => wide(values) ? { type: "log", rangemode: "normal", dtick: 1 } : {};
  const MARKS = { held: ["c3", "circle", "held"], failed: ["c4", "x", "failed"], generator: ["c2", "diamond", "generator’s limit"] };

  // Load against deliveries above, against latency below, on one axis of load.
  function curve() {
    const { points, line: mean, unit, knee, answer, search } = data.curve;
    const groups = search ? Object.keys(MARKS) : [null];
    const panel = (key, axis, label, slot) => [
      {
        type: "scatter", mode: "lines", name: label, x: mean.map((p) => p.load), y: mean.map((p) => p[key]), yaxis: axis, hoverinfo: "skip",
        showlegend: false, line: { color: colour("c" + slot), width: 1.75 },
      },
      ...groups.map((outcome) => {
        const [mark, symbol, name] = MARKS[outcome] || ["c" + slot, "circle", label];
        const found = points.filter((p) => search ? p.outcome === outcome : true);
        return {
          type: "scatter", mode: "markers", name, x: found.map((p) => p.load), y: found.map((p) => p[key]), yaxis: axis,
          showlegend: search && axis === "y" && found.length > 0, marker: { color: colour(mark), symbol, size: 9 },
          hovertemplate: "%{x:,} " + unit + ": %{y:,.4~g}<extra>" + label + "</extra>",
        };
      }),
    ];
    const metric = points[0].metric;
    const at = search ? answer : knee;
    const soft = { color: colour("soft") };
    const traces = [...panel("delivered_per_s", "y", "delivered/s", 1), ...panel("p99", "y2", metric + " p99, ms", 2)];
    const latencies = points.map((p) => p.p99);
    return [traces, layout({
      hovermode: "closest",
      xaxis: { title: { text: unit }, rangemode: "tozero", anchor: "y2" },
      yaxis: { title: { text: "delivered/s" }, domain: [0.54, 1] },
      yaxis2: {
        gridcolor: colour("grid"), linecolor: colour("grid"), zeroline: false, automargin: true, tickfont: soft, fixedrange: narrow.matches,
        rangemode: "tozero", title: { text: metric + " p99, ms", font: soft }, domain: [0, 0.46], ...logarithmic(latencies),
      },
      shapes: at === null ? [] : [{
        type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1, layer: "below", line: { color: colour("link"), width: 1, dash: "dash" },
      }],
      annotations: at === null ? [] : [{
        xref: "x", yref: "paper", x: at, y: 0.54, text: (search ? "answer: " : "knee: ") + at.toLocaleString("en"), showarrow: false,
        xanchor: 2 * at > Math.max(...points.map((p) => p.load)) ? "right" : "left", yanchor: "bottom", font: { size: 11, color: colour("link") },
      }],
      showlegend: search,
    })];
  }

  // Latency in the seconds of one step.
  function stepChart(step) {
    const inside = time.t_s.map((t, i) => [t, i]).filter(([t]) => t > step.from_s && t <= step.from_s + step.duration_s);
    const name = data.headline;
    const traces = ["p50", "p99"].filter((p) => has(name + "_" + p)).map((p, i) => ({
      ...line(name + "_" + p, p, [1, 2][i]), mode: "lines+markers", marker: { size: 4 }, x: inside.map(([t]) => t), y: inside.map(([, i]) => time[name + "_" + p][i]),
    }));
    return [traces, layout({
      showlegend: false, margin: { l: 40, r: 8, t: 4, b: 28 }, ...(printing.matches ? { width: PAPER_WIDTH / 2 } : {}),
      xaxis: { range: [step.from_s, step.from_s + step.duration_s], nticks: 5 }, yaxis: { title: { text: "ms" }, nticks: 4 },
    })];
  }

  // Azure Monitor's points stand for a whole interval each.
  function azure(name, unit, more) {
    const traces = data.azure[name].map((l, i) => ({
      type: "scatter", mode: "lines", name: l.name, x: l.x, y: l.y, line: { shape: "hv", width: 1.75, color: colour("c" + [1, 3, 5, 4, 2, 7, 6][i % 7]) },
      hovertemplate: "%{y:,.4~g}<extra>" + l.name + "</extra>",
    }));
    const plot = overTime(unit);
    plot.shapes.push(...(more || []));
    return [traces, plot];
  }

  const charts = {
    ...(data.curve ? { curve, ...Object.fromEntries(data.curve.points.map((s, i) => ["step-" + (i + 1), () => stepChart(s)])) } : {}),
    "azure-load": () => azure("azure-load", "%", [{
      type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: 70, y1: 70, line: { color: colour("fail"), width: 1, dash: "dash" },
    }]),
    "azure-connections": () => azure("azure-connections", "connections"),
    connections: () => [
      [line("users", "open", 1), line("connect_opened", "opened per second", 3), line("connect_failed", "failed per second", 4)],
      overTime("connections"),
    ],
    messages: () => [
      [
        line("offered", "due", 6, { width: 6 }), line("published", "published", 1), line("delivered", "delivered", 3),
        line("lost", "missing so far", 4),
      ].filter((trace) => trace.y.some((v) => v !== null)).map((trace) => ({ ...trace, opacity: trace.name === "due" ? 0.35 : 1 })),
      overTime("messages per second"),
    ],
    latency: () => {
      const name = data.headline;
      const traces = ["p50", "p90", "p99"].filter((p) => has(name + "_" + p))
        .map((p, i) => line(name + "_" + p, name + " " + p, [1, 5, 2][i]));
      const plot = overTime("ms");
      // A limit far above everything measured would press the curves flat; then the note in the text must do.
      const top = Math.max(...traces.flatMap((t) => t.y.filter((v) => v !== null)), 0);
      const limits = data.limits.filter((l) => l.ms <= 4 * top);
      plot.shapes.push(...limitLine(limits));
      plot.annotations.push(...limitNote(limits));
      return [traces, plot];
    },
    distribution: () => {
      const traces = data.distributions.map((d) => ({
        type: "scatter", mode: "lines", name: d.name, x: d.x, y: d.y, customdata: d.x.map((x) => 100 * (1 - 1 / x)),
        line: { color: colour("c" + SLOT[d.name]), width: 1.75 }, hovertemplate: "%{y:,.4~g} ms at %{customdata:.5~g} %<extra>" + d.name + "</extra>",
      }));
      const ys = data.distributions.flatMap((d) => d.y).filter((y) => y > 0);
      const decades = Math.ceil(Math.log10(Math.max(10, ...data.distributions.flatMap((d) => d.x))));
      const ticks = Array.from({ length: decades + 1 }, (_, k) => 10 ** k);
      if (!narrow.matches) ticks.splice(1, 0, 2);
      return [traces, layout({
        hovermode: "closest",
        xaxis: {
          type: "log", title: { text: "percentile" }, tickvals: ticks, tickangle: 0,
          ticktext: ticks.map((x) => x === 1 ? "0 %" : x === 2 ? "50 %" : (100 - 100 / x).toFixed(Math.max(0, Math.round(Math.log10(x)) - 2)) + " %"),
        },
        yaxis: { title: { text: "ms" }, ...logarithmic(ys) },
      })];
    },
    anatomy: () => [
      data.anatomy.map((part, i) => ({
        type: "bar", orientation: "h", name: part.label, x: [part.ms], y: ["connect"], marker: { color: colour("c" + (part.name === "waiting" ? 6 : [1, 3, 7, 5, 2, 4][i % 6])) },
        hovertemplate: "%{x:,.3~g} ms<extra>" + part.label + "</extra>",
      })),
      layout({
        barmode: "stack", hovermode: "closest", bargap: 0.3, margin: { l: 12, r: 12, t: 8, b: 40 },
        xaxis: { title: { text: "ms, mean" } }, yaxis: { showticklabels: false, showgrid: false },
        legend: { orientation: "h", x: 0, y: 1.05, yanchor: "bottom", traceorder: "normal", font: { color: colour("ink") } },
      }),
    ],
    failures: () => {
      const rows = [...data.failures].reverse();
      document.getElementById("chart-failures").style.height = 5 + 1.75 * rows.length + "rem";
      return [
        [{
          type: "bar", orientation: "h", x: rows.map((f) => f.count), y: rows.map((f) => f.metric + " · " + f.label), marker: { color: colour("c4") },
          hovertemplate: "%{x:,}<extra>%{y}</extra>",
        }],
        layout({ showlegend: false, hovermode: "closest", xaxis: { title: { text: "count" }, rangemode: "tozero" }, yaxis: { rangemode: "normal" } }),
      ];
    },
    generator: () => [
      [line("cpu_percent", "CPU, % of a core", 1), { ...line("loop_lag_ms_p99", "loop lag p99, ms", 2), yaxis: "y2" }, { ...line("send_lag_ms_p99", "send lag p99, ms", 5), yaxis: "y2" }]
        .filter((trace) => trace.y.some((v) => v !== null)),
      overTime("% of a core", { yaxis2: { overlaying: "y", side: "right", tickmode: "auto", nticks: 5, rangemode: "tozero", showgrid: false, automargin: true, title: { text: "ms", font: { color: colour("soft") } }, tickfont: { color: colour("soft") } } }),
    ],
  };

  function draw() {
    for (const [name, chart] of Object.entries(charts)) {
      const place = document.getElementById("chart-" + name);
      if (!place) continue;
      const [traces, plot] = chart();
      Plotly.react(place, traces, plot, { responsive: true, displayModeBar: false });
    }
    document.documentElement.dataset.drawn = "yes";
  }

  draw();
  for (const query of [dark, narrow, printing]) query.addEventListener("change", draw);
})();
