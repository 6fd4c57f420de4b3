// Bytes over the prefix and other axes, their laws, and what they cost the gradient.

const MOST_LINES = 24;

/** Lines of a figure over an axis, one for each set of points that differ in nothing else. */
function linesOver(result, points, axis, figure, [unit, size], isLogarithmic = false) {
  const others = result.axes.filter(name => name !== axis);
  const lines = [...grouped(points.filter(point => point[figure] != null),
                            point => keyOf(point, others)).values()]
    .map(line => [...line].sort((a, b) => a[axis] - b[axis]));
  const modesTell = new Set(lines.map(line => line[0].mode)).size > 1;
  const word = FIGURES.find(({name}) => name === figure)?.label ?? figure;
  const shown = lines.slice(0, MOST_LINES);
  const styles = grouped(shown, line => line[0].mode);
  return {
    left: lines.length - shown.length,
    traces: shown.map((line, index) => {
      const rank = styles.get(line[0].mode).indexOf(line);
      return {
        // Thousands of markers take seconds to draw, and hide their line.
        type: "scatter",
        mode: line.length === 1 ? "markers" : line.length > 60 ? "lines" : "lines+markers",
        name: result.label(line[0], [axis]) || "this series",
        x: line.map(point => point[axis]), y: line.map(point => point[figure] / size),
        customdata: line.map(point => `${exact(point[figure])} (${bytes(point[figure])})`),
        hovertemplate: `${axis} %{x:,}<br>${word} %{customdata}<extra>%{fullData.name}</extra>`,
        line: {color: colorOf(line[0].mode, index, modesTell), width: 2,
               dash: DASHES[rank % DASHES.length]},
        // Open and larger the later it is drawn, so that lines that coincide are seen.
        marker: {color: colorOf(line[0].mode, index, modesTell), size: 7 + 2 * (index % 4),
                 symbol: `${SYMBOLS[index % SYMBOLS.length]}${index % 2 ? "-open" : ""}`,
                 line: {width: 2, color: colorOf(line[0].mode, index, modesTell)}},
      };
    }),
    layout: {
      xaxis: {title: {text: axis}, type: isLogarithmic ? "log" : "linear",
              ...axisTicks(shown.flat().map(point => point[axis]), isLogarithmic)},
      yaxis: {title: {text: `${word}, ${unit}`}, rangemode: "tozero",
              type: isLogarithmic ? "log" : "linear"},
    },
  };
}

/** Ticks at whole numbers, where a short axis would have fractions. */
function axisTicks(values, isLogarithmic) {
  const range = Math.max(...values) - Math.min(...values);
  return isLogarithmic || range > 8 || !values.every(Number.isInteger) ? {} : {dtick: 1};
}

function showCurves(result, unit) {
  const figures = FIGURES.filter(({name, unit}) => unit === "bytes"
    && result.measured.some(point => point[name]));
  const axes = ["n_c", ...result.varying.filter(axis => axis !== "n_c"
    && result.measured.every(point => typeof point[axis] === "number"))]
    .filter(axis => new Set(result.measured.map(point => point[axis])).size > 1);
  if (!result.measured.length) { $("curves").hidden = true; return; }
  $("curve-figure").replaceChildren(...figures.map(({name, label}) =>
    element("option", {value: name, textContent: label})));
  $("curve-axis").replaceChildren(...axes.map(value =>
    element("option", {value, textContent: value})));
  for (const id of ["curve-axis", "curve-log"]) $(id).parentElement.hidden = !axes.length;
  const show = () => chart("curve", () => {
    const figure = $("curve-figure").value;
    if (axes.length) {
      const made = linesOver(
        result, result.measured, $("curve-axis").value, figure, unit, $("curve-log").checked);
      $("curve").dataset.left = made.left;
      return made;
    }
    const points = result.measured.slice(0, MOST_LINES);
    return {
      traces: [{
        type: "bar", orientation: "h", y: points.map(point => result.label(point) || point.mode),
        x: points.map(point => (point[figure] ?? 0) / unit[1]),
        customdata: points.map(point => exact(point[figure])),
        hovertemplate: "%{y}<br>%{customdata}<extra></extra>",
        marker: {color: points.map((point, index) => colorOf(point.mode, index, true))},
      }],
      layout: {xaxis: {title: {text: unit[0]}, rangemode: "tozero"},
               yaxis: {autorange: "reversed"}},
    };
  });
  for (const id of ["curve-figure", "curve-axis", "curve-log"]) $(id).onchange = show;
  show();
  const left = Number($("curve").dataset.left ?? 0);
  if (left > 0) {
    $("curve").after(element("p", {className: "note", textContent:
      `The first ${MOST_LINES} series are drawn; ${number(left)} more are among the points below.`}));
  }
  showLaws(result);
}

