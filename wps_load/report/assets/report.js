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

  // The measure phase in plain paper, everything before and after it shaded.
  function overTime(unit, more) {
    const shaded = data.phases.filter((p) => p.name !== "measure" && p.duration_s > 0);
    return layout({
      xaxis: { title: { text: "seconds since the start" }, range: [0, Math.max(...time.t_s)] },
      yaxis: { title: { text: unit } },
      shapes: shaded.map((p) => ({
        type: "rect", xref: "x", yref: "paper", x0: p.started_s, x1: p.started_s + p.duration_s, y0: 0, y1: 1,
        layer: "below", line: { width: 0 }, fillcolor: colour("c6"), opacity: 0.12,
      })),
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

  const charts = {
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
      const wide = Math.max(...ys) > 30 * Math.min(...ys);
      const decades = Math.ceil(Math.log10(Math.max(10, ...data.distributions.flatMap((d) => d.x))));
      const ticks = Array.from({ length: decades + 1 }, (_, k) => 10 ** k);
      if (!narrow.matches) ticks.splice(1, 0, 2);
      return [traces, layout({
        hovermode: "closest",
        xaxis: {
          type: "log", title: { text: "percentile" }, tickvals: ticks, tickangle: 0,
          ticktext: ticks.map((x) => x === 1 ? "0 %" : x === 2 ? "50 %" : (100 - 100 / x).toFixed(Math.max(0, Math.round(Math.log10(x)) - 2)) + " %"),
        },
        yaxis: { title: { text: "ms" }, ...(wide ? { type: "log", rangemode: "normal", dtick: 1 } : {}) },
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
