// The answer in one sentence and one picture.

/** The points that differ in their mode alone, at the longest prefix: what the answer is about. */
function subjectOf(result) { return result.subject ??= findSubject(result); }

function findSubject(result) {
  const others = result.axes.filter(axis => axis !== "mode" && !OF_MODES.includes(axis));
  const groups = [...grouped(result.measured, point => keyOf(point, others)).values()];
  const modes = group => new Set(group.map(point => point.mode)).size;
  const rank = group => [modes(group), group[0].n_c];
  return groups.reduce((best, group) => {
    const [a, b] = [rank(group), rank(best)];
    return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]) ? group : best;
  }, groups[0] ?? []);
}

/** How a point's gradient stands to the exact one, as the end of a sentence. */
function gradientWords(point) {
  if (isExact(point.mode)) return "with the exact gradient";
  if (point.gradient_relative_error == null) return "with a biased gradient";
  return `with a gradient that is ${error(point.gradient_relative_error)} off`;
}

function answer(result) {
  const subject = subjectOf(result);
  const at = point => `At n_c = ${number(point.n_c)}`;
  const whole = subject.find(point => point.mode === REFERENCE);
  const less = subject.filter(point => whole && point.retained_bytes < whole.retained_bytes);
  const saved = point => percent(1 - point.retained_bytes / whole.retained_bytes);
  const least = points => points.reduce(
    (best, point) => point.retained_bytes < best.retained_bytes ? point : best, points[0]);
  if (!result.measured.length) {
    return ["Nothing was measured", "No point of this result has figures; see every point below."];
  }
  if (less.length) {
    const best = least(less.filter(point => isExact(point.mode)))
      ?? least(less);
    const rest = subject.filter(point => point !== whole && point !== best).map(point =>
      `${result.label(point, ["n_c"])} keeps ${bytes(point.retained_bytes)}, `
      + gradientWords(point));
    return [
      `${at(best)}, ${best.mode} keeps ${saved(best)} less than ${REFERENCE}, `
      + gradientWords(best),
      `${bytes(best.retained_bytes)} in place of ${bytes(whole.retained_bytes)}`
      + `${rest.length ? "; " + rest.slice(0, 4).join("; ") : ""}.`
      + (whole.peak_bytes && best.peak_bytes
        ? ` The step's peak is ${bytes(best.peak_bytes)} in place of ${bytes(whole.peak_bytes)}.`
        : ""),
    ];
  }
  const longest = Math.max(...result.measured.map(point => point.n_c));
  const there = result.measured.filter(point => point.n_c === longest);
  const most = there.reduce((a, b) => b.retained_bytes > a.retained_bytes ? b : a);
  const fewest = least(there);
  if (fewest.retained_bytes < most.retained_bytes) {
    return [
      `${at(fewest)}, the least is kept by ${result.label(fewest, ["n_c"])}`,
      `${bytes(fewest.retained_bytes)} there, ${bytes(most.retained_bytes)} with `
      + `${result.label(most, ["n_c"])}.`,
    ];
  }
  return [
    `${at(most)}, the backward pass keeps ${bytes(most.retained_bytes)}`,
    `${percent(most.retained_prefix_bytes / most.retained_bytes)} of it is of the prefix, which `
    + `carries no loss (${most.mode}).`,
  ];
}

function showAnswer(result, [unit, size]) {
  const [headline, detail] = answer(result);
  $("headline").textContent = headline;
  $("detail").textContent = detail;
  document.title = `${headline} – Ballast`;
  const subject = subjectOf(result);
  if (!subject.length) { $("hero").hidden = true; return; }
  const fixed = result.axes.filter(
    axis => !["mode", "n_c", ...OF_MODES].includes(axis));
  const alike = result.measured.filter(
    point => keyOf(point, fixed) === keyOf(subject[0], fixed));
  const lengths = new Set(alike.map(point => point.n_c));
  chart("hero", () => lengths.size > 1
    ? linesOver(result, alike, "n_c", "retained_bytes", [unit, size])
    : barsByRegion(result, subject.length > 1 ? subject : result.measured.slice(0, 24),
                   [unit, size]));
}

/** Bars of points, stacked by region. */
function barsByRegion(result, points, [unit, size]) {
  const names = points.map(point => result.label(point));
  return {
    traces: REGIONS.filter(region => points.some(point => point[region.figure]))
      .map(region => ({
        type: "bar", orientation: "h", name: region.name, y: names,
        x: points.map(point => (point[region.figure] ?? 0) / size),
        customdata: points.map(point => exact(point[region.figure])),
        hovertemplate: `%{y}<br>${region.name} %{customdata}<extra></extra>`,
        marker: {color: regionColor(region.name)},
      })),
    layout: {
      barmode: "stack", xaxis: {title: {text: `retained, ${unit}`}, rangemode: "tozero"},
      yaxis: {autorange: "reversed"},
    },
  };
}
