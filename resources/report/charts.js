// Drawing the charts: which colours, how wide, and again when either changes.

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map(); // element -> {draw, view}

/** A value that the page carries as JSON. */
function embedded(name) {
  return JSON.parse(document.getElementById(`value-${name}`).textContent);
}

const THEMES = embedded("themes");
const SPECS = embedded("charts");

/**
 * Draw a chart into an element, in place of what was there.
 *
 * @param {HTMLElement} element
 * @param {object} spec Vega-Lite, whose named data are missing.
 * @param {object} datasets Rows by name of data.
 * @param {{label: string, height?: (width: number) => number}} options What it shows, in words.
 */
function draw(element, spec, datasets, options) {
  forget(element);
  if (!(datasets.usage ?? datasets.regions).length) {
    element.replaceChildren("There is nothing to show.");
    return;
  }
  const job = { spec, datasets, options, width: Math.max(200, element.clientWidth) };
  drawn.set(element, job);
  // What stands below must not jump while the element is empty.
  element.style.minHeight = `${element.clientHeight}px`;
  job.done = embed(element, job);
}

async function embed(element, job) {
  const { spec, datasets, options, width } = job;
  const theme = THEMES[DARK.matches ? "dark" : "light"];
  const legend = { ...theme.legend, columns: width < 500 ? 2 : 4 };
  const sized = options.height ? { ...spec, height: options.height(width) } : spec;
  const result = await vegaEmbed(
    element,
    { ...sized, datasets, width },
    {
      actions: false,
      ast: true, // The page allows no eval.
      config: { ...theme, legend, autosize: { type: "fit-x", contains: "padding" } },
      defaultStyle: false,
      mode: "vega-lite",
      renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    },
  );
  if (drawn.get(element) !== job) {
    result.view.finalize(); // Another chart was asked for meanwhile.
    return;
  }
  job.view = result.view;
  element.style.minHeight = "";
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", options.label);
  // What the label says is said once: the marks are for the eye.
  element.querySelector("svg")?.setAttribute("aria-hidden", "true");
}

/** Do what draws charts, and say on the page itself when they all stand. */
async function andDraw(action) {
  const { dataset } = document.documentElement;
  dataset.state = "busy";
  await action();
  await Promise.all([...drawn.values()].map(({ done }) => done));
  performance.mark("drawn");
  dataset.state = "ready";
}

/** Forget the charts in elements that have left the page. */
function forget(element) {
  drawn.get(element)?.view?.finalize();
  drawn.delete(element);
}

function redraw(every) {
  for (const [element, job] of [...drawn]) {
    if (!element.isConnected) forget(element);
    else if (every || element.clientWidth !== job.width) {
      draw(element, job.spec, job.datasets, job.options);
    }
  }
}

let waiting;
window.addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => andDraw(() => redraw(false)), 120);
});
DARK.addEventListener("change", () => andDraw(() => redraw(true)));
