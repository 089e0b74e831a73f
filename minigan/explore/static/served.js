"use strict";
// The page that `minigan explore` serves: the server draws and reads the pictures.

async function ask(name, fields = {}) {
  let response;
  try {
    response = await fetch(`api/${name}`, { method: "POST", body: JSON.stringify(fields) });
  } catch {
    throw new Error("The server does not answer. Start minigan explore again, and reload this page.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const server = {
  newNoise: (first) => (first ? 0 : Math.floor(Math.random() * 2 ** 32)),
  async picture(noise, codes) {
    const answer = await ask("picture", { noise, codes });
    return { ...answer, pixels: bytes(answer.pixels) };
  },
  async traversal(noise, codes, code) {
    const answer = await ask("traversal", { noise, codes, code });
    return { pictures: answer.pixels.map(bytes), values: answer.values };
  },
  async read(pixels) {
    return ask("read", { pixels: btoa(String.fromCharCode(...pixels)) });
  },
  async real() {
    const answer = await ask("real");
    return { pictures: answer.pixels.map(bytes), readings: answer.readings };
  },
};

(async () => {
  try {
    const model = await ask("model");
    element("codes-note").textContent =
      "A bar in a category, and the mark under a slider, show what Q reads in the picture.";
    const page = buildCodes(model, server);
    await buildReal(model, server, page);
  } catch (error) {
    element("error").textContent = error.message;
  }
})();
