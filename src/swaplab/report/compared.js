// The filter shows the table rows that contain all its words, and the faces and curves of these rows.
for (const field of document.querySelectorAll("[data-filter]")) {
  const lines = [...field.closest(".compared").querySelectorAll("tr[data-words]")];
  const faces = document.querySelectorAll("figure[data-run]");
  const names = document.querySelectorAll("[data-together] button[data-series]");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const line of lines) line.hidden = !words.every((word) => line.dataset.words.includes(word));
    const shown = lines.filter((line) => !line.hidden);
    const runs = new Set(shown.map((line) => line.dataset.run));
    const levels = new Set(shown.map((line) => line.dataset.of));
    for (const face of faces) face.hidden = !runs.has(face.dataset.run);
    for (const name of names) {
      if ((name.getAttribute("aria-pressed") === "true") !== levels.has(name.dataset.series)) name.click();
    }
  });
}
