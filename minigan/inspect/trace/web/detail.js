// The chosen operation: code, values, gradients and kernel calls.
const detail = (() => {
  const place = document.getElementById("detail");

  const link = (number) =>
    tag("button", { type: "button", class: "link", onclick: () => choose(number) }, `#${number} ${operations[number].name}`);

  function histogram(values) {
    const most = Math.max(...values.counts), bins = values.counts.length;
    const bars = values.counts.map((count, i) =>
      svg("rect", { x: i, width: 0.9, y: 1 - count / most, height: count / most }));
    return svg("svg", { viewBox: `0 0 ${bins} 1`, preserveAspectRatio: "none", role: "img", "aria-label": "Histogram" }, bars);
  }

  function looks(values) {
    if (!values) return [];
    const digits = (value) => (value === null ? "–" : Number(value.toPrecision(3)));
    const parts = [tag("div", {}, `${digits(values.least)} … ${digits(values.largest)}, mean ${digits(values.mean)} ± ${digits(values.deviation)}`)];
    if (values.bad) parts.push(tag("div", { class: "bad" }, `${values.bad} of ${values.elements} are not finite`));
    if (values.picture !== null) parts.push(tag("img", { src: data.pictures[values.picture], alt: "The first images, or channels of the first one" }));
    if (values.counts.length > 1) parts.push(histogram(values));
    return parts;
  }

  function array(item, heading) {
    const from = item.source === null ? [] : [tag("div", {}, "from ", link(item.source))];
    return tag("div", { class: "array" },
      tag("strong", {}, heading), ` ${shape(item)} ${item.dtype}, ${scaled(item.bytes, "B")}`,
      item.name ? tag("div", {}, item.name) : null, from, looks(item.values));
  }

  function facts(o) {
    const rows = [];
    if (o.module) rows.push(["in", o.module]);
    if (o.place) rows.push(["called at", o.place]);
    for (const [kind, run] of runs(o)) {
      const known = run.calls.length && run.calls.every((call) => call.bytes !== null);
      const sum = (name) => run.calls.reduce((all, call) => all + call[name], 0);
      rows.push([kind, milliseconds(run.seconds) + (known ? `, ${scaled(sum("bytes"), "B")}, ${scaled(sum("flops"), "FLOP")}` : "")]);
    }
    for (const [name, value] of Object.entries(o.settings)) rows.push([name, tag("code", {}, value)]);
    return tag("dl", {}, rows.map(([name, value]) => [tag("dt", {}, name), tag("dd", {}, value)]));
  }

  function part(heading, ...children) {
    const content = children.flat().filter((child) => child !== null);
    return content.length ? [tag("h3", {}, heading), ...content] : [];
  }

  const arrays = (items) => (items.length ? tag("div", { class: "arrays" }, items) : null);

  function saved(o) {
    if (!o.saved.length) return null;
    return tag("ul", {}, o.saved.map((item) => tag("li", {},
      tag("code", {}, item.name), ` ${shape(item)}, ${scaled(item.bytes, "B")}: `,
      item.by === null ? item.freed : ["freed ", item.freed.replace(/#\d+ .*/, ""), link(item.by)])));
  }

  function calls(o) {
    const own = runs(o).flatMap(([kind, run]) => run.calls.map((call) => ({ kind, call })));
    if (!own.length) return [];
    const rate = (amount, seconds) => (amount === null || !seconds ? "" : (amount / seconds / 1e9).toFixed(1));
    const percent = (call) => (roofline.share(call) === null ? "" : `${(100 * roofline.share(call)).toFixed(0)} %`);
    const heads = ["kernel call", "pass", "time", "GFLOP/s", "GB/s", "of the roof"];
    const rows = own.map(({ kind, call }) => tag("tr", {},
      tag("td", { class: "text", title: data.kernels[call.kernel] }, tag("code", {}, call.text)), tag("td", { class: "text" }, kind),
      [milliseconds(call.seconds), rate(call.flops, call.seconds), rate(call.bytes, call.seconds), percent(call)].map((text) => tag("td", {}, text))));
    const names = [...new Set(own.map(({ call }) => call.kernel))];
    return [
      tag("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of kernel calls" }, tag("table", {},
        tag("thead", {}, tag("tr", {}, heads.map((head, i) => tag("th", { class: i < 2 ? "text" : "" }, head)))), tag("tbody", {}, rows))),
      tag("dl", {}, names.map((name) => [tag("dt", {}, tag("code", {}, name)), tag("dd", {}, data.kernels[name])])),
      roofline.draw(own),
      data.roof ? tag("p", { class: "hint" }, `The roof: ${scaled(data.roof.peak, "FLOP/s")}, minigan's best product of two 1,024×1,024 matrices, and ${scaled(data.roof.bandwidth, "B/s")}, its best sum of two long arrays, both measured when this page was written. FLOPs are those of the definition, so Winograd's convolution can pass the roof.`) : null,
    ];
  }

  function show(number) {
    const o = operations[number];
    const gradients = o.backward ? o.backward.gradients : [];
    const code = data.codes[o.code];
    place.replaceChildren(
      tag("h2", {}, `#${o.number} ${o.name}`), tag("p", { class: "formula" }, o.formula), facts(o),
      ...part("Inputs", arrays(o.inputs.map((item) => array(item, item.role)))),
      ...part("Output", o.output ? arrays([array(o.output, "output")]) : null),
      ...part("Gradients", arrays(gradients.map((item, i) => array(item, i === 0 ? "of the output" : "of a parameter"))),
        o.gradients.length ? tag("pre", { tabindex: 0 }, o.gradients.join("\n")) : null),
      ...part("Saved for the gradient", saved(o)),
      ...part("Kernel calls", calls(o)),
      ...part("Code", code ? tag("details", {}, tag("summary", {}, "show"), tag("pre", { tabindex: 0 }, code)) : null),
    );
    place.scrollTop = 0;
  }

  return { show };
})();
