// A table that sorts by any column, searches, and shows a page at a time.

/**
 * Fills a place with a table.
 *
 * @param place The element.
 * @param columns `{label, value(row), text(row), isNumber, isWide, sum}`; `text` is what is shown.
 * @param rows All rows.
 * @param options `search`: an input whose words a row must all have; `page`: rows at a time;
 *   `sorted`: the column to start with, descending; `onCount(shown rows)`.
 */
function makeTable(place, columns, rows, options = {}) {
  const page = options.page ?? 50;
  const state = {by: options.sorted ?? null, down: true, shown: page};
  const texts = new Map();

  const cell = (column, row) => {
    const value = column.value(row);
    return column.text ? column.text(row) : column.isNumber ? number(value) : String(value ?? "");
  };
  const textOf = row => {
    if (!texts.has(row)) {
      texts.set(row, columns.map(column =>
        `${cell(column, row)} ${column.value(row) ?? ""}`).join(" ").toLowerCase());
    }
    return texts.get(row);
  };
  const compare = (one, other) => {
    if (one == null || one === "") return other == null || other === "" ? 0 : 1;
    if (other == null || other === "") return -1;
    const order = typeof one === "number" && typeof other === "number"
      ? one - other : String(one).localeCompare(String(other), "en", {numeric: true});
    return state.down ? -order : order;
  };

  const found = () => {
    const words = (options.search?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    let left = words.length
      ? rows.filter(row => words.every(word => textOf(row).includes(word))) : rows;
    if (state.by) {
      left = [...left].sort((a, b) => compare(state.by.value(a), state.by.value(b)));
    }
    return left;
  };

  const head = () => element("tr", {}, ...columns.map(column => {
    const arrow = state.by === column ? (state.down ? " ▾" : " ▴") : "";
    const button = element("button", {type: "button", textContent: column.label + arrow});
    button.addEventListener("click", () => {
      state.down = state.by === column ? !state.down : Boolean(column.isNumber);
      state.by = column;
      fill();
    });
    const made = element("th", {className: column.isNumber ? "number" : ""}, button);
    if (state.by === column) made.ariaSort = state.down ? "descending" : "ascending";
    return made;
  }));

  const fill = () => {
    const left = found();
    const body = element("tbody", {}, ...left.slice(0, state.shown).map(row =>
      element("tr", {}, ...columns.map(column => element("td", {
        className: column.isNumber ? "number" : column.isWide ? "wide" : "",
        textContent: cell(column, row), title: column.title?.(row) ?? "",
      })))));
    const table = element("table", {}, element("thead", {}, head()), body);
    if (columns.some(column => column.sum) && left.length) {
      table.append(element("tfoot", {}, element("tr", {}, ...columns.map((column, index) =>
        element("td", {
          className: column.isNumber ? "number" : "",
          textContent: column.sum
            ? number(left.reduce((sum, row) => sum + (column.value(row) ?? 0), 0))
            : index === 0 ? "sum" : "",
        })))));
    }
    place.replaceChildren(table);
    if (left.length > state.shown) {
      const button = element("button", {type: "button", textContent: `show ${page} more`});
      button.addEventListener("click", () => { state.shown += page; fill(); });
      place.append(element("div", {className: "more"}, button,
        `${number(Math.min(state.shown, left.length))} of ${number(left.length)} rows`));
    }
    options.onCount?.(left);
  };

  if (options.search) options.search.oninput = () => { state.shown = page; fill(); };
  fill();
}

/** Fills a select with points; gives what a choice calls. */
function choosePoint(select, result, points, show, first = points[0]) {
  select.replaceChildren(...points.map((point, index) => element("option", {
    value: String(index), textContent: result.label(point), selected: point === first,
  })));
  select.onchange = () => show(points[Number(select.value)]);
  if (points.length) show(first);
}
