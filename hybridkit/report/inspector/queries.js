// The queries of a pair, a page at a time: a click, or the arrow keys and Enter, open one. Texts by textContent only.

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));

function moved(change) {
  if (change === null || change === undefined) return "";
  return change === 0 ? "=" : `${change < 0 ? "▲" : "▼"} ${number(Math.abs(change))}`;
}

function render({ model, el }) {
  const root = element("div", { class: "hk-queries", "data-lm-suppress-shortcuts": "true" });
  el.append(root);
  let rows = [];
  let at = 0;

  const turn = (page, row) => {
    const { pages } = model.get("page");
    if (page < 0 || page >= pages) return;
    at = row;
    model.set("wanted", page);
    model.save_changes();
  };

  const pick = (row) => {
    model.set("selected", row.dataset.queryId);
    model.save_changes();
  };

  const move = (to, focus) => {
    if (!rows.length) return;
    at = Math.min(Math.max(to, 0), rows.length - 1);
    rows.forEach((row, index) => { row.tabIndex = index === at ? 0 : -1; });
    if (focus) rows[at].focus();
  };

  const mark = () => rows.forEach((row) => {
    row.setAttribute("aria-selected", String(row.dataset.queryId === model.get("selected")));
  });

  const draw = () => {
    const focused = document.activeElement;
    const kept = root.contains(focused) ? focused.dataset.testid ?? "row" : "";
    const page = model.get("page");
    const table = element("table", { role: "grid", "data-testid": "queries", "aria-label": "Queries of the pair" });
    const head = element("tr", { role: "row" });
    const heads = model.get("heads"); // one without a name has no column: there is no second strategy
    for (const name of heads.filter((one) => one)) head.append(element("th", { role: "columnheader", scope: "col" }, name));
    table.append(head);
    rows = (page.rows ?? []).map((query) => {
      const row = element("tr", {
        role: "row", tabindex: "-1", "data-query-id": query.id, "data-rank": query.rank ?? "", "data-before": query.before ?? "",
      });
      const cell = element("td", { role: "gridcell", class: "hk-query-text" });
      cell.append(element("bdi", { lang: query.language, dir: query.direction }, query.text || query.id));
      row.append(cell);
      [number(query.before), number(query.rank), moved(query.change), number(query.distance)].forEach((value, nth) => {
        if (heads[nth + 1]) row.append(element("td", { role: "gridcell", class: "hk-number" }, value));
      });
      table.append(row);
      return row;
    });
    const foot = element("div", { class: "hk-foot" });
    const back = element("button", { type: "button", "data-testid": "page-previous", "aria-label": "Previous page of queries" }, "‹ Previous");
    const next = element("button", { type: "button", "data-testid": "page-next", "aria-label": "Next page of queries" }, "Next ›");
    const last = page.start + rows.length;
    const count = rows.length ? `${number(page.start + 1)}-${number(last)} of ${number(page.total)} queries` : page.wrong || "no query holds this";
    back.disabled = page.page <= 0;
    next.disabled = page.page >= page.pages - 1;
    back.addEventListener("click", () => turn(page.page - 1, 0));
    next.addEventListener("click", () => turn(page.page + 1, 0));
    foot.append(back, element("span", { "data-testid": "query-count", role: "status" }, count), next);
    const box = element("div", { class: "hk-scroll" });
    box.append(table);
    root.replaceChildren(box, foot);
    mark();
    move(at, kept === "row");
    if (kept.startsWith("page-")) root.querySelector(`[data-testid=${kept}]`).focus();
  };

  root.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-query-id]");
    if (!row) return;
    move(rows.indexOf(row), true);
    pick(row);
  });
  root.addEventListener("keydown", (event) => {
    if (!event.target.closest("tr[data-query-id]")) return;
    const { page } = model.get("page");
    if (event.key === "ArrowDown") at + 1 < rows.length ? move(at + 1, true) : turn(page + 1, 0);
    else if (event.key === "ArrowUp") at > 0 ? move(at - 1, true) : turn(page - 1, 1e6);
    else if (event.key === "PageDown") turn(page + 1, 0);
    else if (event.key === "PageUp") turn(page - 1, 0);
    else if (event.key === "Home") move(0, true);
    else if (event.key === "End") move(rows.length - 1, true);
    else if (event.key === "Enter" || event.key === " ") pick(rows[at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  model.on("change:page", draw);
  model.on("change:heads", draw);
  model.on("change:selected", mark);
  draw();
}

export default { render };
