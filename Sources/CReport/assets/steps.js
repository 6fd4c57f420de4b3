// The walk in three steps, with this run's numbers: rows that carry loss, values that reach queries,
// gradients that the prefix reaches.

const SHOWN = 4;  // tokens of each kind that a diagram shows

function showSteps(result) {
  const subject = subjectOf(result);
  if (!subject.length) { $("steps").hidden = true; return; }
  showSequence(subject[0]);
  showReach(subject);
  showFlow(result, subject);
}

function lossIndex(point) { return point.loss_rows === "generated" ? 0 : -1; }

function showSequence(point) {
  const cells = [];
  const token = (name, kinds) => element("div", {className: `token ${kinds}`, textContent: name});
  const some = (count, letter, kind, isLoss) => {
    const ends = count > 2 * SHOWN
      ? [...Array(SHOWN).keys(), null, ...[...Array(SHOWN).keys()].map(i => count - SHOWN + i)]
      : [...Array(count).keys()];
    for (const index of ends) {
      cells.push(index == null ? token("…", "gap")
        : token(letter + (index + 1), `${kind}${isLoss(index) ? " loss" : ""}`));
    }
  };
  const first = lossIndex(point);
  some(point.n_c, "C", "prefix", index => first < 0 && index === point.n_c - 1);
  some(point.n_g, "G", "generated",
       index => first === 0 || index < point.n_g - 1);
  $("sequence").replaceChildren(element("div", {className: "tokens"}, ...cells));
  $("sequence-text").textContent =
    `${number(point.n_c)} tokens of the prefix and ${number(point.n_g)} generated ones; filled `
    + `rows carry loss, ${number(point.n_g)} a sequence. `
    + (first === 0
      ? "Every generated row predicts the token after it. "
      : "A row predicts the token after it, so the prefix's last row predicts the first "
        + "generated token and carries loss too. ")
    + "The loss is the mean of −log p(token | tokens before it) over these rows. The prefix adds "
    + "nothing else to it, and still passes through every layer.";
}

/** What a cell of attention is in a mode; the last `kept` prefix rows stay in the graph. */
function cellOf(mode, query, key, kept) {
  if (key > query) return "masked";
  const prefix = index => index < SHOWN;
  const stays = index => !prefix(index) || index >= SHOWN - kept;
  const rows = MODES.get(mode).prefix_rows;
  if (rows === "pruned" && !stays(query)) return "masked";
  const graph = index => rows !== "detached" || stays(index);
  if (!graph(query)) return "unrecorded";
  if (!graph(key)) return "constant";
  return prefix(key) ? "fromprefix" : "recorded";
}

function showReach(subject) {
  const byMode = [...MODES.keys()].map(mode => subject.find(point => point.mode === mode)).filter(Boolean);
  const places = byMode.map(point => {
    // The prefix's last row stays where it carries loss.
    const share = (point.keep_prefix || 0) / Math.max(point.n_c, 1);
    const kept = Math.max(Math.ceil(SHOWN * share), lossIndex(point) < 0 ? 1 : 0);
    const names = [...Array(2 * SHOWN).keys()].map(
      i => i < SHOWN ? `C${i + 1}` : `G${i + 1 - SHOWN}`);
    const grid = element("div", {className: "grid"});
    grid.style.gridTemplateColumns = `repeat(${2 * SHOWN + 1}, 30px)`;
    grid.append(element("div"), ...names.map(name => element("div", {textContent: name})));
    names.forEach((name, query) => {
      grid.append(element("div", {textContent: name}), ...names.map((_, key) => element("div", {
        className: cellOf(point.mode, query, key, kept),
        title: `${point.mode}: query ${name}, key ${names[key]}`,
      })));
    });
    return element("figure", {}, element("figcaption", {
      textContent: point.mode + (point.keep_prefix ? `, keep_prefix ${point.keep_prefix}` : "")
        + (MODES.get(point.mode).prefix_rows === "pruned" ? ", last layer" : ""),
    }), grid);
  });
  const box = element("div", {}, ...places);
  box.style.cssText = "display:flex;flex-wrap:wrap;gap:18px 34px;margin:8px 0";
  for (const figure of places) figure.style.margin = "0";
  const swatch = (name, words) => element("span", {},
    element("span", {className: `swatch ${name}`}), words);
  const legend = element("div", {className: "legend grid-legend"},
    swatch("fromprefix", "value and key of the prefix, in the graph: their weights get gradient"),
    swatch("constant", "the same, as constants: no gradient"),
    swatch("recorded", "of generated tokens"),
    swatch("unrecorded", "computed without a graph"));
  for (const mark of legend.querySelectorAll(".swatch")) {
    mark.style.background = getReachStyle(mark.classList[1]);
    if (mark.classList[1] === "unrecorded") mark.style.border = "1px dashed var(--constant)";
  }
  $("reach").replaceChildren(legend, box);
  $("reach-text").textContent =
    `Rows are queries, columns keys; ${SHOWN} tokens of each kind stand for all. A generated query `
    + "adds up values W_V·h of every position before it, the prefix's too: so W_K and W_V get "
    + `gradient from rows that carry no loss. ${byMode.map(p => MODES.get(p.mode).sentence).join("; ")}.`;
}

