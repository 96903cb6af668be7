// Tables that can be sorted, searched and opened up.

const SORTABLE = new Set(["text", "bytes", "count"]);

/** An element with attributes and children; text goes in as text, never as HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** What to sort a figure by: what is not told goes below all that is told. */
function rank(value) {
  return typeof value === "number" ? value : -1;
}

/**
 * Fill an element with a table.
 *
 * @param {HTMLElement} element
 * @param {object} table
 * @param {string} table.caption What it shows, for those who cannot see.
 * @param {object[]} table.columns `{name, title, kind, minor, cell}`: kind `text`, `bytes` or `count`,
 *   or one that cannot be sorted by: `picture`, `when`, `figure`; minor ones are left out on narrow
 *   screens; `cell(row)` makes another content.
 * @param {object[]} table.rows A value by name of column.
 * @param {string} table.sort Name of the column to sort by at first; null for as the rows come.
 * @param {number} [table.limit] How many rows to show at first.
 * @param {string} [table.search] Name of a column of texts to search in.
 * @param {number} [table.digits] To how many its bytes are known; left out if they are exact.
 * @param {string} [table.noun] What a row is called, in the plural.
 */
function fillTable(element, table) {
  const { columns, rows, limit = 15, noun = "rows" } = table;
  const most = new Map(
    columns
      .filter((column) => column.kind === "bytes")
      .map(({ name }) => [name, Math.max(1, ...rows.map((row) => rank(row[name])))]),
  );
  const state = { sort: table.sort, down: true, query: "", open: false };
  const body = make("tbody");
  const heads = new Map();
  const count = make("p", { class: "table-note", role: "status" });
  const more = make("button", { type: "button", class: "more" });

  function chosen() {
    const found = state.query
      ? rows.filter((row) => row[table.search].toLowerCase().includes(state.query))
      : rows;
    if (!state.sort) return found;
    const { kind } = columns.find(({ name }) => name === state.sort);
    const order =
      kind === "text"
        ? (one, other) => one[state.sort].localeCompare(other[state.sort], "en", { numeric: true })
        : (one, other) => rank(one[state.sort]) - rank(other[state.sort]);
    return [...found].sort((one, other) => (state.down ? -1 : 1) * order(one, other));
  }

  function show() {
    const found = chosen();
    const shown = state.open ? found : found.slice(0, limit);
    body.replaceChildren(...shown.map((row) => tableRow(row, columns, most, table.digits)));
    for (const [name, head] of heads) {
      const order = state.down ? "descending" : "ascending";
      head.setAttribute("aria-sort", name === state.sort ? order : "none");
    }
    count.textContent = state.query ? `${WHOLE.format(found.length)} of ${WHOLE.format(rows.length)} ${noun}` : "";
    more.hidden = found.length <= limit;
    more.textContent = state.open
      ? `Show the first ${limit} ${noun}`
      : `Show all ${WHOLE.format(found.length)} ${noun}`;
  }

  const header = make("tr");
  for (const column of columns) {
    const head = make("th", { scope: "col", class: cellClass(column) });
    if (!SORTABLE.has(column.kind)) {
      head.append(column.title);
    } else {
      const button = make("button", { type: "button" }, column.title);
      button.addEventListener("click", () => {
        state.down = state.sort === column.name ? !state.down : column.kind !== "text";
        state.sort = column.name;
        show();
      });
      head.append(button);
      heads.set(column.name, head);
    }
    header.append(head);
  }
  more.addEventListener("click", () => {
    state.open = !state.open;
    show();
  });
  const parts = [
    make(
      "div",
      { class: "table-scroll", tabindex: "0", role: "region", "aria-label": table.caption },
      make(
        "table",
        {},
        make("caption", { class: "unseen" }, table.caption),
        make("thead", {}, header),
        body,
      ),
    ),
    count,
    more,
  ];
  if (table.search && rows.length > limit) parts.unshift(searchField(noun, (query) => {
    state.query = query;
    show();
  }));
  element.replaceChildren(...parts);
  show();
}

function searchField(noun, onQuery) {
  const field = make("input", { type: "search", placeholder: `Search ${noun}`, "aria-label": `Search ${noun}` });
  field.addEventListener("input", () => onQuery(field.value.trim().toLowerCase()));
  return make("div", { class: "table-search" }, field);
}

function cellClass({ kind, minor }) {
  return [kind, minor ? "minor" : ""].join(" ").trim();
}

function tableRow(row, columns, most, digits) {
  const cells = columns.map((column, place) => {
    const cell = make(place === 0 ? "th" : "td", { class: cellClass(column) });
    if (place === 0) cell.scope = "row";
    const value = row[column.name];
    if (column.cell) cell.append(column.cell(row));
    else if (column.kind === "bytes" && isTold(value)) {
      cell.append(bytesText(value));
      cell.title = exactBytes(value, digits);
      cell.style.setProperty("--share", value / most.get(column.name));
    } else if (column.kind === "count" || column.kind === "bytes") {
      cell.append(countText(value));
      if (!isTold(value)) cell.classList.add("untold");
    } else cell.append(value);
    return cell;
  });
  return make("tr", row.class ? { class: row.class } : {}, ...cells);
}

/** The columns of usage that most tables end with. */
function usageColumns() {
  return [
    { name: "bytes_sent", title: "Bytes", kind: "bytes" },
    { name: "number_of_requests", title: "Requests", kind: "count" },
    { name: "number_of_downloads", title: "Downloads", kind: "count" },
  ];
}
