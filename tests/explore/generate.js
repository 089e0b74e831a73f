"use strict";
// Run the generator of an exported page: the page's path, then {noise, codes} pairs as JSON on standard input.
const fs = require("node:fs");
const vm = require("node:vm");

const page = fs.readFileSync(process.argv[2], "utf8");
const script = page.match(/<script>\n("use strict";\n\/\/ G in the browser[^]*?)<\/script>/)[1];
const text = page.match(/id="model">([^]*?)<\/script>/)[1];
vm.runInThisContext(script);
const [decode, encode, run] = vm.runInThisContext("[decodeLayers, encodeLatents, generate]");
const model = JSON.parse(text);
const layers = decode(model.layers);
const images = JSON.parse(fs.readFileSync(0, "utf8")).map(({ noise, codes }) =>
  Array.from(run(layers, encode(model, noise || model.noise, codes))));
process.stdout.write(JSON.stringify(images));
