"use strict";

// A click on a column head sorts by it, best first; another one turns the order. Cells without a number stay below.
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

const stored = document.getElementById("figures");
if (stored) {
  const figures = JSON.parse(stored.textContent);
  const axis = { gridcolor: "#e6e8eb", zerolinecolor: "#b9bec5", linecolor: "#b9bec5", automargin: true };
  for (const place of document.querySelectorAll("[data-figure]")) {
    const { data, layout } = figures[place.dataset.figure];
    const shared = {
      font: { family: "system-ui, sans-serif", size: 12, color: "#33383f" },
      margin: { l: 52, r: 12, t: 8, b: 42 },
      paper_bgcolor: "#ffffff",
      plot_bgcolor: "#ffffff",
      legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom" },
      hoverlabel: { namelength: -1 },
    };
    const axes = { xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis } };
    const options = { responsive: true, displaylogo: false, displayModeBar: false };
    Plotly.newPlot(place, data, { ...shared, ...layout, ...axes }, options);
  }
}
