// The graph of operations: from top to bottom, with a view that moves and zooms.
const NODE = { width: 216, height: 50, across: 256, down: 84 };

const graph = (() => {
  const place = document.getElementById("graph");
  const nodes = [], edges = [];
  const left = (o) => o.lane * NODE.across, top = (o) => o.rank * NODE.down;
  const size = {
    width: Math.max(0, ...operations.map(left)) + NODE.width,
    height: Math.max(0, ...operations.map(top)) + NODE.height,
  };
  const root = svg("svg", { role: "group", "aria-label": "Graph of operations" });
  const view = { x: 0, y: 0, scale: 1 }; // the corner, and units for each pixel

  function path(from, to) {
    const x = left(from) + NODE.width / 2, y = top(from) + NODE.height;
    const endX = left(to) + NODE.width / 2, endY = top(to);
    const jumps = from.lane === to.lane && to.rank - from.rank > 1; // round the operations between
    const bend = jumps ? NODE.width * 0.75 : 0, slope = jumps ? 60 : Math.max(20, (endY - y) / 2);
    return `M${x} ${y}C${x + bend} ${y + slope} ${endX + bend} ${endY - slope} ${endX} ${endY}`;
  }

  function node(o, longest) {
    const output = o.output ? shape(o.output) : "";
    const times = `${runs(o).map(([, run]) => inMilliseconds(run.seconds)).join(" ← ")} ms`;
    const name = o.name.length > 24 ? `${o.name.slice(0, 23)}…` : o.name;
    const lines = [`#${o.number} ${name}`, [output, times].filter(Boolean).join(" · ")];
    return svg("g", {
      class: `node${o.isKernel ? " kernel" : ""}`, transform: `translate(${left(o)} ${top(o)})`, tabindex: -1, role: "button",
      "data-number": o.number, onclick: () => choose(o.number),
    },
    title([...lines, o.module, o.formula].filter(Boolean).join("\n")),
    svg("rect", { class: "ground", width: NODE.width, height: NODE.height, rx: 7 }),
    svg("rect", { class: "share", width: NODE.width, height: NODE.height, rx: 7, opacity: 0.05 + 0.45 * Math.sqrt(total(o) / longest) }),
    svg("rect", { class: "frame", width: NODE.width, height: NODE.height, rx: 7 }),
    svg("text", { x: 10, y: 20 }, lines[0]),
    svg("text", { x: 10, y: 38, class: "soft" }, lines[1]));
  }

  function draw() {
    const box = root.getBoundingClientRect();
    root.setAttribute("viewBox", `${view.x} ${view.y} ${box.width * view.scale || 1} ${box.height * view.scale || 1}`);
  }

  function zoom(factor, x, y) {
    const scale = Math.min(12, Math.max(0.25, view.scale * factor));
    view.x += x * (view.scale - scale);
    view.y += y * (view.scale - scale);
    view.scale = scale;
    draw();
  }

  function zoomMiddle(factor) {
    const box = root.getBoundingClientRect();
    zoom(factor, box.width / 2, box.height / 2);
  }

  function fit(whole) {
    const box = root.getBoundingClientRect(), edge = 16;
    const wide = (size.width + 2 * edge) / box.width, high = (size.height + 2 * edge) / box.height;
    view.scale = whole ? Math.max(wide, high) : Math.min(Math.max(wide, 0.8), 1.4);
    view.x = wide > view.scale ? -edge : (size.width - box.width * view.scale) / 2;
    view.y = whole ? (size.height - box.height * view.scale) / 2 : -edge;
    draw();
  }

  function show(number) {
    const o = operations[number], box = root.getBoundingClientRect();
    const x = (left(o) - view.x) / view.scale, y = (top(o) - view.y) / view.scale;
    const inside = x >= 0 && y >= 0 && x + NODE.width / view.scale <= box.width && y + NODE.height / view.scale <= box.height;
    if (!inside) {
      view.x = left(o) + NODE.width / 2 - (box.width * view.scale) / 2;
      view.y = top(o) + NODE.height / 2 - (box.height * view.scale) / 2;
      draw();
    }
  }

  function mark(chosen, matches) {
    nodes.forEach((element, number) => {
      element.classList.toggle("chosen", number === chosen);
      element.classList.toggle("dim", !matches(number));
      element.setAttribute("tabindex", number === chosen ? 0 : -1);
    });
    for (const { element, from, to } of edges) {
      element.classList.toggle("chosen", from === chosen || to === chosen);
      element.classList.toggle("dim", !matches(from) && !matches(to));
    }
  }

  function start() {
    const longest = Math.max(1e-9, ...operations.map(total));
    for (const o of operations) {
      for (const from of new Set(o.inputs.map((array) => array.source).filter((source) => source !== null))) {
        const element = svg("path", { class: "edge", d: path(operations[from], o) });
        edges.push({ element, from, to: o.number });
      }
    }
    nodes.push(...operations.map((o) => node(o, longest)));
    root.append(...edges.map((edge) => edge.element), ...nodes);
    place.append(root);
    draggable(root, (dx, dy) => { view.x -= dx * view.scale; view.y -= dy * view.scale; draw(); }, zoom);
    root.addEventListener("keydown", (event) => {
      const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
      if (event.key in steps) {
        event.preventDefault();
        choose(Math.min(operations.length - 1, Math.max(0, state.chosen + steps[event.key])));
        nodes[state.chosen].focus({ preventScroll: true });
      } else if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        document.getElementById("detail").scrollIntoView({ block: "nearest" });
      }
    });
    buttons(document.getElementById("graph-buttons"), [
      ["−", "Zoom the graph out", () => zoomMiddle(1.4)], ["+", "Zoom the graph in", () => zoomMiddle(1 / 1.4)],
      ["whole", "Show the whole graph", () => fit(true)], ["top", "Show the top of the graph", () => fit(false)],
    ]);
    new ResizeObserver(draw).observe(root);
    fit(false);
  }

  return { start, mark, show };
})();
