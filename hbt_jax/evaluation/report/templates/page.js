"use strict";

/* Heat map: order, metric, and the value of the cell under the pointer, the finger or the arrow keys. */
for (const figure of document.querySelectorAll("figure.heatmap")) {
  const data = Object.fromEntries(
    ["languages", "values", "orders", "names", "scale"].map((name) => [name, JSON.parse(figure.dataset[name])]));
  const [size, left, top, dark] = ["cell", "left", "top", "dark"].map((name) => Number(figure.dataset[name]));
  const svg = figure.querySelector("svg");
  const cells = [...svg.querySelectorAll(".cell")], numbers = [...svg.querySelectorAll(".in-cell")];
  const rows = [...svg.querySelectorAll("[data-row]")], columns = [...svg.querySelectorAll("[data-column]")];
  const mark = svg.querySelector(".chosen"), readout = figure.querySelector(".readout");
  const metricChoice = figure.querySelector("select[name=metric]");
  const orderChoice = figure.querySelector("select[name=order]");
  const count = data.languages.length;
  let metric = Object.keys(data.values)[0];
  let order = data.orders.script;  // the number of the language at each place
  let chosen = null;               // [row, column], as numbers of languages

  const colour = (value) => {
    const place = Math.min(Math.max(value, 0), 1) * (data.scale.length - 1);
    const low = Math.min(Math.floor(place), data.scale.length - 2);
    const part = (stop, from) => parseInt(data.scale[stop].slice(from, from + 2), 16);
    const mixed = [0, 2, 4].map((from) => Math.round(part(low, from) + (part(low + 1, from) - part(low, from)) * (place - low)));
    return `rgb(${mixed.join(" ")})`;
  };

  const draw = () => {
    const place = [];
    order.forEach((language, position) => { place[language] = position; });
    const middle = (size - 1) / 2;
    cells.forEach((cell, index) => {
      const row = Math.floor(index / count), column = index % count;
      const x = left + size * place[column], y = top + size * place[row];
      const thousandths = data.values[metric][row][column];
      cell.setAttribute("x", x);
      cell.setAttribute("y", y);
      cell.classList.toggle("absent", thousandths === null);
      if (thousandths === null) cell.removeAttribute("fill");
      else cell.setAttribute("fill", colour(thousandths / 1000));
      const number = numbers[index];
      if (number) {
        number.setAttribute("x", x + middle);
        number.setAttribute("y", y + middle + 4);
        number.style.fill = thousandths / 1000 >= dark ? "#000" : "#fff";
        number.textContent = thousandths === null ? "" : String(Math.round(thousandths / 10));
      }
    });
    rows.forEach((label, language) => label.setAttribute("y", top + size * (place[language] + 0.5) + 3.5));
    columns.forEach((label, language) => {
      const x = left + size * (place[language] + 0.5) + 3.5;
      label.setAttribute("transform", `translate(${x} ${top - 6}) rotate(-90)`);
    });
    tell();
  };

  const tell = () => {
    if (!chosen) return;
    const [row, column] = chosen, cell = cells[row * count + column];
    for (const [name, value] of [["x", cell.getAttribute("x")], ["y", cell.getAttribute("y")], ["width", size - 1],
      ["height", size - 1], ["visibility", "visible"]]) mark.setAttribute(name, value);
    const thousandths = data.values[metric][row][column];
    const [query, candidate] = [data.languages[row][1], data.languages[column][1]];
    const value = thousandths === null ? "no query counts" : `${data.names[metric]} ${(thousandths / 1000).toFixed(3)}`;
    readout.textContent = `${query} query, ${candidate} candidates: ${value}`;
  };

  const point = (event) => {
    const index = cells.indexOf(event.target.closest(".cell"));
    if (index < 0) return;
    chosen = [Math.floor(index / count), index % count];
    tell();
  };
  svg.addEventListener("pointerover", point);
  svg.addEventListener("click", point);
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const from = chosen ? chosen.map((language) => order.indexOf(language)) : [-step[0], -step[1]];
    chosen = from.map((place, axis) => order[Math.min(Math.max(place + step[axis], 0), count - 1)]);
    tell();
    cells[chosen[0] * count + chosen[1]].scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  const choose = () => {
    if (metricChoice) metric = metricChoice.value;
    const found = data.orders[orderChoice.value];
    order = Array.isArray(found) ? found : found[metric];
    draw();
  };
  for (const choice of [metricChoice, orderChoice]) if (choice) choice.addEventListener("change", choose);
  choose();  // a browser may come back to the page with other choices than the first
}

/* Tables: clicking a heading sorts by that column, a second click reverses the order; empty cells stay last. */
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  for (const head of table.querySelectorAll("th[data-sortable]")) {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const column = Number(head.dataset.sortable);
      const keyed = [...body.rows].map((row) => {
        const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
        return { row, empty: text === "", key: text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text };
      });
      const words = keyed.some(({ empty, key }) => !empty && typeof key === "string");
      const before = head.getAttribute("aria-sort");
      const ascending = before ? before === "descending" : words;  // numbers start with the largest, words with A
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const compare = (a, b) => (words ? String(a).localeCompare(String(b)) : a - b) * (ascending ? 1 : -1);
      keyed.sort((a, b) => a.empty - b.empty || (a.empty ? 0 : compare(a.key, b.key)));
      body.append(...keyed.map(({ row }) => row));
    });
  }
}

/* Print: everything that is folded away is shown, and folded again afterwards. */
const opened = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
});
