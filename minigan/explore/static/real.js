"use strict";
// Real pictures and drawn ones: Q reads them, and their codes move the controls.

const BOX = 20 / 28; // the share of a side that a digit of MNIST fills
const PAD = 280; // pixels of the drawing pad
const PEN = 20; // width of its pen

/** Return the best category, or the value, of each code that Q reads. */
function codesOf(model, reading) {
  return reading.codes.map((read) =>
    Array.isArray(read) ? read.indexOf(Math.max(...read)) : read);
}

function sentence(model, reading) {
  const parts = reading.codes.map((read, i) => {
    const { name } = model.codes[i];
    if (!Array.isArray(read)) return `${name} = ${number(read)}`;
    const best = Math.max(...read);
    return `${name} = ${read.indexOf(best)} (${Math.round(100 * best)} %)`;
  });
  return `Q reads ${parts.join(", ")}. D: ${Math.round(100 * reading.real)} % real.`;
}

/** Return the drawing as bytes of the model's shape: scaled to the size of MNIST's digits, its centre of mass in the middle. */
function centred(pad, [height, width]) {
  const ink = pad.getContext("2d").getImageData(0, 0, PAD, PAD).data;
  let [left, right, top, bottom, mass, sumX, sumY] = [PAD, -1, PAD, -1, 0, 0, 0];
  for (let i = 0; i < PAD * PAD; i++) {
    const value = ink[4 * i];
    if (value < 30) continue;
    const [x, y] = [i % PAD, Math.floor(i / PAD)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    [mass, sumX, sumY] = [mass + value, sumX + x * value, sumY + y * value];
  }
  if (mass === 0) return null;
  const scale = (BOX * Math.min(height, width)) / Math.max(right - left + 1, bottom - top + 1);
  const small = make("canvas", { width, height });
  const context = small.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const [x, y] = [width / 2 - (scale * sumX) / mass, height / 2 - (scale * sumY) / mass];
  context.drawImage(pad, x, y, scale * PAD, scale * PAD);
  const data = context.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: height * width }, (_, i) => data[4 * i]);
}

function buildPad(onDrawing) {
  const pad = element("pad");
  const context = pad.getContext("2d", { willReadFrequently: true });
  let pen = null; // where the pen is while it is down
  let cursor = [PAD / 2, PAD / 2];
  let down = false; // the keyboard's pen

  function clear() {
    context.fillStyle = "#000";
    context.fillRect(0, 0, PAD, PAD);
  }
  function line([x0, y0], [x1, y1]) {
    Object.assign(context, { strokeStyle: "#fff", lineWidth: PEN, lineCap: "round" });
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1 + 0.01, y1);
    context.stroke();
  }
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    const scale = PAD / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    pen = place(event);
    line(pen, pen);
    onDrawing();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!pen) return;
    const next = place(event);
    line(pen, next);
    pen = next;
    onDrawing();
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { pen = null; });
  const moves = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
  pad.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      down = !down;
      if (down) line(cursor, cursor);
    } else if (event.key in moves) {
      const next = cursor.map((at, i) => Math.min(Math.max(at + moves[event.key][i], 20), PAD - 20));
      if (down) line(cursor, next);
      cursor = next;
    } else return;
    event.preventDefault();
    element("pad-help").textContent = `The pen is ${down ? "down" : "up"}, at ${cursor[0]}, ${cursor[1]} of ${PAD}.`;
    if (down) onDrawing();
  });
  element("clear").addEventListener("click", clear);
  clear();
  return pad;
}

function buildChoice(model, pictures, onChoice) {
  const shown = 36;
  let start = 0;
  function show() {
    const buttons = [];
    for (let i = start; i < Math.min(start + shown, pictures.length); i++) {
      const button = make("button", { type: "button", onclick: () => onChoice(i) }, make("canvas"));
      button.setAttribute("aria-label", `Real picture ${i + 1}`);
      drawPixels(button.firstChild, pictures[i], model.shape);
      buttons.push(button);
    }
    element("choice").replaceChildren(...buttons);
  }
  element("more").addEventListener("click", () => {
    start = start + shown < pictures.length ? start + shown : 0;
    show();
  });
  show();
}

/** Build the parts of the page that show real pictures. */
async function buildReal(model, engine, page) {
  const [height, width, channels] = model.shape;
  let current = null; // the picture that is read
  let known = null; // its reading, if there is one already

  const readCurrent = latest(async () => {
    const pixels = current;
    if (!pixels) return;
    const reading = known || (await engine.read(pixels));
    drawPixels(element("original"), pixels, model.shape);
    element("reading").textContent = sentence(model, reading);
    page.setCodes(codesOf(model, reading));
  });
  page.onPicture = (pixels) => drawPixels(element("redrawn"), pixels, model.shape);

  function choose(pixels, reading = null) {
    [current, known] = [pixels, reading];
    readCurrent();
  }
  if (channels === 1) {
    element("drawing-section").hidden = element("reading-section").hidden = false;
    const pad = buildPad(() => choose(centred(pad, [height, width])));
  }
  const { pictures, readings } = await engine.real();
  if (!pictures.length) return;
  const chooseReal = (i) => {
    choose(pictures[i], readings[i]);
    element("reading-section").scrollIntoView({ block: "nearest" });
  };
  element("choice-section").hidden = element("reading-section").hidden = false;
  buildChoice(model, pictures, chooseReal);
  buildMap(model, pictures, readings, chooseReal);
}
