// The page on the runs: its tables stand in it; only the charts are drawn here.

const ROWS = embedded("rows");

andDraw(() => {
  for (const element of document.querySelectorAll(".chart")) {
    const { chart, label } = element.dataset;
    draw(element, SPECS[chart], { usage: ROWS[element.id] ?? [] }, { label });
  }
});