function getReachStyle(name) {
  return {
    fromprefix: "var(--prefix)", recorded: "var(--generated)", unrecorded: "none",
    constant: "repeating-linear-gradient(45deg, var(--constant) 0 3px, transparent 3px 6px)",
  }[name];
}

/** A heat map of layers and weights. */
function heatMap(rows, value, name, scale) {
  const weights = [...new Set(rows.map(row => row.weight))];
  const layers = [...new Set(rows.map(row => row.layer))].sort((a, b) => (a ?? -1) - (b ?? -1));
  const cells = grouped(rows, row => `${row.layer}\u0001${row.weight}`);
  const mean = (layer, weight) => {
    const found = (cells.get(`${layer}\u0001${weight}`) ?? []).map(value)
      .filter(number => number != null);
    return found.length ? found.reduce((a, b) => a + b, 0) / found.length : null;
  };
  return () => ({
    traces: [{
      type: "heatmap", x: weights, y: layers.map(layer => layer == null ? "ends" : `layer ${layer}`),
      z: layers.map(layer => weights.map(weight => mean(layer, weight))),
      colorscale: isDark() ? [[0, "#1d232b"], [1, "#f0a04b"]] : [[0, "#f5f6f8"], [1, "#cc6a00"]],
      zmin: 0, zmax: scale, xgap: 2, ygap: 2, colorbar: {title: {text: name, side: "right"}},
      hovertemplate: `%{y}, %{x}: ${name} %{z:.3g}<extra></extra>`, hoverongaps: false,
    }],
    layout: {
      xaxis: {side: "top", type: "category", showgrid: false},
      yaxis: {autorange: "reversed", type: "category", showgrid: false},
    },
  });
}

function showFlow(result, subject) {
  if (result.flow.length) {
    const weights = [...grouped(result.flow, row => row.weight)];
    const norm = (rows, column) => Math.hypot(...rows.map(row => row[column] ?? 0));
    const rows = weights.map(([weight, rows]) => ({
      weight, prefix: norm(rows, "prefix_norm"), boundary: norm(rows, "boundary_norm"),
      generated: norm(rows, "generated_norm"), total: norm(rows, "total_norm"),
    }));
    const mark = value => value === 0 ? "✗ none" : `✓ ${value.toPrecision(3)}`;
    makeTable($("flow-table"), [
      {label: "weight", value: row => row.weight},
      {label: "from the prefix", value: row => row.prefix, text: row => mark(row.prefix),
       isNumber: true},
      ...rows.some(row => row.boundary) ? [
        {label: "from its last row, which carries loss", value: row => row.boundary,
         text: row => mark(row.boundary), isNumber: true}] : [],
      {label: "from generated rows", value: row => row.generated,
       text: row => mark(row.generated), isNumber: true},
      {label: "together", value: row => row.total, text: row => row.total.toPrecision(3),
       isNumber: true},
    ], rows);
    chart("flow-map", heatMap(result.flow, row => row.prefix_share, "the prefix's share", 1));
    const of = result.label(result.points[result.flow[0].point]);
    $("flow-text").textContent = (of ? `Of ${of}. ` : "")
      + "Frobenius norms of the sums over the rows of each kind, all layers together; the map has "
      + "them layer by layer, as the prefix's share of the two norms. E is the embedding, U the "
      + "head. In the last layer the prefix reaches W_K and W_V and the norm before them; below, "
      + "every weight.";
    return;
  }
  const biased = subject.filter(point => !isExact(point.mode));
  const point = biased[0];
  const rows = point ? result.gradients.filter(
    row => row.point === point.index && row.relative_error != null) : [];
  $("flow-table").hidden = true;
  if (!rows.length) {
    $("flow-map").hidden = true;
    $("flow-text").textContent =
      "This folder has no gradients by weight: they come with "
      + SCHEMA.modes.filter(mode => !mode.is_exact).map(mode => mode.name).join(" or ")
      + " on backend cpu, or with `ballast flow … --csv flow.csv` in the folder. W_K and W_V get gradient from the "
      + "prefix in every layer; W_Q, W_O and the MLP in all but the last."
      + ["flow.csv", "gradients.csv"].map(file => result.noteOf(file)).filter(Boolean)
        .map(note => ` ${note}.`).join("");
    return;
  }
  chart("flow-map", heatMap(rows, row => Math.min(row.relative_error, 1), "error", 1));
  $("flow-text").textContent =
    `How far the gradient of ${result.label(point)} is from the exact one, weight by weight, `
    + "relative to its norm (norm: the mean of a layer's norms; E: the embedding, U: the head; "
    + "errors of 1 and more have one colour). Where it is 1, what the weight got came through the "
    + "prefix.";
}
