"use strict";
// The map of real pictures: each stands where Q reads its first two continuous codes, in the colour of its category.

const MARGIN = 34; // pixels around the map, for its axes

const hue = (category, count) => (360 * category) / count;

/** Return a grey picture as a canvas of one colour, transparent where it is black; one with colours as it is. */
function tinted(pixels, [height, width, channels], colour) {
  const canvas = make("canvas", { width, height });
  if (channels > 1) {
    drawPixels(canvas, pixels, [height, width, channels]);
    return canvas;
  }
  const context = canvas.getContext("2d");
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) image.data[4 * i + 3] = pixels[i];
  context.putImageData(image, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, width, height);
  return canvas;
}

function buildMap(model, pictures, readings, onChoice) {
  const axes = model.codes.flatMap((code, i) => (code.kind === "continuous" ? [i] : [])).slice(0, 2);
  if (axes.length < 2) return;
  const category = model.codes.findIndex((code) => code.kind === "categorical");
  const count = category < 0 ? 1 : model.codes[category].size;
  const [across, up] = axes.map((i) => model.codes[i].name);
  const places = readings.map((reading) => axes.map((i) => reading.codes[i]));
  const categories = readings.map((reading) =>
    category < 0 ? 0 : reading.codes[category].indexOf(Math.max(...reading.codes[category])));
  const edges = [0, 1].map((axis) => {
    const sizes = places.map((place) => Math.abs(place[axis])).sort((a, b) => a - b);
    return Math.max(1.1 * sizes[Math.floor(0.98 * sizes.length)], 0.1); // the few beyond it stand at the edge
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const map = element("map");
  let chosen = -1;

  element("map-section").hidden = false;
  element("map-note").textContent =
    `${pictures.length} real pictures, each at Q's ${across} (to the right) and ${up} (upward).`;

  function colour(i) {
    return `hsl(${hue(i, count)} ${dark.matches ? "75% 70%" : "80% 34%"})`;
  }
  function point(i) {
    const [width, height] = [map.clientWidth, map.clientHeight];
    const at = places[i].map((value, axis) =>
      (Math.min(Math.max(value / edges[axis], -1), 1) + 1) / 2);
    return [MARGIN + at[0] * (width - 2 * MARGIN), height - MARGIN - at[1] * (height - 2 * MARGIN)];
  }
  function draw() {
    const [width, height] = [map.clientWidth, map.clientHeight];
    const ratio = devicePixelRatio || 1;
    Object.assign(map, { width: width * ratio, height: height * ratio });
    const context = map.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const [text, line] = ["--soft", "--line"].map((name) => style.getPropertyValue(name));
    context.strokeStyle = line;
    context.beginPath();
    context.moveTo(width / 2, MARGIN / 2);
    context.lineTo(width / 2, height - MARGIN / 2);
    context.moveTo(MARGIN / 2, height / 2);
    context.lineTo(width - MARGIN / 2, height / 2);
    context.stroke();
    const size = Math.min(30, Math.max(20, width / 34));
    pictures.forEach((pixels, i) => {
      const [x, y] = point(i);
      const picture = tinted(pixels, model.shape, colour(categories[i]));
      context.drawImage(picture, x - size / 2, y - size / 2, size, size);
    });
    if (chosen >= 0) {
      const [x, y] = point(chosen);
      Object.assign(context, { strokeStyle: style.getPropertyValue("--text"), lineWidth: 2 });
      context.strokeRect(x - size / 2 - 2, y - size / 2 - 2, size + 4, size + 4);
    }
    context.fillStyle = text;
    context.font = "13px system-ui, sans-serif";
    context.fillText(`${across} →`, width - MARGIN - 8, height / 2 - 6);
    context.fillText(`${up} ↑`, width / 2 + 6, MARGIN / 2 + 6);
    context.fillText(number(-edges[0]), 4, height / 2 - 6);
    context.fillText(number(-edges[1]), width / 2 + 6, height - 6);
  }
  function drawLegend() {
    const items = [...Array(category < 0 ? 0 : count).keys()].map((i) => {
      const swatch = make("i");
      swatch.style.background = colour(i);
      return make("li", {}, swatch, `${model.codes[category].name} = ${i}`);
    });
    element("legend").replaceChildren(...items);
  }
  function select(i) {
    chosen = i;
    const sorted = category < 0 ? "" : `, category ${categories[i]}`;
    const [x, y] = places[i].map(number);
    element("map-status").textContent = `Picture ${i + 1}: ${across} ${x}, ${up} ${y}${sorted}.`;
    draw();
  }
  /** Return the nearest picture to a point, or of those in a direction from it. */
  function nearest([x, y], [dx, dy] = [0, 0]) {
    let [best, least] = [-1, Infinity];
    places.forEach((_, i) => {
      const [ox, oy] = [point(i)[0] - x, point(i)[1] - y];
      const ahead = ox * dx + oy * dy;
      const aside = Math.abs(ox * dy) + Math.abs(oy * dx);
      if ((dx || dy) && (i === chosen || ahead <= 0 || aside > 2 * ahead)) return;
      if (Math.hypot(ox, oy) < least) [best, least] = [i, Math.hypot(ox, oy)];
    });
    return best;
  }
  map.addEventListener("click", (event) => {
    const box = map.getBoundingClientRect();
    select(nearest([event.clientX - box.left, event.clientY - box.top]));
    onChoice(chosen);
  });
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  map.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && chosen >= 0) onChoice(chosen);
    else if (event.key in directions) {
      const middle = [map.clientWidth / 2, map.clientHeight / 2];
      const next = chosen < 0 ? nearest(middle) : nearest(point(chosen), directions[event.key]);
      if (next >= 0) select(next);
    } else return;
    event.preventDefault();
  });
  const redraw = () => {
    draw();
    drawLegend();
  };
  dark.addEventListener("change", redraw);
  addEventListener("resize", draw);
  redraw();
}
