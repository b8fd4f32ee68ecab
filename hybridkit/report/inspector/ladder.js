// The rank ladder: the ranks of all parallel passages in the pool, on a log axis, with the moves between two strategies.

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, TOP, LEFT, GAP] = [380, 40, 62, 13];

function shape(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// Labels of like rank are pushed apart, in order, and up again where they ran over the floor.
function spread(points) {
  const sorted = [...points].sort((a, b) => a.y - b.y);
  let last = -Infinity;
  for (const point of sorted) last = point.at = Math.max(point.y, last + GAP);
  let floor = HEIGHT - 6;
  for (const point of sorted.reverse()) floor = (point.at = Math.min(point.at, floor)) - GAP;
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "hk-ladder";
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(root);

  const pick = (language) => {
    model.set("picked", ""); // so that the same language can be picked again
    model.set("picked", language);
    model.save_changes();
  };

  const draw = () => {
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset : null;
    const { strategies = [], points = [], pool = 1 } = model.get("data");
    const WIDTH = Math.max(560, LEFT + 160 + 190 * (strategies.length - 1));
    const description = `Rank ladder: ${points.map((point) => point.label).join("; ")}`;
    const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": description, "data-testid": "ladder" });
    const x = (index) => LEFT + 70 + (index * (WIDTH - LEFT - 150)) / Math.max(strategies.length - 1, 1);
    // the axis begins at the decade of the best rank and ends below the worst
    const ranks = points.map((point) => point.rank);
    const first = 10 ** Math.floor(Math.log10(Math.min(...ranks, pool)));
    const last = Math.max(...ranks, 10 * first);
    const y = (rank) => TOP + (Math.log(rank / first) / Math.log(last / first)) * (HEIGHT - TOP - 20);
    for (let rank = first; rank <= last; rank *= 10) {
      svg.append(shape("line", { x1: LEFT - 4, x2: WIDTH, y1: y(rank), y2: y(rank), class: "hk-rule" }));
      svg.append(shape("text", { x: LEFT - 8, y: y(rank) + 4, class: "hk-tick" }, rank.toLocaleString("en")));
    }
    svg.append(shape("text", { x: 12, y: HEIGHT / 2, transform: `rotate(-90 12 ${HEIGHT / 2})`, class: "hk-axis" }, "rank in the pool (log)"));
    const placed = points.map((point) => ({ ...point, side: strategies.findIndex((one) => one.name === point.strategy), y: y(point.rank) }));
    for (const point of placed) {
      const other = placed.find((one) => one.language === point.language && one.side === point.side + 1);
      if (!other) continue;
      const way = other.rank < point.rank ? "hk-up" : other.rank > point.rank ? "hk-down" : "hk-same";
      svg.append(shape("line", { x1: x(point.side), y1: point.y, x2: x(other.side), y2: other.y, class: `hk-move ${way}` }));
    }
    strategies.forEach((strategy, side) => {
      svg.append(shape("text", { x: x(side), y: 18, class: "hk-strategy-name" }, strategy.label));
      const own = placed.filter((point) => point.side === side);
      spread(own);
      const right = side > 0 || strategies.length === 1;
      for (const point of own) {
        const group = shape("g", {
          role: "button", tabindex: "0", "aria-label": point.label, "data-strategy": point.strategy,
          "data-language": point.language, "data-rank": point.rank, class: "hk-point",
        });
        const [from, to] = right ? [x(side) + 6, x(side) + 20] : [x(side) - 6, x(side) - 20];
        group.append(shape("title", {}, point.label));
        group.append(shape("line", { x1: from, y1: point.y, x2: to, y2: point.at, class: "hk-rule" }));
        group.append(shape("circle", { cx: x(side), cy: point.y, r: 4.5, fill: strategy.colour }));
        group.append(shape("text", { x: right ? to + 3 : to - 3, y: point.at + 4, "text-anchor": right ? "start" : "end" },
          `${point.language} ${point.rank.toLocaleString("en")}`));
        group.addEventListener("click", () => pick(point.language));
        svg.append(group);
      }
    });
    svg.style.maxWidth = `${WIDTH * 1.15}px`;
    root.replaceChildren(svg);
    if (focused) {
      const again = [...svg.querySelectorAll(".hk-point")];
      again.find((one) => one.dataset.language === focused.language && one.dataset.strategy === focused.strategy)?.focus();
    }
  };

  root.addEventListener("keydown", (event) => {
    const point = event.target.closest(".hk-point");
    if (!point || (event.key !== "Enter" && event.key !== " ")) return;
    pick(point.dataset.language);
    event.preventDefault();
    event.stopPropagation();
  });
  model.on("change:data", draw);
  draw();
}

export default { render };
