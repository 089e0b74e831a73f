"use strict";
// The page that `minigan explore --export` writes: G runs here, without a server.

const TRAVERSAL_STEPS = 9;

const model = JSON.parse(element("model").textContent);
const layers = decodeLayers(model.layers);
element("weights").textContent = model.note;

function draw(noise, codes) {
  return toBytes(generate(layers, encodeLatents(model, noise, codes)), model.low);
}

/** Let the browser show what there is before the next calculation. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

buildCodes(model, {
  newNoise: (first) =>
    first ? model.noise : Array.from(model.noise, () => Math.random() * 2 - 1),
  async picture(noise, codes) {
    return { pixels: draw(noise, codes) };
  },
  async traversal(noise, codes, index) {
    const { kind, size } = model.codes[index];
    const count = kind === "categorical" ? size : TRAVERSAL_STEPS;
    const values = Array.from({ length: count }, (_, i) =>
      kind === "categorical" ? i : model.limit * ((2 * i) / (count - 1) - 1));
    const pictures = [];
    for (const value of values) {
      pictures.push(draw(noise, codes.with(index, value)));
      await pause();
    }
    return { pictures, values };
  },
});
