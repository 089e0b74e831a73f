// Kernel calls under the roof that bandwidth and arithmetic put over them.
const roofline = (() => {
  const WIDTH = 520, HEIGHT = 260, LEFT = 62, BOTTOM = 34;
  const usable = (call) => call.flops > 0 && call.bytes > 0 && call.seconds > 0;
  const intensity = (call) => call.flops / call.bytes, rate = (call) => call.flops / call.seconds;
  const everyCall = operations.flatMap((o) => runs(o).flatMap(([, run]) => run.calls)).filter(usable);

  // The share of what the roof allows, or nothing for a call without FLOPs.
  function share(call) {
    if (!data.roof || !(call.bytes > 0) || !(call.seconds > 0)) return null;
    const least = Math.max(call.bytes / data.roof.bandwidth, call.flops / data.roof.peak);
    return least / call.seconds;
  }

  function draw(calls) {
    const own = calls.filter(({ call }) => usable(call));
    if (!data.roof || !own.length) return null;
    const { peak, bandwidth } = data.roof, ridge = peak / bandwidth;
    const xs = [...everyCall.map(intensity), ridge / 4, ridge * 4].map(Math.log10);
    const ys = [...everyCall.map(rate), peak * 1.5].map(Math.log10);
    const low = { x: Math.floor(Math.min(...xs)), y: Math.floor(Math.min(...ys)) };
    const high = { x: Math.ceil(Math.max(...xs)), y: Math.ceil(Math.max(...ys)) };
    const x = (value) => LEFT + ((Math.log10(value) - low.x) / (high.x - low.x)) * (WIDTH - LEFT - 12);
    const y = (value) => 10 + (1 - (Math.log10(value) - low.y) / (high.y - low.y)) * (HEIGHT - BOTTOM - 10);
    const first = Math.max(10 ** low.x, 10 ** low.y / bandwidth);
    const grid = [];
    for (let power = low.y; power <= high.y; power += Math.ceil((high.y - low.y) / 6)) {
      grid.push(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - 12, y1: y(10 ** power), y2: y(10 ** power) }));
      grid.push(svg("text", { class: "soft", x: LEFT - 6, y: y(10 ** power) + 4, "text-anchor": "end" }, scaled(10 ** power, "FLOP/s").replace("FLOP/s", "")));
    }
    for (let power = low.x; power <= high.x; power += 1) {
      grid.push(svg("text", { class: "soft", x: x(10 ** power), y: HEIGHT - 18, "text-anchor": power === high.x ? "end" : "middle" }, `${Number((10 ** power).toPrecision(2))}`));
    }
    return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: "100%", role: "img", "aria-label": "Roofline" },
      grid, svg("text", { class: "soft", x: WIDTH - 12, y: HEIGHT - 3, "text-anchor": "end" }, "FLOP for each byte"),
      svg("text", { class: "soft", x: 2, y: HEIGHT - 3 }, "↑ FLOP/s"),
      svg("path", { class: "roof", d: `M${x(first)} ${y(first * bandwidth)}L${x(ridge)} ${y(peak)}H${WIDTH - 12}` }),
      everyCall.map((call) => svg("circle", { class: "others", cx: x(intensity(call)), cy: y(rate(call)), r: 2.5 })),
      own.map(({ call, kind }) => svg("circle", { class: `dot ${kind}`, cx: x(intensity(call)), cy: y(rate(call)), r: 6 }, title(call.text))));
  }

  return { draw, share };
})();
