"use strict";

/* Heatmap: the order of rows and columns, and the value of the cell under the pointer or finger. */
for (const figure of document.querySelectorAll("figure.heatmap")) {
  const svg = figure.querySelector("svg");
  const languages = JSON.parse(figure.dataset.languages);
  const size = Number(svg.dataset.cell), left = Number(svg.dataset.left), top = Number(svg.dataset.top);
  const cells = [...svg.querySelectorAll(".cell")];
  const readout = figure.querySelector(".readout");

  const mean = (side) => languages.map((_, index) => {
    const values = cells
      .filter((cell) => Number(cell.dataset[side]) === index && cell.dataset.q !== cell.dataset.c && cell.dataset.value)
      .map((cell) => Number(cell.dataset.value));
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : -1;
  });
  const keys = {
    script: (index) => [languages[index].script, languages[index].code],
    code: (index) => [languages[index].code],
    resource: (index) => [languages[index].under_resourced ? 0 : 1, languages[index].script, languages[index].code],
    query: (index) => [-mean("q")[index]],
    candidate: (index) => [-mean("c")[index]],
  };
  const compare = (a, b) => {
    for (let place = 0; place < a.length; place += 1) {
      if (a[place] < b[place]) return -1;
      if (a[place] > b[place]) return 1;
    }
    return 0;
  };

  const arrange = (order) => {
    const key = languages.map((_, index) => keys[order](index));
    const sorted = languages.map((_, index) => index).sort((a, b) => compare(key[a], key[b]));
    const place = [];
    sorted.forEach((index, position) => { place[index] = position; });
    for (const cell of cells) {
      cell.setAttribute("x", left + size * place[cell.dataset.c]);
      cell.setAttribute("y", top + size * place[cell.dataset.q]);
    }
    for (const label of svg.querySelectorAll("[data-row]")) {
      label.setAttribute("y", top + size * (place[label.dataset.row] + 0.5) + 3.5);
    }
    for (const label of svg.querySelectorAll("[data-column]")) {
      const x = left + size * (place[label.dataset.column] + 0.5) + 3.5;
      label.setAttribute("transform", `translate(${x} ${top - 6}) rotate(-90)`);
    }
  };

  let chosen = null;
  const show = (event) => {
    const cell = event.target.closest(".cell");
    if (!cell || cell === chosen) return;
    if (chosen) chosen.classList.remove("chosen");
    chosen = cell;
    cell.classList.add("chosen");
    readout.textContent = cell.querySelector("title").textContent;
  };
  svg.addEventListener("pointerover", show);
  svg.addEventListener("click", show);
  figure.querySelector("select").addEventListener("change", (event) => arrange(event.target.value));
}

/* Tables: a click on a column's head sorts by it, a second click the other way round. */
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  for (const head of table.querySelectorAll("th[data-sortable]")) {
    head.addEventListener("click", () => {
      const column = Number(head.dataset.sortable);
      const down = head.dataset.direction !== "down";
      head.dataset.direction = down ? "down" : "up";
      const value = (row) => {
        const text = row.cells[column].dataset.value ?? row.cells[column].textContent;
        return text === "" ? -Infinity : Number.isNaN(Number(text)) ? text : Number(text);
      };
      const rows = [...body.rows].sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0));
      const ascending = down === (typeof value(rows[0]) === "string");  // numbers start with the largest, words with A
      body.append(...(ascending ? rows : rows.reverse()));
    });
  }
}
