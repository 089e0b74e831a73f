// Memory and time: a curve, and below it a row of runs for each kernel, on one axis.
const timeline = (() => {
  const place = document.getElementById("time"), moment = document.getElementById("moment");
  const ROW = 18, CURVE = 110, TOP = 14, AXIS = 20;
  const seconds = data.seconds || 1e-9;
  const view = { from: 0, to: seconds };
  const rows = [["operations", operations.flatMap((o) => runs(o).map(([kind, run]) => ({ ...run, kind, number: o.number, text: `#${o.number} ${o.name}` })))]];
  let chosen = 0, matches = () => true, width = 0;
  const root = svg("svg", { role: "img", "aria-label": "Live memory and kernel calls over time" });
  const hint = moment.textContent;

  function collect() {
    const calls = new Map();
    for (const o of operations) {
      for (const [kind, run] of runs(o)) {
        for (const call of run.calls) {
          if (!calls.has(call.kernel)) calls.set(call.kernel, []);
          calls.get(call.kernel).push({ ...call, kind, number: o.number });
        }
      }
    }
    const sum = (own) => own.reduce((all, call) => all + call.seconds, 0);
    rows.push(...[...calls].sort((a, b) => sum(b[1]) - sum(a[1])));
  }

  const label = () => (width < 600 ? 112 : 290);
  const x = (time) => label() + ((time - view.from) / (view.to - view.from)) * (width - label());

  function curve() {
    const y = (bytes) => TOP + CURVE * (1 - bytes / (data.peak || 1));
    let line = `M${x(0)} ${y(0)}`;
    for (const [time, bytes] of data.memory) line += `H${x(time).toFixed(1)}V${y(bytes).toFixed(1)}`;
    line += `H${x(seconds)}V${y(0)}Z`;
    return [
      svg("text", { x: 8, y: TOP + 5 }, scaled(data.peak, "B")), svg("text", { x: 8, y: TOP + CURVE }, "0 B"),
      svg("path", { class: "memory", d: line, "clip-path": "url(#inside)" }),
    ];
  }

  function ticks(height) {
    const span = view.to - view.from, rough = span / Math.max(2, (width - label()) / 110);
    const unit = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= rough);
    const marks = [];
    for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
      marks.push(svg("line", { class: "axis", x1: x(time), x2: x(time), y1: TOP, y2: height - AXIS }));
      const text = `${Number((1e3 * time).toPrecision(6))} ms`;
      const anchor = x(time) > width - 40 ? "end" : x(time) < label() + 20 ? "start" : "middle";
      marks.push(svg("text", { class: "soft", x: x(time), y: height - 5, "text-anchor": anchor }, text));
    }
    return marks;
  }

  function bars([name, own], row) {
    const y = TOP + CURVE + 14 + row * ROW;
    const shown = own.filter((run) => run.start + run.seconds >= view.from && run.start <= view.to);
    const time = own.reduce((all, run) => all + run.seconds, 0);
    const text = width < 600 && name.length > 15 ? `${name.slice(0, 14)}…` : name;
    return [
      svg("text", { x: 8, y: y + 12 }, text, title(`${name}: ${own.length} calls, ${milliseconds(time)}`)),
      width < 600 ? null : svg("text", { class: "soft", x: label() - 8, y: y + 12, "text-anchor": "end" }, milliseconds(time)),
      svg("g", { "clip-path": "url(#inside)" }, shown.map((run) => svg("rect", {
        class: `run ${run.kind}${run.number === chosen ? " chosen" : ""}${matches(run.number) ? "" : " dim"}`,
        x: x(run.start), y: y + 2, height: ROW - 4, width: Math.max(1.5, x(run.start + run.seconds) - x(run.start)),
        onclick: () => choose(run.number),
      }, title(`${run.text}, ${run.kind}, ${milliseconds(run.seconds)}`)))),
    ];
  }

  function draw() {
    width = place.clientWidth;
    const height = TOP + CURVE + 14 + rows.length * ROW + AXIS;
    root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    root.setAttribute("height", height);
    root.replaceChildren(
      svg("clipPath", { id: "inside" }, svg("rect", { x: label(), y: 0, width: Math.max(0, width - label()), height })),
      ...ticks(height), ...curve(), ...rows.flatMap(bars).filter(Boolean),
    );
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function set(from, to) {
    const span = Math.min(seconds, Math.max(seconds / 1e4, to - from));
    view.from = Math.min(Math.max(0, from), seconds - span);
    view.to = view.from + span;
    redraw();
  }

  function zoom(factor, at) {
    const share = Math.min(1, Math.max(0, (at - label()) / (width - label())));
    const middle = view.from + share * (view.to - view.from);
    set(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
  }

  function tell(event) {
    const box = root.getBoundingClientRect(), share = (event.clientX - box.left - label()) / (width - label());
    if (share < 0 || share > 1) { moment.textContent = hint; return; }
    const time = view.from + share * (view.to - view.from);
    let live = 0;
    for (const [when, bytes] of data.memory) { if (when > time) break; live = bytes; }
    moment.textContent = `At ${milliseconds(time)}: ${scaled(live, "B")} of new memory.`;
  }

  function start() {
    collect();
    place.append(root);
    draggable(root, (dx) => {
      const shift = (dx / (width - label())) * (view.to - view.from);
      set(view.from - shift, view.to - shift);
    }, (factor, at) => zoom(factor, at));
    root.addEventListener("pointermove", tell);
    root.addEventListener("pointerleave", () => { moment.textContent = hint; });
    const middle = () => label() + (width - label()) / 2;
    const shift = (part) => set(view.from + part * (view.to - view.from), view.to + part * (view.to - view.from));
    buttons(document.getElementById("time-buttons"), [
      ["◀", "Go back in time", () => shift(-0.5)], ["▶", "Go on in time", () => shift(0.5)],
      ["−", "Zoom time out", () => zoom(2, middle())], ["+", "Zoom time in", () => zoom(0.5, middle())],
      ["whole", "Show the whole step", () => set(0, seconds)],
    ]);
    new ResizeObserver(redraw).observe(place);
    draw();
  }

  function mark(number, isMatch) {
    chosen = number;
    matches = isMatch;
    redraw();
  }

  return { start, mark };
})();
