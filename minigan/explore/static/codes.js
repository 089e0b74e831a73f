"use strict";
// The controls of the codes, the picture and the traversal. An engine draws the pictures: a server, or this page itself.

const QUIET = 100; // milliseconds without a change before the traversal is drawn

const element = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Return a number with one sign and two decimals, with a true minus. */
const number = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

/** Draw bytes (height, width, channels) on a canvas, one pixel each. */
function drawPixels(canvas, pixels, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (c % channels)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Return a function that runs `task` for its newest call: calls while it runs become one more run. */
function latest(task) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await task();
      }
      element("error").textContent = "";
    } catch (error) {
      element("error").textContent = error.message;
    } finally {
      running = false;
    }
  };
}

/** One code: `set` moves its control, and `show` marks what Q reads. */
function categoryControl(code, onChange) {
  const buttons = [...Array(code.size).keys()].map((category) => {
    const input = make("input", { type: "radio", name: code.name, value: category });
    input.checked = category === 0;
    input.addEventListener("change", () => onChange(category));
    return make("label", { className: "category" }, input, make("span", { textContent: category }));
  });
  const value = make("span", { className: "value" });
  const group = make("div", { className: "categories" }, ...buttons);
  const root = make("fieldset", {}, make("legend", {}, `${code.name}: category `, value), group);
  return {
    root,
    value: 0,
    set(category) {
      buttons[category].firstChild.checked = true;
    },
    show(probabilities) {
      const best = probabilities.indexOf(Math.max(...probabilities));
      value.textContent = `Q reads ${best} (${Math.round(100 * probabilities[best])} %)`;
      buttons.forEach((button, i) => {
        button.lastChild.style.setProperty("--read", `${100 * probabilities[i]}%`);
      });
    },
  };
}

function sliderControl(code, limit, onChange) {
  const input = make("input", { type: "range", id: `slider-${code.name}` });
  Object.assign(input, { min: -limit, max: limit, step: 0.05, value: 0 });
  const value = make("span", { className: "value" });
  const label = make("label", { className: "name", htmlFor: input.id }, code.name);
  const mark = make("i");
  mark.hidden = true;
  const track = make("div", { className: "track" }, mark);
  track.setAttribute("aria-hidden", "true");
  const root = make("div", { className: "slider" }, label, " ", value, input, track);
  let read = "";
  const describe = () => {
    input.setAttribute("aria-valuetext", number(Number(input.value)));
    value.textContent = number(Number(input.value)) + read;
  };
  input.addEventListener("input", () => {
    describe();
    onChange(Number(input.value));
  });
  describe();
  return {
    root,
    value: 0,
    set(to) {
      input.value = to;
      describe();
    },
    show(mean) {
      read = `, Q reads ${number(mean)}`;
      describe();
      mark.hidden = false;
      const place = Math.min(Math.max(mean, -limit), limit);
      mark.style.left = `${(100 * (place + limit)) / (2 * limit)}%`;
    },
  };
}

/**
 * Build the controls of a model's codes.
 *
 * engine.picture(noise, codes) gives {pixels, real, codes}: D's probability and Q's reading may be absent.
 * engine.traversal(noise, codes, index) gives {pictures, values}. engine.newNoise() gives another noise.
 * Returns an object: setCodes(codes) moves the controls, and onPicture is called with each new picture.
 */
function buildCodes(model, engine) {
  const page = { codes: model.codes.map(() => 0), noise: engine.newNoise(true), onPicture: null };
  const controls = model.codes.map((code, i) => {
    const change = (value) => {
      page.codes[i] = value;
      refresh();
    };
    if (code.kind === "categorical") return categoryControl(code, change);
    return sliderControl(code, model.limit, change);
  });
  element("codes").append(...controls.map((control) => control.root));
  element("title").textContent = `${model.title}, after ${model.step} steps of training`;

  const draw = latest(async () => {
    const answer = await engine.picture(page.noise, [...page.codes]);
    drawPixels(element("picture"), answer.pixels, model.shape);
    const names = model.codes.map((code, i) =>
      `${code.name} ${code.kind === "categorical" ? page.codes[i] : number(page.codes[i])}`);
    element("picture").setAttribute("aria-label", `The picture that G draws for ${names.join(", ")}`);
    if (answer.codes) {
      element("judgement").textContent = `D: ${Math.round(100 * answer.real)} % real`;
      controls.forEach((control, i) => control.show(answer.codes[i]));
    }
    if (page.onPicture) page.onPicture(answer.pixels);
  });

  const varied = element("varied");
  varied.append(...model.codes.map((code, i) => make("option", { value: i, textContent: code.name })));
  varied.selectedIndex = Math.max(model.codes.findIndex((code) => code.kind === "continuous"), 0);
  const traverse = latest(async () => {
    const index = varied.selectedIndex;
    const { pictures, values } = await engine.traversal(page.noise, [...page.codes], index);
    drawStrip(index, pictures, values);
  });

  function drawStrip(index, pictures, values) {
    const strip = element("traversal");
    const kind = model.codes[index].kind;
    while (strip.children.length > values.length) strip.lastChild.remove();
    while (strip.children.length < values.length) {
      const button = make("button", { type: "button" }, make("canvas"), make("span"));
      strip.append(button);
    }
    [...strip.children].forEach((button, i) => {
      const text = kind === "categorical" ? String(values[i]) : number(values[i]);
      drawPixels(button.firstChild, pictures[i], model.shape);
      button.lastChild.textContent = text;
      button.setAttribute("aria-label", `${model.codes[index].name} = ${text}`);
      button.onclick = () => {
        page.codes[index] = values[i];
        page.setCodes(page.codes);
      };
    });
  }

  let waiting = 0;
  function refresh() {
    draw();
    clearTimeout(waiting);
    waiting = setTimeout(traverse, QUIET); // the picture comes first while a slider moves
  }

  page.setCodes = (codes) => {
    page.codes = codes.map((value, i) => {
      if (model.codes[i].kind === "categorical") return value;
      return Math.min(Math.max(value, -model.limit), model.limit);
    });
    controls.forEach((control, i) => control.set(page.codes[i]));
    refresh();
  };
  varied.addEventListener("change", traverse);
  element("new-noise").addEventListener("click", () => {
    page.noise = engine.newNoise();
    refresh();
  });
  element("reset").addEventListener("click", () => page.setCodes(model.codes.map(() => 0)));
  refresh();
  return page;
}
