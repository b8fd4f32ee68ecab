// The pages of language pairs: texts come from data files as plain values and go in by textContent, never as markup.
"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");
  const make = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  for (const node of document.querySelectorAll("[data-script]")) node.hidden = false;

  // ---- the matrix ----
  const matrices = globalThis.hybridkitMatrices;
  const table = document.getElementById("matrix");
  if (matrices && table) {
    const [strategy, minus, measure] = ["strategy", "minus", "measure"].map((id) => document.getElementById(id));
    const cells = [...table.querySelectorAll("[data-cell]")];
    const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("a[data-cell]")]);
    const links = rows.flat();

    const show = () => {
      for (const option of minus.options) option.disabled = option.value === strategy.value;
      const wanted = (one) => one.strategy === strategy.value && one.minus === minus.value && one.measure === measure.value;
      const found = matrices.views.find(wanted);
      const caption = document.getElementById("caption");
      document.getElementById("unknown").hidden = Boolean(found);
      caption.textContent = found ? found.caption : "";
      document.getElementById("worse").textContent = found ? `worse ${found.pairs[0]}` : "";
      document.getElementById("better").textContent = found ? found.pairs[1] : "";
      document.getElementById("pool-ends").textContent = found?.pool[1] ? `pool: ${found.pool.join(" to ")}` : "";
      const scale = document.getElementById("scale");
      [...scale.children].forEach((step, at) => {
        step.className = `${minus.value ? "d" : "s"}${at}`;
      });
      document.getElementById("insignificant").hidden = !minus.value;
      cells.forEach((cell) => {
        const [text, look] = found?.cells[cell.dataset.cell] ?? ["", "none"];
        cell.textContent = text;
        cell.className = look;
        const grey = look === "grey" ? ", not significant" : "";
        cell.setAttribute("aria-label", `${cell.title}: ${text ? `${measure.value.replace("_", " ")} ${text}${grey}` : "no value"}`);
      });
    };
    [strategy, minus, measure].forEach((control) => control.addEventListener("change", () => {
      if (minus.value === strategy.value) minus.value = "";
      show();
    }));

    const stop = (chosen) => links.forEach((link) => (link.tabIndex = link === chosen ? 0 : -1));
    stop(links[0]);  // one stop for the Tab key; arrows move inside
    table.addEventListener("focusin", (event) => links.includes(event.target) && stop(event.target));
    table.addEventListener("keydown", (event) => {
      const row = rows.findIndex((one) => one.includes(event.target));
      if (row < 0) return;
      const column = rows[row].indexOf(event.target);
      const to = {
        ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
        ArrowRight: [row, column + 1], Home: [row, 0], End: [row, rows[row].length - 1],
      }[event.key];
      if (!to) return;
      event.preventDefault();
      rows[to[0]]?.[to[1]]?.focus();
    });
    show();  // a browser keeps what was chosen when it comes back
  }

  // ---- a pair ----
  const page = read("page-data");
  if (!page) return;
  const files = globalThis.hybridkitTexts ?? {};
  const entry = (language, kind, position) => files[language]?.[kind]?.[position];
  const text = (tag, words, kind, way) => { // `way` is tag and direction of a text that is not written as its language is
    const [, direction, name] = page.languages[tag] ?? [tag, "auto", tag];
    const [lang, dir] = way ?? [tag, direction];
    return make("bdi", { class: `text ${kind}`, lang, dir, title: name, "data-testid": kind }, words);
  };
  const gloss = (position) => {
    const words = entry("en", "passages", position)?.[1];
    if (words === undefined) return [];
    return [make("details", {}, make("summary", {}, "English twin"), text("en", words, "gloss"))];
  };

  for (const node of document.querySelectorAll("[data-query]")) {
    const found = entry(node.lang, "queries", Number(node.dataset.query));
    if (!found) continue;
    node.textContent = found[1];
    [node.lang, node.dir] = found[2] ?? [node.lang, node.dir];
  }

  const passage = ([tag, position, score, mark], rank, scores) => {
    const [id, words, english, way] = entry(tag, "passages", position) ?? ["", "(text missing)", -1];
    const marks = { 1: "relevant", 2: "relevant twin" };
    const [, , name] = page.languages[tag] ?? [tag, "auto", tag];
    const head = make("div", { class: "head" }, make("span", {}, `${rank}.`),
      make("span", { class: "badge", title: name, "data-testid": "badge" }, way?.[0] ?? tag));
    if (mark) head.append(make("span", { class: "mark" }, mark === 1 ? "✓ relevant" : "✓ relevant, twin"));
    const bar = { min: Math.min(0, ...scores), max: Math.max(...scores, 1e-9), value: score };
    head.append(make("meter", { ...bar, "aria-label": `score ${score}` }), make("span", {}, String(score)));
    head.append(make("span", { class: "id" }, id));
    const item = { class: marks[mark] ?? "", "data-testid": "passage", "data-passage": id };
    return make("li", item, head, text(tag, words, "passage-text", way), ...(tag === "en" ? [] : gloss(english)));
  };
  const side = (name, ranked, which) => {
    if (!ranked) return make("p", {}, `${name}: no ranking kept; see the note at the top of the page.`);
    const scores = ranked.map((one) => one[2]);
    return make("section", { "aria-label": name }, make("h3", {}, name),
      make("ol", { "data-testid": `top-${which}` }, ...ranked.map((one, at) => passage(one, at + 1, scores))));
  };
  const fill = (node) => {
    if (node.dataset.filled) return;
    node.dataset.filled = "yes";
    const query = page.queries[node.dataset.top];
    const words = entry("en", "queries", query.english)?.[1];
    if (words !== undefined) node.append(make("p", {}, "In English: ", text("en", words, "query-gloss")));
    node.append(make("div", { class: "sides" },
      ...page.strategies.map((name, at) => side(name, query.top[at], ["now", "before"][at]))));
  };
  const folds = [...document.querySelectorAll("details[data-top]")];
  for (const node of folds) {
    node.querySelector(".needs-script")?.remove();
    node.addEventListener("toggle", () => node.open && fill(node));
    if (node.open) fill(node);  // a browser that comes back may have it open already
  }
  document.getElementById("open-all")?.addEventListener("click", (event) => {
    const open = folds.some((node) => !node.open);
    folds.forEach((node) => {
      if (open) fill(node);
      node.open = open;
    });
    event.target.textContent = open ? "Close all" : "Open all";
  });
})();
