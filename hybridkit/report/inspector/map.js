// Maps of all texts on canvases: a point a text, passages as dots, queries as crosses. A click or Enter picks a point,
// arrow keys go from point to point, a drag chooses a rectangle. Texts by textContent only.

const [SIZE, EDGE, NEAR] = [420, 12, 14];

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// What is read below starts at an offset that a typed array would have to be aligned to: a copy always is.
const array = (kind, view) => new kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

function render({ model, el }) {
  const root = element("div", { class: "hk-map", "data-lm-suppress-shortcuts": "true" });
  el.append(root);
  let maps = []; // each with its canvas, positions on it, name
  let shared = null; // language and side of every point
  let at = -1; // the point that the keys are on
  let extent = []; // of each map: left, right, low, high

  const send = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const isChosen = (mask, point) => !mask || mask[point] === 1;
  const mask = () => {
    const view = model.get("chosen");
    return view?.byteLength ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : null;
  };

  // Where points are on a canvas of SIZE; the largest 32-bit numbers of the frame stay what they are.
  const place = (map, number) => {
    const [left, right, low, high] = extent[number];
    const scale = (SIZE - 2 * EDGE) / Math.max(right - left, high - low, 1e-12);
    map.scale = scale;
    map.px = Float32Array.from(map.x, (value) => EDGE + (value - left) * scale);
    map.py = Float32Array.from(map.y, (value) => SIZE - EDGE - (value - low) * scale);
  };

  const whole = (map) => {
    const ends = [Infinity, -Infinity, Infinity, -Infinity];
    for (let point = 0; point < map.x.length; point += 1) {
      ends[0] = Math.min(ends[0], map.x[point]);
      ends[1] = Math.max(ends[1], map.x[point]);
      ends[2] = Math.min(ends[2], map.y[point]);
      ends[3] = Math.max(ends[3], map.y[point]);
    }
    return ends;
  };

  const paint = (map) => {
    const style = getComputedStyle(root);
    const [ink, ground] = [style.color, getComputedStyle(root.closest(".hk-inspector") ?? root).backgroundColor];
    const ratio = globalThis.devicePixelRatio || 1;
    map.canvas.width = map.canvas.height = SIZE * ratio;
    const pen = map.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const chosen = mask();
    const [sums, cut] = [new Map(), SIZE + EDGE];
    for (const pass of [false, true]) { // what is not chosen is below
      pen.globalAlpha = pass ? 0.75 : 0.12;
      for (let point = 0; point < map.px.length; point += 1) {
        const [x, y] = [map.px[point], map.py[point]];
        if (isChosen(chosen, point) !== pass || x < -EDGE || y < -EDGE || x > cut || y > cut) continue;
        const language = shared.language[point];
        pen.fillStyle = pass ? shared.languages[language].colour : ink;
        if (shared.passage[point]) pen.fillRect(x - 1.5, y - 1.5, 3, 3);
        else {
          pen.fillRect(x - 2.5, y - 0.5, 5, 1);
          pen.fillRect(x - 0.5, y - 2.5, 1, 5);
        }
        if (!pass) continue;
        const sum = sums.get(language) ?? [0, 0, 0];
        sums.set(language, [sum[0] + x, sum[1] + y, sum[2] + 1]);
      }
    }
    pen.globalAlpha = 1;
    const ring = (point, colour, radius) => {
      pen.strokeStyle = colour;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(map.px[point], map.py[point], radius, 0, 2 * Math.PI);
      pen.stroke();
    };
    const [query, ...answers] = model.get("links");
    for (const answer of answers) { // from the open query to the passages that answer it
      for (const [colour, width] of [[ground, 4], [ink, 1.5]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.beginPath();
        pen.moveTo(map.px[query], map.py[query]);
        pen.lineTo(map.px[answer], map.py[answer]);
        pen.stroke();
      }
    }
    for (const answer of answers) ring(answer, ink, 4);
    if (query !== undefined) ring(query, ink, 7);
    if (at >= 0) ring(at, "#d55e00", 9);
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.lineJoin = "round";
    const taken = [];
    for (const [language, [x, y, count]] of sums) { // a language's tag amid its points, where there is room for it
      const mean = [x / count, y / count];
      if (taken.some((one) => Math.abs(one[0] - mean[0]) < 26 && Math.abs(one[1] - mean[1]) < 14)) continue;
      taken.push(mean);
      pen.strokeStyle = ground;
      pen.lineWidth = 4;
      pen.strokeText(shared.languages[language].tag, mean[0], mean[1] + 4);
      pen.fillStyle = ink;
      pen.fillText(shared.languages[language].tag, mean[0], mean[1] + 4);
    }
  };
  const repaint = () => maps.forEach(paint);

  const nearest = (map, x, y, most, wanted = () => true) => {
    const chosen = mask();
    let [best, found] = [most * most, -1];
    for (let point = 0; point < map.px.length; point += 1) {
      const far = (map.px[point] - x) ** 2 + (map.py[point] - y) ** 2;
      if (far < best && isChosen(chosen, point) && wanted(point)) [best, found] = [far, point];
    }
    return found;
  };

  const rest = element("p", { class: "hk-tip", "data-testid": "map-tip", role: "status" });
  const hint = "Point at a text to read it; a click opens its query. Drag to choose a rectangle. Arrow keys and Enter work too.";
  const showTip = () => {
    const tip = model.get("tip");
    rest.replaceChildren();
    if (tip.position !== model.get("hovered") || tip.position === undefined) rest.textContent = hint;
    else rest.append(element("b", {}, `${tip.what}: `), element("bdi", { lang: tip.language, dir: tip.direction }, tip.text));
  };
  const hover = (point) => {
    if (point === model.get("hovered")) return;
    at = point;
    send("hovered", point);
    repaint();
  };

  const where = (map, event) => {
    const box = map.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
  };
  const inData = (map, number, x, y) => {
    const [left, , low] = extent[number];
    return [left + (x - EDGE) / map.scale, low + (SIZE - EDGE - y) / map.scale];
  };

  const listen = (map, number) => {
    const { canvas, frame } = map;
    let start = null;
    canvas.addEventListener("pointerdown", (event) => {
      start = where(map, event);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = where(map, event);
      if (!start) hover(nearest(map, x, y, NEAR));
      else if (Math.hypot(x - start[0], y - start[1]) > 5) {
        frame.hidden = false;
        const [left, top] = [Math.min(x, start[0]), Math.min(y, start[1])];
        Object.assign(frame.style, {
          left: `${(100 * left) / SIZE}%`, top: `${(100 * top) / SIZE}%`,
          width: `${(100 * Math.abs(x - start[0])) / SIZE}%`, height: `${(100 * Math.abs(y - start[1])) / SIZE}%`,
        });
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      const [x, y] = where(map, event);
      const from = start;
      start = null;
      maps.forEach((one) => (one.frame.hidden = one !== map || frame.hidden));
      if (!from) return;
      if (Math.hypot(x - from[0], y - from[1]) > 5) {
        const [one, other] = [inData(map, number, ...from), inData(map, number, x, y)];
        const ends = [0, 1].flatMap((axis) => [Math.min(one[axis], other[axis]), Math.max(one[axis], other[axis])]);
        send("box", [number, ...ends]);
        return;
      }
      const point = nearest(map, x, y, NEAR);
      if (point < 0) return;
      model.set("picked", -1); // so that the same point can be picked again
      send("picked", point);
    });
    canvas.addEventListener("pointerleave", () => start || hover(-1));
    canvas.addEventListener("keydown", (event) => {
      const way = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
      if (way) {
        const [x, y] = at < 0 ? [SIZE / 2, SIZE / 2] : [map.px[at], map.py[at]];
        const ahead = (point) => {
          const [dx, dy] = [map.px[point] - x, map.py[point] - y];
          return dx * way[0] + dy * way[1] > 0.5 && Math.abs(dx * way[1]) + Math.abs(dy * way[0]) <= Math.abs(dx * way[0] + dy * way[1]);
        };
        const point = nearest(map, x, y, SIZE, at < 0 ? undefined : ahead);
        if (point >= 0) hover(point);
      } else if (event.key === "Enter" && at >= 0) {
        model.set("picked", -1);
        send("picked", at);
      } else if (event.key !== "Escape") return;
      else clear();
      event.preventDefault();
      event.stopPropagation();
    });
  };

  const clear = () => {
    maps.forEach((map) => (map.frame.hidden = true));
    send("box", []);
  };
  const zoom = (out) => {
    const box = model.get("box");
    maps.forEach((map, number) => {
      if (out) extent[number] = whole(map);
      else if (box.length && box[0] === number) extent[number] = box.slice(1);
      else return;
      place(map, number);
      map.frame.hidden = true;
    });
    repaint();
  };

  const draw = () => {
    const data = model.get("data");
    root.replaceChildren();
    maps = [];
    at = -1;
    if (!data.maps) return;
    shared = { languages: data.languages, language: array(Uint16Array, data.language), passage: array(Uint8Array, data.passage) };
    const row = element("div", { class: "hk-beside" });
    maps = data.maps.map((one) => {
      const label = `Map of all texts by ${one.label}`;
      const figure = element("figure", { class: "hk-one-map" });
      figure.append(element("figcaption", {}, `${one.label}: axes show ${one.shares[0]} and ${one.shares[1]} of the variance`));
      const holder = element("div", { class: "hk-canvas" });
      const canvas = element("canvas", {
        tabindex: "0", role: "application", "aria-label": label, "data-testid": "map", "data-strategy": one.name,
      });
      const frame = element("div", { class: "hk-frame" });
      frame.hidden = true;
      holder.append(canvas, frame);
      figure.append(holder);
      row.append(figure);
      return { canvas, frame, name: one.name, x: array(Float32Array, one.x), y: array(Float32Array, one.y) };
    });
    extent = maps.map(whole);
    maps.forEach(place);
    maps.forEach(listen);
    const foot = element("div", { class: "hk-foot" });
    for (const [text, act] of [["Zoom to the rectangle", () => zoom(false)], ["Whole map", () => zoom(true)], ["No rectangle", clear]]) {
      const button = element("button", { type: "button" }, text);
      button.addEventListener("click", act);
      foot.append(button);
    }
    const legend = element("div", { class: "hk-legend", "data-testid": "map-legend" });
    legend.append(element("span", {}, "■ passage"), element("span", {}, "+ query"));
    for (const one of shared.languages) {
      const entry = element("span", { title: one.name });
      const swatch = element("span", { class: "hk-swatch", "aria-hidden": "true" });
      swatch.style.backgroundColor = one.colour;
      entry.append(swatch, one.tag);
      legend.append(entry);
    }
    root.append(row, legend, rest, foot);
    showTip();
    repaint();
  };

  const themes = new MutationObserver(() => requestAnimationFrame(repaint)); // the theme is an attribute of the body
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "class"] });
  model.on("change:data", draw);
  for (const name of ["change:chosen", "change:links"]) model.on(name, repaint);
  model.on("change:tip", showTip);
  model.on("change:hovered", showTip);
  draw();
  return () => themes.disconnect();
}

export default { render };
