// What is chosen and searched for, and the list of operations.
const state = { chosen: 0, query: "" };
const list = document.getElementById("list");
const rowsOfList = [];

const texts = operations.map((o) => [
  `#${o.number}`, o.name, o.module, o.place, o.formula, o.output ? shape(o.output) : "",
  ...o.inputs.map((array) => `${array.name} ${shape(array)}`), ...runs(o).flatMap(([, run]) => run.calls.map((call) => call.kernel)),
].join("\n").toLowerCase());
const matches = (number) => texts[number].includes(state.query);

function mark() {
  graph.mark(state.chosen, matches);
  timeline.mark(state.chosen, matches);
  rowsOfList.forEach((row, number) => {
    row.classList.toggle("chosen", number === state.chosen);
    row.classList.toggle("dim", !matches(number));
  });
}

function choose(number) {
  state.chosen = number;
  detail.show(number);
  graph.show(number);
  mark();
  if (location.hash !== `#${number}`) history.replaceState(null, "", `#${number}`);
}

function search(event) {
  state.query = event.target.value.trim().toLowerCase().replaceAll("*", "×");
  const found = operations.filter((o) => matches(o.number)).length;
  document.getElementById("found").textContent = state.query ? `${found} of ${operations.length}` : "";
  mark();
}

function nextMatch(event) {
  if (event.key !== "Enter") return;
  const order = operations.map((_, i) => (state.chosen + 1 + i) % operations.length);
  const next = order.find(matches);
  if (next !== undefined) choose(next);
}

function drawList() {
  const heads = ["#", "operation", "in", "output", "forward", "backward", "saves"];
  const text = (i) => (i >= 1 && i <= 3 ? "text" : "");
  list.append(tag("thead", {}, tag("tr", {}, heads.map((head, i) => tag("th", { class: text(i), scope: "col" }, head)))));
  for (const o of operations) {
    const saves = o.saved.reduce((all, item) => all + (item.isNew ? item.bytes : 0), 0);
    const cells = [
      o.number, tag("button", { type: "button", class: "link", onclick: () => choose(o.number) }, o.name), o.module,
      o.output ? shape(o.output) : "", milliseconds(o.forward.seconds), o.backward ? milliseconds(o.backward.seconds) : "", saves ? scaled(saves, "B") : "",
    ];
    rowsOfList.push(tag("tr", {}, cells.map((cell, i) => tag("td", { class: text(i) }, cell))));
  }
  list.append(tag("tbody", {}, rowsOfList));
}

document.getElementById("summary").textContent =
  data.summary.replace(/^.*? on /, "on ") + (data.leftOut ? `. The page leaves out ${data.leftOut}, to stay small` : "") +
  (data.all > operations.length ? `. The page shows the first ${operations.length.toLocaleString("en")} of ${data.all.toLocaleString("en")} operations and kernel calls` : "") + ".";
drawList();
if (operations.length) {
  graph.start();
  timeline.start();
  document.getElementById("query").addEventListener("input", search);
  document.getElementById("query").addEventListener("keydown", nextMatch);
  const slowest = operations.reduce((best, o) => (total(o) > total(operations[best]) ? o.number : best), 0);
  const wanted = Number(location.hash.slice(1) || NaN);
  choose(wanted in operations ? wanted : slowest);
} else {
  document.getElementById("detail").textContent = "No operation was recorded.";
}
document.documentElement.dataset.ready = "yes";
