"use strict";
// Draws each run of the page's data: curves, a scrubber over the samples, the evaluation, figures and settings.

const runs = JSON.parse(document.getElementById("data").textContent);
const COLOURS = 6, WIDTH = 480, HEIGHT = 200, LEFT = 44, BOTTOM = 22, TOP = 8;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function plot(title, steps, curves, range) {
  const values = Object.values(curves).flat().filter((value) => value !== null);
  if (!values.length) return element("p", { class: "soft" }, "Nothing was measured yet.");
  const low = range ? range[0] : Math.min(...values), high = range ? range[1] : Math.max(...values);
  const last = steps[steps.length - 1], span = high - low || 1;
  const x = (step) => LEFT + (WIDTH - LEFT - 8) * step / last;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (Math.min(high, Math.max(low, value)) - low) / span);
  const names = Object.keys(curves);
  const picture = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title} over the steps: ${names.join(", ")}` });
  for (let i = 0; i <= 4; i++) {
    const value = low + span * i / 4;
    picture.append(drawn("line", { class: "axis", x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value) }));
    picture.append(drawn("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(2)));
  }
  for (const step of [0, last / 2, last]) {
    picture.append(drawn("text", { x: x(step), y: HEIGHT - 6, "text-anchor": step === last ? "end" : "middle" }, Math.round(step).toLocaleString("en")));
  }
  const legend = element("div", { class: "legend" });
  names.forEach((name, i) => {
    let path = "", pen = "M";
    curves[name].forEach((value, k) => {
      if (value === null) { pen = "M"; return; }
      path += `${pen}${x(steps[k]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    });
    const colour = `var(--c${i % COLOURS})`;
    picture.append(drawn("path", { d: path, style: `stroke: ${colour}` }));
    const newest = curves[name].filter((value) => value !== null).at(-1);
    legend.append(element("span", {}, element("i", { style: `background: ${colour}` }), `${name} ${range ? `${Math.round(100 * Math.max(0, newest))} %` : newest.toFixed(3)}`));
  });
  return element("div", {}, picture, legend);
}

function samples(run) {
  if (!run.samples.length) return element("p", { class: "soft" }, "There are no samples yet.");
  const image = element("img", { alt: "" }), label = element("p", { class: "soft", "aria-live": "polite" });
  const last = run.samples.length - 1;
  const slider = element("input", { type: "range", min: 0, max: last, value: last, "aria-label": "Step of the samples" });
  const show = () => {
    const [step, picture] = run.samples[slider.value];
    image.src = picture;
    image.alt = `Grid of samples at step ${step}`;
    label.textContent = `step ${step.toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", label.textContent);
  };
  slider.addEventListener("input", show);
  show();
  return element("div", { class: "grid" }, image, slider, label);
}

function table(head, rows) {
  const body = element("tbody", {}, ...rows.map(([name, ...cells]) =>
    element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, String(cell))))));
  const top = element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text))));
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": head[0] }, element("table", {}, top, body));
}

// In tables of settings: [["consistency.weight", 2], …]
function flat(values, prefix = "") {
  return Object.entries(values).flatMap(([key, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value) ? flat(value, `${prefix}${key}.`) : [[prefix + key, Array.isArray(value) ? value.join(", ") : value ?? "–"]]);
}

function details(title, content) {
  return element("details", {}, element("summary", {}, title), content);
}

function article(run) {
  const losses = { D: run.curves.D, G: run.curves.G };
  const speed = run.speed.length ? `${run.speed.at(-1)[1].toFixed(1)} steps a second` : "";
  const made = element("article", {},
    element("h2", {}, run.title),
    element("p", { class: "soft" }, [run.name, run.state, speed].filter(Boolean).join("; ")),
    element("h3", {}, "Samples"), samples(run),
    element("h3", {}, "How much of each code Q reads"), plot("Share of each code", run.steps, run.shares, [0, 1]),
    element("h3", {}, "Losses"), plot("Losses", run.steps, losses));
  if (run.evaluation.length) made.append(element("h3", {}, "Evaluation"), table(["measure", "value", "reference"], run.evaluation));
  if (run.figures.length) {
    const images = run.figures.map(([name, picture]) => element("figure", {}, element("img", { src: picture, alt: name }), element("figcaption", {}, name)));
    made.append(details("Figures", element("div", {}, ...images)));
  }
  made.append(details("Settings", table(["setting", "value"], flat(run.settings))));
  made.append(details("Environment", table(["what", "version"], flat(run.environment))));
  return made;
}

document.getElementById("summary").textContent = runs.length === 1 ? "One run." : `${runs.length} runs, side by side.`;
document.getElementById("runs").append(...runs.map(article));
