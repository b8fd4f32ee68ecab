// The matrix of language pairs as a grid: a click, or the arrow keys and Enter, pick a pair. Texts by textContent only.

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// The colours from worse to better, with the values at their ends: of pairs, and of the pool, which has its own.
function legend(given) {
  const box = element("div", { class: "hk-legend", "data-testid": "legend" });
  if (!given) return box;
  const bar = element("span", { class: "hk-scale", "aria-hidden": "true" });
  bar.style.backgroundImage = `linear-gradient(to right, ${given.colours.join(", ")})`;
  const [pairs, pool] = [given.pairs, given.pool];
  box.append(element("span", {}, `worse ${pairs[0]}`), bar, element("span", {}, `${pairs[1]} `), element("b", {}, "better →"));
  if (pool[1]) box.append(element("span", {}, `pool: ${pool[0]} to ${pool[1]}`));
  if (given.difference) {
    box.append(element("span", { class: "hk-grey" }, "grey: not significant"), element("span", {}, "*: over other trainings too"));
  }
  return box;
}

function render({ model, el }) {
  const root = element("div", { class: "hk-matrix", "data-lm-suppress-shortcuts": "true" });
  el.append(root);
  let cells = []; // rows of cells, to move in
  let at = [0, 0];

  const pick = (cell) => {
    model.set("selected", [cell.dataset.query, cell.dataset.passage]);
    model.save_changes();
  };

  const move = (row, column, focus) => {
    if (!cells.length) return;
    at = [Math.min(Math.max(row, 0), cells.length - 1), Math.min(Math.max(column, 0), cells[0].length - 1)];
    for (const cell of cells.flat()) cell.tabIndex = -1;
    const cell = cells[at[0]][at[1]];
    cell.tabIndex = 0;
    if (focus) cell.focus();
  };

  const mark = () => {
    const [query, passage] = model.get("selected");
    cells.forEach((row, i) => row.forEach((cell, j) => {
      const chosen = cell.dataset.query === query && cell.dataset.passage === passage;
      cell.setAttribute("aria-selected", String(chosen));
      if (chosen) at = [i, j];
    }));
  };

  const draw = () => {
    const focused = root.contains(document.activeElement);
    const grid = model.get("grid");
    const table = element("table", { role: "grid", "data-testid": "matrix", "aria-label": grid.title ?? "" });
    table.append(element("caption", {}, grid.title ?? ""));
    const head = element("tr", { role: "row" });
    head.append(element("th", { role: "columnheader", "aria-label": "query language" }, "query ↓\npassage →"));
    for (const column of grid.columns ?? []) {
      const pool = column.tag === "*";
      head.append(element("th", { role: "columnheader", scope: "col", "aria-label": column.name, title: column.name },
        pool ? "pool" : column.tag));
    }
    table.append(head);
    cells = [];
    for (const row of grid.rows ?? []) {
      const line = element("tr", { role: "row" });
      line.append(element("th", { role: "rowheader", scope: "row", "aria-label": row.name, title: row.name }, row.tag));
      cells.push(row.cells.map((cell, index) => {
        const made = element("td", {
          role: "gridcell", tabindex: "-1", "data-testid": "cell", "data-query": row.tag,
          "data-passage": grid.columns[index].tag, "aria-label": cell.label, title: cell.label,
        }, cell.text);
        if (cell.colour && !cell.grey) {
          made.style.backgroundColor = cell.colour;
          made.style.color = cell.ink;
        }
        made.classList.toggle("hk-grey", cell.grey);
        made.classList.toggle("hk-pool", grid.columns[index].tag === "*");
        line.append(made);
        return made;
      }));
      table.append(line);
    }
    root.replaceChildren(table, legend(grid.legend));
    mark();
    move(at[0], at[1], focused);
  };

  root.addEventListener("click", (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    cells.forEach((row, i) => row.includes(cell) && move(i, row.indexOf(cell), true));
    pick(cell);
  });
  root.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key in steps) move(at[0] + steps[event.key][0], at[1] + steps[event.key][1], true);
    else if (event.key === "Home") move(event.ctrlKey ? 0 : at[0], 0, true);
    else if (event.key === "End") move(event.ctrlKey ? cells.length : at[0], 1e6, true);
    else if (event.key === "Enter" || event.key === " ") pick(cells[at[0]][at[1]]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  model.on("change:grid", draw);
  model.on("change:selected", () => { mark(); move(at[0], at[1], root.contains(document.activeElement)); });
  draw();
}

export default { render };
