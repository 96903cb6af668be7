// The usage page: an overview of the archive, and a state for each Dandiset, named by the address.

const TYPES = embedded("types");
const WORLD = embedded("world");
const STEPS = ["day", "week", "month"];
const KINDS = { cloud: "Cloud (AWS, Google)", github: "GitHub", vpn: "VPN", other: "Other" };
const RANGES = { all: Infinity, "3 years": 1096, "1 year": 365, "90 days": 90 };

const choice = { measure: "bytes_sent", step: null, range: "all" };
const at = (id) => document.getElementById(id);

let index; // totals, bytes by month, regions, provenance
let current; // {id, entry}: what is shown
let latest = 0; // the number of the last state that was asked for

/** A value that the page carries packed: gzipped JSON in base64. */
async function unpacked(name) {
  const packed = Uint8Array.from(atob(at(`packed-${name}`).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const unpackedOnce = new Map();

/** What there is to show of a Dandiset, `undetermined` or the archive. */
function entryOf(id) {
  if (!unpackedOnce.has(id)) unpackedOnce.set(id, unpacked(`of-${id}`));
  return unpackedOnce.get(id);
}

function totalsOf(id) {
  const place = index.ids.indexOf(id);
  return Object.fromEntries(Object.entries(index.totals).map(([name, values]) => [name, values[place]]));
}

// --- The state ------------------------------------------------------------------------------------

/** Show what the address names: `#000003`, `#archive`, `#undetermined`. */
async function show() {
  const asked = decodeURIComponent(location.hash.slice(1)) || "archive";
  const known = index.ids.includes(asked);
  const id = known ? asked : "archive";
  const turn = (latest += 1);
  const entry = await entryOf(id);
  if (turn !== latest) return;
  const moved = current && current.id !== id;
  current = { id, entry };
  at("unknown").hidden = known;
  at("unknown").textContent = known ? "" : `There is no usage of “${asked}” here. This is the archive.`;
  showHead(id);
  showControls();
  showSections();
  if (moved) {
    window.scrollTo(0, 0);
    at("title").focus({ preventScroll: true });
  }
}

function titleOf(id) {
  if (id === "archive") return "The archive";
  return id === "undetermined" ? "Undetermined" : `Dandiset ${id}`;
}

function showHead(id) {
  document.title = `${titleOf(id)} · Usage of the DANDI Archive`;
  at("title").textContent = titleOf(id);
  at("crumb").hidden = id === "archive";
  at("about-undetermined").hidden = id !== "undetermined";
  at("dandiset").value = index.ids.includes(id) && id !== "archive" ? id : "";
  const { first, last } = span();
  const days = index.provenance.days;
  at("subtitle").textContent =
    id === "archive" && days
      ? `All requests from ${days.oldest} to ${days.newest}, in ${counted(days.count, "day")} of logs`
      : `Requests from ${dayText(first)} to ${dayText(last)}`;
  at("tiles").replaceChildren(...tiles(id));
}

function tiles(id) {
  const totals = totalsOf(id);
  const archive = totalsOf("archive");
  const bytes = totals.total_bytes_sent;
  const of = (part, whole, what) => `${shareText(part, whole)} ${what}`;
  const undetermined = index.ids.includes("undetermined") ? totalsOf("undetermined").total_bytes_sent : 0;
  const note =
    id === "archive"
      ? make("a", { href: "#undetermined" }, of(undetermined, bytes, "undetermined"))
      : of(bytes, archive.total_bytes_sent, "of the archive");
  return [
    tile("Bytes sent", bytesText(bytes), note, exactBytes(bytes)),
    tile("Requests", countText(totals.total_number_of_requests)),
    tile("Downloads", countText(totals.total_number_of_downloads)),
    tile("Requesters", countText(totals.number_of_requesters), "distinct addresses"),
    tile("Regions", countText(totals.number_of_unique_regions)),
    tile("Countries", countText(totals.number_of_unique_countries)),
  ];
}

function tile(name, figure, note = "", exact = undefined) {
  return make(
    "div",
    { class: "tile" },
    make("dt", {}, name),
    make("dd", { title: exact }, figure, ...(note ? [make("small", {}, note)] : [])),
  );
}

// --- What is chosen -------------------------------------------------------------------------------

/** The days that the charts can show: from the first with usage in the archive to the last. */
function span() {
  const { days } = index.provenance;
  const dates = current.entry.by_day ? datesOf(current.entry.by_day) : [];
  const [oldest, newest] = [days?.oldest, days?.newest].map((text) => Date.parse(`${text}T00:00:00Z`));
  const known = [dates[0], dates.at(-1), oldest, newest].filter(Number.isFinite);
  return current.id === "archive"
    ? { first: Math.min(...known), last: Math.max(...known) }
    : { first: dates[0] ?? known[0], last: Math.max(...known) };
}

/** The part of it that is chosen. */
function shownSpan() {
  const { first, last } = span();
  return { first: Math.max(first, last - (RANGES[choice.range] - 1) * DAY), last };
}

/** The step that is chosen, else the one that suits the days shown. */
function shownStep() {
  if (choice.step) return choice.step;
  const { first, last } = shownSpan();
  const days = (last - first) / DAY;
  return days <= 190 ? "day" : days <= 1100 ? "week" : "month";
}

function showControls() {
  const { first, last } = span();
  const days = (last - first) / DAY + 1;
  if (RANGES[choice.range] > days) choice.range = "all";
  for (const [range, length] of Object.entries(RANGES)) {
    const input = document.querySelector(`input[name=range][value="${range}"]`);
    input.parentElement.hidden = range !== "all" && length >= days;
    input.checked = range === choice.range;
  }
  document.querySelector(`input[name=measure][value=${choice.measure}]`).checked = true;
  document.querySelector(`input[name=step][value=${shownStep()}]`).checked = true;
}

// --- Sections -------------------------------------------------------------------------------------

function showSections() {
  showOverTime();
  showMap();
  showTypes();
  showRegions();
  showParts();
  showAssets();
  showDandisets();
}

/** Show anew what depends on the days and the step. */
function showTimes() {
  showOverTime();
  showTypes();
}

function isBytes() {
  return choice.measure === "bytes_sent";
}

function showOverTime() {
  const step = shownStep();
  const { first, last } = span();
  const all = periodsOf(current.entry.by_day, choice.measure, step, first, last);
  const begin = startOf(shownSpan().first, step);
  const shown = all.filter(({ start }) => start >= begin);
  const sums = summedUp(all);
  const skipped = all.length - shown.length;
  const before = skipped ? sums[skipped - 1] : { told: 0, most: 0 };
  const name = MEASURES[choice.measure];
  const where = titleOf(current.id);
  const { digits } = current.entry;
  const note = isBytes() ? exactnessNote(digits) : untoldNote(current.entry.by_day?.[choice.measure] ?? []);
  const figure = (period) => figureText(period, choice.measure, digits);

  at("time-title").textContent = `${name} by ${step}`;
  at("time-note").textContent = note;
  at("time-note").hidden = !note;
  draw(at("time"), SPECS[isBytes() ? "bytes" : "counts"], { usage: stepRows(shown, choice.measure, step, digits) }, {
    label: `${where}: ${name.toLowerCase()} by ${step}. ${highest(shown, step)}`,
  });
  at("sum-title").textContent = `${name} since ${dayText(first)}`;
  draw(
    at("sum"),
    SPECS[isBytes() ? "cumulativeBytes" : "cumulativeCounts"],
    { usage: lineRows(sums.slice(skipped), before, choice.measure, step, digits) },
    { label: `${where}: ${name.toLowerCase()} summed up, ${figure(sums.at(-1) ?? before)} in the end.` },
  );
  asTable("time-table", () => ({
    caption: `${name} by ${step}`,
    columns: [
      { name: "period", title: step[0].toUpperCase() + step.slice(1), kind: "when" },
      { name: "figure", title: name, kind: "figure" },
      { name: "sum", title: "Since the beginning", kind: "figure" },
    ],
    rows: shown
      .map((period, place) => ({
        period: periodText(period.start, period.end, step),
        figure: figure(period),
        sum: figure(sums[skipped + place]),
      }))
      .reverse(),
    sort: null,
    noun: `${step}s`,
  }));
}

function highest(periods, step) {
  const top = periods.reduce((one, other) => (other.told > one.told ? other : one), periods[0]);
  if (!top || !top.told) return "No figure is told.";
  return `Highest: ${periodText(top.start, top.end, step)}, ${figureText(top, choice.measure)}.`;
}

/** How exact the bytes of a day are, where this page has not all of their digits. */
function exactnessNote(digits) {
  return digits ? `Bytes by day, week and region are rounded to ${digits} digits, to keep this page small.` : "";
}

/** How a chart of counts treats those that are not told. */
function untoldNote(values) {
  const untold = values.filter((value) => !isTold(value));
  if (!untold.length) return "";
  const texts = [...new Set(untold)].map((text) => text || "nothing").join(", ");
  const days = `The count of ${WHOLE.format(untold.length)} of ${counted(values.length, "day")} with requests is not told (${texts}).`;
  const bounded = untold.filter((text) => mostOf(text) !== null);
  if (!bounded.length) return `${days} The chart leaves them out.`;
  const those = bounded.length < untold.length ? `those of ${bounded[0]}` : "they";
  return `${days} The solid area leaves them out; the pale one is what ${those} add at most.`;
}

function placesOf(entry) {
  const usage = entry.by_region;
  if (!usage) return [];
  return usage.region.map((number, row) => {
    const [region, longitude, latitude] = index.regions[number];
    return {
      region, longitude, latitude,
      bytes_sent: usage.bytes_sent[row],
      number_of_requests: usage.number_of_requests?.[row] ?? "",
      number_of_downloads: usage.number_of_downloads?.[row] ?? "",
    };
  });
}

function showMap() {
  const places = placesOf(current.entry);
  const onMap = places.filter(({ longitude }) => longitude !== undefined);
  const name = MEASURES[choice.measure];
  const rows = onMap
    .map((place) => ({
      region: place.region,
      longitude: place.longitude,
      latitude: place.latitude,
      told: Math.max(0, rank(place[choice.measure])),
      kind: /^[A-Z]{2}(\/|$)/.test(place.region) ? "place" : "service",
      bytes: bytesInFull(place.bytes_sent, current.entry.digits),
      requests: countText(place.number_of_requests),
      downloads: countText(place.number_of_downloads),
    }))
    .sort((one, other) => other.told - one.told);
  const sum = (list) => list.reduce((total, { bytes_sent }) => total + bytes_sent, 0);
  const untold = onMap.filter((place) => !isTold(place[choice.measure])).length;
  at("map-title").textContent = `${name} by region`;
  at("map-note").textContent = [
    `${counted(onMap.length, "region")} on the map, with ${shareText(sum(onMap), sum(places))} of the bytes.`,
    places.length > onMap.length ? "The others have no place, and stand in the table alone." : "",
    untold ? `Of ${counted(untold, "region")} the count is not told: the smallest dots.` : "",
  ].join(" ");
  draw(at("map"), mapFor(at("map").clientWidth), { world: WORLD, regions: rows }, {
    height: (width) => Math.round(width * 0.46),
    label: `${titleOf(current.id)}: a map of the world with ${counted(rows.length, "region")}. The table of regions has their figures.`,
  });
}

/** The chart of the map, with circles that suit its width. */
function mapFor(width) {
  const spec = structuredClone(SPECS.map);
  const { scale } = spec.layer[1].encoding.size;
  scale.range = [scale.range[0], Math.min(scale.range[1], width * 2)];
  return spec;
}

function showTypes() {
  const step = shownStep();
  const { first, last } = shownSpan();
  const rows = typeRows(current.entry.by_week_and_type, TYPES, step, first, last, current.entry.digits);
  const sums = TYPES.map((type) => ({
    type,
    bytes_sent: rows.filter((row) => row.type === type).reduce((sum, { bytes }) => sum + bytes, 0),
  })).filter(({ bytes_sent }) => bytes_sent > 0);
  const whole = sums.reduce((sum, { bytes_sent }) => sum + bytes_sent, 0);
  at("types-title").textContent = `Bytes by type of asset and ${step === "month" ? "month" : "week"}`;
  draw(at("types"), SPECS.types, { usage: rows }, {
    label: `${titleOf(current.id)}: bytes by type of asset. ${sums.map(({ type, bytes_sent }) => `${type} ${shareText(bytes_sent, whole)}`).join(", ")}.`,
  });
  fillTable(at("types-table"), {
    caption: "Bytes by type of asset",
    columns: [
      { name: "type", title: "Type", kind: "text" },
      { name: "bytes_sent", title: "Bytes", kind: "bytes" },
      { name: "share", title: "Share", kind: "picture", cell: ({ bytes_sent }) => shareText(bytes_sent, whole) },
    ],
    rows: sums,
    sort: "bytes_sent",
    digits: current.entry.digits,
  });
}

function showRegions() {
  fillTable(at("regions"), {
    caption: `${titleOf(current.id)}: usage by region`,
    columns: [{ name: "region", title: "Region", kind: "text" }, ...usageColumns()],
    rows: placesOf(current.entry),
    digits: current.entry.digits,
    sort: choice.measure,
    limit: 12,
    search: "region",
    noun: "regions",
  });
}

/** By version, and by kind of requester: where they are published. */
function showParts() {
  const { by_version: versions, by_kind_of_requester: kinds } = current.entry;
  at("versions-section").hidden = !versions;
  at("kinds-section").hidden = !kinds;
  const table = (parts, name, title) => ({
    columns: [{ name, title, kind: "text" }, ...usageColumns()],
    rows: parts.label.map((label, row) => ({
      [name]: name === "kind" ? (KINDS[label] ?? label) : label,
      bytes_sent: parts.bytes_sent[row],
      number_of_requests: parts.number_of_requests[row],
      number_of_downloads: parts.number_of_downloads[row],
    })),
    sort: "bytes_sent",
  });
  if (versions) {
    fillTable(at("versions"), {
      ...table(versions, "version", "Version"),
      caption: `${titleOf(current.id)}: usage by version`,
      noun: "versions",
    });
  }
  if (kinds) {
    fillTable(at("kinds"), {
      ...table(kinds, "kind", "Kind"),
      caption: `${titleOf(current.id)}: usage by kind of requester`,
    });
  }
}

function showAssets() {
  const assets = current.entry.by_asset;
  at("assets-section").hidden = !assets;
  if (!assets) return;
  const { others } = assets;
  at("assets-note").hidden = !others.number;
  at("assets-note").textContent = others.number
    ? `The ${counted(assets.asset_path.length, "asset")} with the most bytes. The other ${WHOLE.format(others.number)} sent ${bytesText(others.bytes_sent)} together.`
    : "";
  fillTable(at("assets"), {
    caption: `${titleOf(current.id)}: usage by asset`,
    columns: [{ name: "asset_path", title: "Asset", kind: "text", cell: pathCell }, ...usageColumns()],
    rows: assets.asset_path.map((asset_path, row) => ({
      asset_path,
      bytes_sent: assets.bytes_sent[row],
      number_of_requests: assets.number_of_requests?.[row] ?? "",
      number_of_downloads: assets.number_of_downloads?.[row] ?? "",
    })),
    sort: choice.measure,
    search: "asset_path",
    noun: "assets",
  });
}

/** A path that may break behind each of its folders. */
function pathCell({ asset_path }) {
  const parts = asset_path.split("/");
  return make("span", { class: "path" }, ...parts.flatMap((part, place) => (place < parts.length - 1 ? [`${part}/`, make("wbr")] : [part])));
}

function showDandisets() {
  at("dandisets-section").hidden = current.id !== "archive";
  if (current.id !== "archive" || at("dandisets").childElementCount) return;
  const rows = index.ids
    .map((id, place) => ({
      id,
      bytes_sent: index.totals.total_bytes_sent[place],
      number_of_requests: index.totals.total_number_of_requests[place],
      number_of_downloads: index.totals.total_number_of_downloads[place],
      requesters: index.totals.number_of_requesters[place],
      countries: index.totals.number_of_unique_countries[place],
      months: index.bytes_by_month[place],
    }))
    .filter(({ id }) => id !== "archive");
  fillTable(at("dandisets"), {
    caption: "Usage by Dandiset",
    columns: [
      { name: "id", title: "Dandiset", kind: "text", cell: ({ id }) => make("a", { href: `#${id}` }, id) },
      { name: "months", title: "Bytes by month", kind: "picture", cell: ({ months }) => sparkline(months, index.months) },
      ...usageColumns(),
      { name: "requesters", title: "Requesters", kind: "count", minor: true },
      { name: "countries", title: "Countries", kind: "count", minor: true },
    ],
    rows,
    sort: "bytes_sent",
    limit: 25,
    search: "id",
    noun: "Dandisets",
  });
}

/** A line of figures, small enough for a cell; its highest is its height. */
function sparkline(values, names) {
  const [width, height] = [110, 22];
  const top = Math.max(1, ...values);
  const x = (place) => (values.length > 1 ? (place * width) / (values.length - 1) : width / 2);
  const points = values.map((value, place) => `${x(place).toFixed(1)},${(height - 1 - (value / top) * (height - 3)).toFixed(1)}`);
  const highestMonth = values.indexOf(top);
  const name = highestMonth < 0 ? "no bytes" : `highest in ${names[highestMonth]}: ${bytesText(top)}`;
  const drawing = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  return drawing(
    "svg",
    { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name },
    drawing("title", {}, name),
    values.length > 1
      ? drawing("polygon", { points: `0,${height} ${points.join(" ")} ${width},${height}` })
      : drawing("rect", { x: width / 2 - 2, y: 2, width: 4, height: height - 2 }),
  );
}

/** Fill the table behind a chart when it is opened, and again while it is open. */
function asTable(id, table) {
  const details = at(id);
  const fill = () => details.open && fillTable(details.querySelector("div"), table());
  details.ontoggle = fill;
  fill();
}

// --- The start ------------------------------------------------------------------------------------

function listen() {
  at("skip").addEventListener("click", () => at("title").focus());
  window.addEventListener("hashchange", () => andDraw(show));
  at("controls").addEventListener("change", ({ target }) => {
    choice[target.name] = target.value;
    if (target.name === "range") choice.step = null;
    showControls();
    andDraw(target.name === "measure" ? showSections : showTimes);
  });
  at("go").addEventListener("submit", (event) => {
    event.preventDefault();
    goTo(at("dandiset").value);
  });
  at("dandiset").addEventListener("change", () => goTo(at("dandiset").value));
}

/** Go to what was typed: an id, with or without its leading zeros. */
function goTo(typed) {
  const text = typed.trim().toLowerCase();
  if (!text) return;
  location.hash = /^\d{1,6}$/.test(text) ? text.padStart(6, "0") : text;
}

function fillMenu() {
  at("ids").replaceChildren(...index.ids.filter((id) => id !== "archive").map((id) => make("option", { value: id })));
}

async function start() {
  index = await unpacked("index");
  fillMenu();
  listen();
  await andDraw(show);
}

if ("DecompressionStream" in window) start();
else at("unknown").textContent = "This browser is too old for this page: it needs one of 2023 or newer.";
