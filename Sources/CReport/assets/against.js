// Two results side by side: what appeared, went and grew, to the tensor.

/** The axes by which points of two results are the same; where they ran does not count. */
function sharedAxes(one, other) {
  return one.axes.filter(axis => other.axes.includes(axis)
    && AXES.get(axis).changes_bytes);
}

/** Pairs of points `{before, after}`; of a point that only one result has, the other is missing. */
function pairsOf(before, after) {
  const axes = sharedAxes(before, after);
  const waiting = new Map(after.measured.map(point => [keyOf(point, axes), point]));
  const pairs = before.measured.map(point => {
    const key = keyOf(point, axes);
    const other = waiting.get(key);
    waiting.delete(key);
    return {before: point, after: other};
  });
  return [...pairs, ...[...waiting.values()].map(point => ({after: point}))];
}

function showAgainst(before, after) {
  const pairs = pairsOf(before, after);
  const both = pairs.filter(pair => pair.before && pair.after);
  const change = pair => pair.before && pair.after
    ? pair.after.retained_bytes - pair.before.retained_bytes : null;
  const grew = both.filter(pair => change(pair) > 0).length;
  const shrank = both.filter(pair => change(pair) < 0).length;
  $("against").hidden = false;
  if (both.length) {
    const most = both.reduce((a, b) => Math.abs(change(b)) > Math.abs(change(a)) ? b : a);
    const share = Math.abs(change(most)) / most.before.retained_bytes;
    $("headline").textContent = !change(most)
      ? `All ${number(both.length)} points keep what they kept before`
      : `${change(most) > 0 ? "More" : "Less"} is kept than before: ${percent(share)} at most, of `
        + labelOfPair(before, after, most);
  }
  $("against-sentence").textContent =
    `Before: ${before.name}. After: ${after.name}. Of ${number(both.length)} points that both have, `
    + `${number(grew)} keep more now, ${number(shrank)} less, `
    + `${number(both.length - grew - shrank)} the same`
    + (pairs.length > both.length ? `; ${number(pairs.length - both.length)} are in one alone.` : ".");
  const retained = point => point?.retained_bytes ?? null;
  makeTable($("against-points"), [
    {label: "point", value: pair => labelOfPair(before, after, pair)},
    {label: "change", value: change, isNumber: true,
     text: pair => change(pair) == null ? "in one alone"
       : change(pair) === 0 ? "=" : signed(change(pair))},
    {label: "before", value: pair => retained(pair.before), isNumber: true},
    {label: "after", value: pair => retained(pair.after), isNumber: true},
    {label: "%", value: pair => change(pair) / pair.before?.retained_bytes, isNumber: true,
     text: pair => change(pair) ? percent(change(pair) / pair.before.retained_bytes) : ""},
    {label: "peak before", value: pair => pair.before?.peak_bytes ?? null, isNumber: true},
    {label: "peak after", value: pair => pair.after?.peak_bytes ?? null, isNumber: true},
  ], pairs, {page: 20});
  const opened = both.filter(pair => before.ledgerRows.has(pair.before.index)
    && after.ledgerRows.has(pair.after.index));
  const place = $("against-tensors");
  if (!opened.length) {
    $("against-point").hidden = true;
    place.textContent = "No point has its tensors in both.";
    return;
  }
  const first = opened.reduce((best, pair) =>
    Math.abs(change(pair)) > Math.abs(change(best)) ? pair : best, opened[0]);
  const choice = $("against-point");
  choice.replaceChildren(...opened.map((pair, index) => element("option", {
    value: String(index), textContent: labelOfPair(before, after, pair), selected: pair === first,
  })));
  const show = pair => showTensorChanges(
    place, before.ledgerOf(pair.before), after.ledgerOf(pair.after));
  choice.onchange = () => show(opened[Number(choice.value)]);
  show(first);
}

function labelOfPair(before, after, pair) {
  return pair.before ? before.label(pair.before) : after.label(pair.after);
}

function signed(value) { return `${value > 0 ? "+" : "−"}${number(Math.abs(value))}`; }

/** The storages of two ledgers, by layer, op and tensor, that are not the same. */
function tensorChanges(before, after) {
  const key = row => `${row.layer ?? ""}\u0001${row.op}\u0001${row.tensor}`;
  const [one, other] = [grouped(before, key), grouped(after, key)];
  const sum = rows => (rows ?? []).reduce((sum, row) => sum + row.requested_bytes, 0);
  return [...new Set([...one.keys(), ...other.keys()])].map(key => {
    const [was, is] = [one.get(key), other.get(key)];
    const row = (is ?? was)[0];
    return {
      layer: row.layer, op: row.op, tensor: row.tensor, before: sum(was), after: sum(is),
      what: !was ? "appeared" : !is ? "went" : sum(is) > sum(was) ? "grew"
        : sum(is) < sum(was) ? "shrank" : "same",
      shapes: [...new Set([...(was ?? []), ...(is ?? [])].map(row => `${row.shape} ${row.dtype}`))]
        .join(" → "),
    };
  }).filter(change => change.what !== "same");
}

function showTensorChanges(place, before, after) {
  const changes = tensorChanges(before, after);
  if (!changes.length) {
    place.textContent = "The saved tensors are the same.";
    return;
  }
  const columns = [
    {label: "what", value: change => change.what},
    {label: "change", value: change => change.after - change.before, isNumber: true, sum: true,
     text: change => signed(change.after - change.before)},
    {label: "layer", value: change => change.layer, isNumber: true,
     text: change => change.layer == null ? "" : String(change.layer)},
    {label: "op", value: change => change.op}, {label: "tensor", value: change => change.tensor},
    {label: "shape", value: change => change.shapes},
    {label: "before", value: change => change.before, isNumber: true, sum: true},
    {label: "after", value: change => change.after, isNumber: true, sum: true},
  ];
  makeTable(place, columns, changes, {page: 30});
}