/** A law as a formula in bytes. */
function formula(law) {
  const powers = ["", "·n_c", "·n_c²"];
  const terms = SCHEMA.law.map(({column, power}) => [law[column], powers[power]])
    .filter(([factor]) => factor);
  return terms.map(([factor, power], index) =>
    `${index ? (factor < 0 ? " − " : " + ") : factor < 0 ? "−" : ""}`
    + `${Math.abs(factor).toLocaleString("en-US")}${power}`).join("") || "0";
}

function showLaws(result) {
  const laws = result.laws.filter(law => (law.part ?? "total") === "total");
  $("laws-text").textContent = laws.length
    ? "Bytes as exact polynomials in n_c, with whole coefficients, and how many of the measured "
      + "points lie on them to the byte."
    : `${result.noteOf("laws.csv") ?? "This folder has no laws.csv"}.`;
  if (!laws.length) return;
  makeTable($("laws-table"), [
    {label: "series", value: law => result.label(law, ["n_c"]) || law.mode},
    {label: "bytes", value: law => law.linear_bytes, text: formula},
    {label: "figure", value: law => law.figure ?? "retained"},
    {label: "from n_c", value: law => law.holds_from_n_c ?? law.n_c_min, isNumber: true},
    {label: "points on it", value: law => law.points_matching,
     text: law => `${law.points_matching} of ${law.points_checked}`, isNumber: true},
  ], laws);
}

function showTradeoff(result, [unit, size]) {
  const points = result.measured.filter(point => point.gradient_relative_error != null);
  if (!result.measured.length) { $("tradeoff").hidden = true; return; }
  if (!points.length) {
    $("tradeoff-chart").hidden = true;
    $("tradeoff-text").textContent =
      "No gradients were computed here: shapes alone have none, and the PyTorch probe takes none.";
    return;
  }
  const floor = 1e-9;
  const zeros = points.some(point => point.gradient_relative_error < floor);
  $("tradeoff-text").textContent =
    `The error is the relative L2 distance from the gradient of ${REFERENCE}, all parameters `
    + "together. Down and to the left is better."
    + (zeros ? " Errors of exactly 0 are drawn at 10⁻⁹." : "");
  const lines = [...grouped(points, point => point.mode).entries()];
  chart("tradeoff-chart", () => ({
    traces: lines.map(([mode, line], index) => ({
      type: "scatter", mode: "markers", name: mode,
      x: line.map(point => point.retained_bytes / size),
      y: line.map(point => Math.max(point.gradient_relative_error, floor)),
      customdata: line.map(point => [result.label(point), exact(point.retained_bytes),
                                     error(point.gradient_relative_error)]),
      hovertemplate: "%{customdata[0]}<br>retained %{customdata[1]}<br>"
        + "error %{customdata[2]}<extra></extra>",
      marker: {color: colorOf(mode, index, true), size: 10, opacity: 0.8,
               symbol: SYMBOLS[index % SYMBOLS.length]},
    })),
    layout: {
      xaxis: {title: {text: `retained, ${unit}`}, rangemode: "tozero"},
      yaxis: {title: {text: "gradient's relative error"}, type: "log", exponentformat: "power",
              dtick: 2},
    },
  }));
}
