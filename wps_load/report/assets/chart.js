// Brings the charts of drawing.py to life: values under the pointer, zoom in time, and new data on the page of live charts.
// The paths are in the data's coordinates (log10 on a logarithmic axis, y downwards), so the values are read from them.
"use strict";
(() => {
  const NEAR_PX = 40;

  const number = (v) => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en-US") : String(Number(v.toPrecision(4)));
  const tickLabel = (v) => Math.abs(v) >= 1e6 ? number(v / 1e6) + "M" : number(v);

  // 1, 2 or 5 times a power of ten, as axes.nice_step.
  function niceStep(span, wanted) {
    const rough = span / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((f) => f * power).find((step) => step >= rough * 0.999);
  }
  function ticks(low, high, wanted = 5) {
    const step = niceStep(high - low, wanted);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i++) found.push(Number((i * step).toPrecision(12)));
    return found;
  }

  function element(tag, name, text) {
    const made = document.createElement(tag);
    made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.area = figure.querySelector(".area");
      this.svg = figure.querySelector("svg");
      this.paths = [...figure.querySelectorAll("path.line")];
      this.xlog = "xlog" in figure.dataset;
      this.ylog = "ylog" in figure.dataset;
      const [x, y, w, h] = this.svg.getAttribute("viewBox").split(" ").map(Number);
      this.box = this.home = { x, y, w, h };
      this.points = this.paths.map((path) => this.read(path));
      this.cursor = element("div", "cursor");
      this.readout = element("div", "readout");
      this.area.append(this.cursor, this.readout);
      this.listen();
    }

    // The points of a path, without the doubled ones of steps: [x, value], value null before a gap's end.
    read(path) {
      const found = [];
      for (const [, x, y] of path.getAttribute("d").matchAll(/[ML]([-\d.e+]+) ([-\d.e+]+)/g)) {
        const at = [Number(x), -Number(y)];
        if (found.length && found.at(-1)[0] === at[0]) found[found.length - 1] = at; else found.push(at);
      }
      return found;
    }

    value(position) { return this.ylog ? 10 ** position : position; }

    say(x) {
      if (this.figure.dataset.names) return this.figure.dataset.names.split("|")[Math.round(x) - 1] || "";
      if (this.xlog) return x === 0 ? "0 %" : (100 - 100 / 10 ** x).toPrecision(6).replace(/\.?0+$/, "") + " %";
      const title = this.figure.querySelector(".x-title").textContent;
      if (!title.startsWith("seconds")) return number(x) + " " + title;
      const started = this.figure.dataset.started;
      return number(x) + " s" + (started ? " · " + new Date(Date.parse(started) + 1000 * x).toISOString().slice(11, 19) + " UTC" : "");
    }

    listen() {
      let start = null;
      const at = (event) => {
        const frame = this.area.getBoundingClientRect();
        return this.box.x + this.box.w * Math.min(1, Math.max(0, (event.clientX - frame.left) / frame.width));
      };
      this.area.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse" && event.button === 0) start = at(event); });
      this.area.addEventListener("pointermove", (event) => { this.point(at(event)); if (start !== null) this.brush(start, at(event)); });
      this.area.addEventListener("pointerleave", () => { this.hide(); start = null; this.brush(0, 0); });
      this.area.addEventListener("pointerup", (event) => {
        const end = at(event);
        if (start !== null && Math.abs(end - start) > this.box.w / 50) zoom(this, Math.min(start, end), Math.max(start, end));
        start = null;
        this.brush(0, 0);
      });
      this.area.addEventListener("dblclick", () => zoom(this, null));
    }

    brush(from, to) {
      this.brushed ||= this.area.appendChild(element("div", "brush"));
      const left = 100 * (Math.min(from, to) - this.box.x) / this.box.w;
      Object.assign(this.brushed.style, { display: from === to ? "none" : "block", left: left + "%", width: 100 * Math.abs(to - from) / this.box.w + "%" });
    }

    hide() { this.cursor.style.display = this.readout.style.display = "none"; }

    // Shows what each line has nearest to x.
    point(x) {
      const reach = this.box.w * NEAR_PX / this.area.clientWidth;
      let nearest = null;
      for (const points of this.points) {
        const found = near(points, x);
        if (found && (nearest === null || Math.abs(found[0] - x) < Math.abs(nearest - x))) nearest = found[0];
      }
      if (nearest === null || Math.abs(nearest - x) > reach) { this.hide(); return; }
      const rows = [element("div", "at", this.say(nearest))];
      this.points.forEach((points, i) => {
        const found = near(points, nearest);
        if (!found || (!this.xlog && Math.abs(found[0] - nearest) > reach / 8)) return;
        const row = element("div", "row");
        row.append(element("span", "key " + this.paths[i].classList[1], this.paths[i].dataset.label), element("b", "", number(this.value(found[1])) + " " + this.figure.dataset.unit));
        rows.push(row);
      });
      const left = 100 * (nearest - this.box.x) / this.box.w;
      this.cursor.style.display = "block";
      this.cursor.style.left = left + "%";
      this.readout.replaceChildren(...rows);
      this.readout.style.display = "block";
      Object.assign(this.readout.style, left > 50 ? { left: "", right: 100 - left + 1 + "%" } : { left: left + 1 + "%", right: "" });
    }

    // Another stretch of x, with the y axis fitted to what is seen.
    show(from, to) {
      const home = this.home;
      if (from === null || !(to > from)) this.box = home;
      else {
        let high = 0;
        for (const points of this.points) for (const [x, y] of points) if (x >= from && x <= to && y > high) high = y;
        const step = niceStep(high || 1, 5);
        const top = this.ylog || !high ? -home.y : Math.ceil(high / step - 1e-9) * step;
        this.box = { x: from, y: -top, w: to - from, h: this.ylog ? home.h : top + (home.y + home.h) };
      }
      this.layout();
    }

    layout() {
      const { x, y, w, h } = this.box;
      this.svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
      const place = (holder, side, values, low, span) => holder.replaceChildren(...values.map((v) => {
        const made = element("span", "", tickLabel(v));
        made.style[side] = 100 * (v - low) / span + "%";
        return made;
      }));
      if (!this.xlog) place(this.figure.querySelector(".x-ticks"), "left", ticks(x, x + w, 6), x, w);
      if (!this.ylog) {
        const low = -(y + h), marks = ticks(low, low + h);
        place(this.figure.querySelector(".y-ticks"), "bottom", marks, low, h);
        this.svg.querySelector(".grid").setAttribute("d", marks.map((v) => `M${x} ${-v}H${x + w}`).join(""));
      }
      for (const rule of this.svg.querySelectorAll("path.rule[d*=H]")) rule.setAttribute("d", rule.getAttribute("d").replace(/^M\S+/, "M" + x).replace(/H\S+/, "H" + (x + w)));
      for (const band of this.svg.querySelectorAll("rect.band")) { band.setAttribute("y", y); band.setAttribute("height", h); }
      this.figure.classList.toggle("zoomed", this.box !== this.home);
    }

    // Live charts: new columns. data: {x, from, to, lines: {label: column}, bands: [{start, end}], limits: [{at, label}]}.
    update(data) {
      let high = 0;
      this.paths.forEach((path) => {
        const column = data.lines[path.dataset.label] || [];
        let d = "", down = false;
        column.forEach((v, i) => {
          if (v === null || v === undefined) { down = false; return; }
          d += (down ? "L" : "M") + data.x[i] + " " + -v + (down ? "" : "h0");
          down = true;
          if (v > high) high = v;
        });
        path.setAttribute("d", d);
      });
      this.points = this.paths.map((path) => this.read(path));
      const near = data.limits.filter((l) => l.at <= 4 * high);
      const top = Math.max(high, ...near.map((l) => l.at)) || 1;
      const step = niceStep(top, 5), ceiling = Math.ceil(top / step - 1e-9) * step;
      for (const old of this.figure.querySelectorAll("rect.band, path.rule, .rule-label")) old.remove();
      const svg = (tag, attributes) => {
        const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
        for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
        return made;
      };
      for (const band of data.bands) this.svg.prepend(svg("rect", { class: "band", x: band.start, width: band.end - band.start }));
      for (const limit of near) {
        this.svg.append(svg("path", { class: "rule fail", d: `M${data.from} ${-limit.at}H${data.to}` }));
        const label = element("span", "rule-label fail", limit.label);
        label.style.bottom = 100 * limit.at / ceiling + "%";
        this.area.append(label);
      }
      this.box = this.home = { x: data.from, y: -ceiling, w: data.to - data.from, h: ceiling };
      this.layout();
    }
  }

  // The point nearest to x, by bisection; null without points.
  function near(points, x) {
    let low = 0, high = points.length - 1;
    if (high < 0) return null;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle; else high = middle;
    }
    return Math.abs(points[low][0] - x) <= Math.abs(points[high][0] - x) ? points[low] : points[high];
  }

  const charts = [...document.querySelectorAll("figure.chart")].map((figure) => new Chart(figure));

  function zoom(chart, from, to) {
    if (from !== null && chart.xlog) return;
    const together = "linked" in chart.figure.dataset ? charts.filter((each) => "linked" in each.figure.dataset) : [chart];
    for (const each of together) each.show(from, to);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") for (const chart of charts) if (chart.box !== chart.home) chart.show(null); });

  for (const found of document.querySelectorAll("details")) found.open = false;
  window.wpsCharts = Object.fromEntries(charts.map((chart) => [chart.figure.id.replace("chart-", ""), chart]));
  document.documentElement.dataset.drawn = "yes";
})();
