// Elements and numbers, which the other scripts share.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const operations = data.operations;

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return element;
}

// An HTML element; texts among its children are texts, never markup.
function tag(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function title(text) {
  return svg("title", {}, text);
}

const inMilliseconds = (seconds) => (1e3 * seconds).toFixed(seconds < 0.001 ? 3 : seconds < 0.1 ? 2 : 0);
const milliseconds = (seconds) => `${inMilliseconds(seconds)} ms`;

function scaled(value, unit = "") {
  for (const prefix of ["", "k", "M", "G"]) {
    if (Math.abs(value) < 999.5) return `${Number(value.toPrecision(3))} ${prefix}${unit}`;
    value /= 1000;
  }
  return `${Number(value.toPrecision(3))} T${unit}`;
}

const shape = (array) => array.shape.join("×") || "scalar";
const runs = (operation) =>
  [[operation.isKernel ? "kernel" : "forward", operation.forward], ["backward", operation.backward]].filter(([, run]) => run);
const total = (operation) => runs(operation).reduce((sum, [, run]) => sum + run.seconds, 0);

function buttons(place, actions) {
  for (const [name, meaning, action] of actions) {
    place.append(tag("button", { type: "button", "aria-label": meaning, title: meaning, onclick: action }, name));
  }
}

// Call move(dx, dy, event) while a pointer drags, and zoom(factor, x, y) for a wheel or a pinch, in pixels of the element.
function draggable(element, move, zoom) {
  const pointers = new Map();
  let travelled = 0;
  const at = (event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y) || 1, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  element.addEventListener("pointerdown", (event) => {
    if (pointers.size === 0) travelled = 0;
    pointers.set(event.pointerId, at(event));
  });
  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    if (pointers.size === 1) {
      travelled += Math.hypot(now.x - before.x, now.y - before.y);
      if (travelled > 4) {
        element.setPointerCapture(event.pointerId);
        move(now.x - before.x, now.y - before.y);
      }
      pointers.set(event.pointerId, now);
    } else {
      const old = spread();
      pointers.set(event.pointerId, now);
      const wide = spread();
      travelled = 99;
      zoom(old.distance / wide.distance, wide.x, wide.y);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  // The click that ends a drag chooses nothing.
  element.addEventListener("click", (event) => travelled > 4 && event.stopPropagation(), true);
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    zoom(Math.exp(event.deltaY / 400), x, y);
  }, { passive: false });
}
