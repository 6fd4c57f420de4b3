// What is retained as a tree, from region to tensor or turned around, and tensor by tensor.

/** What a storage is called at a level of the tree. */
const LEVELS = {
  region: part => part.region,
  layer: part => part.row.layer == null ? "ends" : `layer ${part.row.layer}`,
  op: part => part.row.op,
  tensor: part => `${part.row.tensor} ${part.row.shape} ${part.row.dtype}`,
};

/** A ledger's bytes, apart by region where the tree begins with regions. */
function partsOf(ledger, order) {
  if (!order.includes("region")) {
    return ledger.map(row => ({row, bytes: row.requested_bytes}));
  }
  return ledger.flatMap(row => REGIONS
    .filter(region => row[region.column])
    .map(region => ({row, region: region.name, bytes: row[region.column]})));
}

/** The tree: `{name, bytes, children}`, children largest first. */
function treeOf(parts, order, name) {
  const made = {name, bytes: parts.reduce((sum, part) => sum + part.bytes, 0), children: []};
  if (order.length) {
    const [level, ...rest] = order;
    made.children = [...grouped(parts, LEVELS[level]).entries()]
      .map(([name, parts]) => treeOf(parts, rest, name))
      .sort((a, b) => b.bytes - a.bytes);
  }
  return made;
}

function showTree(result, unit) {
  const points = result.opened;
  if (!points.length) {
    for (const id of ["tree", "tensors"]) $(id).hidden = true;
    return;
  }
  const subject = subjectOf(result).find(point => points.includes(point)) ?? points[0];
  let point = subject;
  const show = () => {
    const order = $("tree-order").value.split(" ");
    const ledger = result.ledgerOf(point);
    const tree = treeOf(partsOf(ledger, order), order, "retained");
    $("tree-text").textContent =
      `${exact(tree.bytes)} in ${number(ledger.length)} storages`
      + (tree.bytes === point.retained_bytes
        ? ", the retained bytes of the point." : `; the point says ${exact(point.retained_bytes)}.`);
    $("tree-list").replaceChildren(...tree.children.map(child => branch(child, tree.bytes)));
    chart("tree-chart", () => icicle(tree));
  };
  $("tree-order").onchange = show;
  choosePoint($("tree-point"), result, points, chosen => { point = chosen; show(); }, subject);
  showTensors(result, points, subject);
}

/** A branch that is filled when it is opened. */
function branch(node, total) {
  const line = [node.name, " ", element("span", {className: "bytes",
    textContent: `${exact(node.bytes)}, ${percent(node.bytes / total)}`})];
  if (!node.children.length) return element("div", {className: "leaf"}, ...line);
  const made = element("details", {}, element("summary", {}, ...line));
  made.addEventListener("toggle", () => {
    if (made.childElementCount === 1) {
      made.append(...node.children.map(child => branch(child, total)));
    }
  }, {once: true});
  return made;
}

/** The tree as a chart in which a click opens a branch. */
function icicle(tree) {
  const [ids, labels, parents, values] = [[], [], [], []];
  const walk = (node, id, parent, depth) => {
    ids.push(id); labels.push(node.name); parents.push(parent); values.push(node.bytes);
    if (depth < 4) {
      node.children.slice(0, 200).forEach((child, index) =>
        walk(child, `${id}/${index}`, id, depth + 1));
    }
  };
  walk(tree, "0", "", 0);
  const palette = isDark() ? DARK_OTHERS : OTHERS;
  const color = index => regionColor(tree.children[index].name) ?? palette[index % palette.length];
  return {
    traces: [{
      type: "icicle", ids, labels, parents, values, branchvalues: "total", maxdepth: 4, sort: false,
      text: values.map(bytes), textinfo: "label+text", tiling: {orientation: "v"},
      customdata: values.map(value => `${exact(value)}, ${percent(value / tree.bytes)}`),
      hovertemplate: "%{label}<br>%{customdata}<extra></extra>",
      marker: {colors: ids.map(id => id === "0" ? styled("--panel")
        : color(Number(id.split("/")[1]))),
               line: {color: styled("--ground"), width: 1}},
      pathbar: {visible: true},
    }],
    layout: {margin: {l: 0, r: 0, t: 24, b: 0}},
  };
}

function showTensors(result, points, first) {
  const columns = [
    {label: "order", value: row => row.order, isNumber: true},
    {label: "bytes", value: row => row.requested_bytes, isNumber: true, sum: true},
    {label: "layer", value: row => row.layer, text: row => row.layer == null ? "" : String(row.layer),
     isNumber: true},
    {label: "op", value: row => row.op}, {label: "tensor", value: row => row.tensor},
    {label: "shape", value: row => row.shape}, {label: "dtype", value: row => row.dtype},
    ...regionsOf(points, "figure").map(region => (
      {label: region.name, value: row => row[region.column], isNumber: true, sum: true})),
    {label: "allocated", value: row => row.allocated_bytes, isNumber: true},
    {label: "needed for the gradient of", value: row => row.needed_for, isWide: true},
    {label: "also saved by", value: row => row.also_saved_by, isWide: true},
  ];
  choosePoint($("tensor-point"), result, points, point => {
    const ledger = result.ledgerOf(point);
    makeTable($("tensor-table"), columns, ledger, {
      search: $("tensor-search"), sorted: columns[1],
      onCount: rows => {
        const sum = rows.reduce((sum, row) => sum + row.requested_bytes, 0);
        $("tensor-text").textContent =
          `${number(rows.length)} of ${number(ledger.length)} storages, ${exact(sum)} of the `
          + `${exact(point.retained_bytes)} that are retained.`;
      },
    });
  }, first);
}
