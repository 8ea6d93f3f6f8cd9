"use strict";

// A click on a column header sorts by it, best first; another click reverses the order. Cells without a number stay last.
for (const head of document.querySelectorAll("th[data-sort]")) {
  head.tabIndex = 0;
  const sort = () => {
    const body = head.closest("table").tBodies[0];
    const ascending = head.getAttribute("aria-sort") === "descending";
    const rank = (row) => {
      const text = row.cells[head.cellIndex].dataset.rank;
      return text === undefined ? -Infinity : Number(text) * (ascending ? -1 : 1);
    };
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const value = (a, b) => (a === b ? 0 : b - a);
    body.append(...[...body.rows].sort((a, b) => value(rank(a), rank(b))));
  };
  head.addEventListener("click", sort);
  head.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      sort();
    }
  });
}

// A legend entry hides and shows its series in all figures of its group.
for (const name of document.querySelectorAll("button[data-series]")) {
  name.addEventListener("click", () => {
    const shown = name.getAttribute("aria-pressed") !== "true";
    const group = name.closest("[data-together]") ?? name.closest("figure");
    for (const each of group.querySelectorAll("[data-series]")) {
      if (each.dataset.series !== name.dataset.series) continue;
      if (each.matches("button")) each.setAttribute("aria-pressed", shown);
      else each.toggleAttribute("hidden", !shown);
    }
  });
}

// A clip plays while it is visible, unless the reader prefers reduced motion.
if (matchMedia("(prefers-reduced-motion: no-preference)").matches) {
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) target.play().catch(() => {}); // the browser may refuse; the controls remain
      else target.pause();
    }
  });
  for (const clip of document.querySelectorAll("video")) seen.observe(clip);
}

// Tooltips of figures: show values at the pointer, or step through them with the arrow keys.
const figures = JSON.parse(document.getElementById("figures").textContent);
for (const place of document.querySelectorAll("[data-figure]")) {
  const figure = figures[place.dataset.figure];
  const picture = place.querySelector(":scope > svg");
  const [left, top, right, bottom] = figure.box;
  const across = (x) => left + ((x - figure.x[0]) / (figure.x[1] - figure.x[0])) * (right - left);
  const up = (y) => bottom + ((y - figure.y[0]) / (figure.y[1] - figure.y[0])) * (top - bottom);
  const groups = figure.series.map(({ name }) => picture.querySelector(`g[data-series="${CSS.escape(name)}"]`));

  const shape = (name, classes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    made.setAttribute("class", classes);
    made.toggleAttribute("hidden", true);
    picture.append(made);
    return made;
  };
  const line = shape("path", "pointer");
  const ring = shape("circle", "pointer");
  ring.setAttribute("r", 7);
  const readout = document.createElement("div");
  readout.className = "readout";
  readout.setAttribute("aria-live", "polite");
  readout.hidden = true;
  place.append(readout);

  const pointsOf = (series, i) =>
    series.x.flatMap((x, k) => (series.y[k] === null ? [] : [{ x, y: series.y[k], text: series.text[k], i }]));
  const every = figure.series.flatMap(pointsOf).sort((a, b) => a.x - b.x || a.i - b.i);
  const known = () => every.filter((p) => !groups[p.i].hasAttribute("hidden"));
  const number = (value) => String(Number(value.toPrecision(5)));
  const title = (x) => figure.ticks[String(x)] ?? x.toLocaleString("en", { maximumSignificantDigits: 6 });

  const tell = (heading, points, at) => {
    const rows = points.map((point) => {
      const row = document.createElement("p");
      const mark = document.createElement("i");
      mark.style.background = groups[point.i].style.color;
      row.append(mark, figure.series.length > 1 ? `${figure.series[point.i].name}: ` : "", point.text ?? number(point.y));
      return row;
    });
    const head = document.createElement("b");
    head.textContent = heading;
    readout.replaceChildren(...(heading ? [head] : []), ...rows);
    readout.hidden = false;
    const scale = picture.clientWidth / 440;
    const room = place.clientWidth - readout.offsetWidth;
    const beside = at * scale + 14;
    readout.style.left = `${Math.max(0, beside <= room ? beside : at * scale - readout.offsetWidth - 14)}px`;
    const from = picture.getBoundingClientRect().top - place.getBoundingClientRect().top;
    const below = readout.offsetHeight > picture.clientHeight / 2; // cover the legend rather than the lines
    readout.style.top = `${from + (below ? picture.clientHeight : 8)}px`;
  };
  const hide = () => {
    for (const each of [line, ring]) each.toggleAttribute("hidden", true);
    readout.hidden = true;
  };
  let shown = null;
  const nearest = (points, distance) => points.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  const showX = (wanted, points) => {
    shown = nearest(points, (p) => Math.abs(p.x - wanted)).x;
    const close = (figure.x[1] - figure.x[0]) / 50; // runs report at slightly different x
    const own = groups.flatMap((_, i) => {
      const mine = points.filter((p) => p.i === i && Math.abs(p.x - shown) <= close);
      return mine.length ? [nearest(mine, (p) => Math.abs(p.x - shown))] : [];
    });
    line.setAttribute("d", `M${across(shown)} ${top}V${bottom}`);
    line.toggleAttribute("hidden", false);
    tell(title(shown), own, across(shown));
  };
  const showPoint = (point) => {
    shown = point;
    ring.setAttribute("cx", across(point.x));
    ring.setAttribute("cy", up(point.y));
    ring.toggleAttribute("hidden", false);
    tell("", [point], across(point.x));
  };

  const point = (event) => {
    const points = known();
    if (!points.length) return hide();
    const scale = 440 / picture.clientWidth;
    const box = picture.getBoundingClientRect();
    const x = (event.clientX - box.left) * scale;
    const y = (event.clientY - box.top) * scale;
    if (figure.alone) showPoint(nearest(points, (p) => Math.hypot(across(p.x) - x, up(p.y) - y)));
    else showX(figure.x[0] + ((x - left) / (right - left)) * (figure.x[1] - figure.x[0]), points);
  };
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerdown", point);
  picture.addEventListener("pointerleave", hide);
  picture.addEventListener("blur", hide);
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const points = known();
    if (!step || !points.length) return;
    event.preventDefault();
    const places = figure.alone ? points : [...new Set(points.map((p) => p.x))];
    const next = places[Math.min(places.length - 1, Math.max(0, places.indexOf(shown) + step))];
    if (figure.alone) showPoint(next);
    else showX(next, points);
  });
}
