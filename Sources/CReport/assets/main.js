// The page: one section after the other.

function showPoints(result) {
  const axes = result.varying.filter(axis => axis !== "repeat");
  const shown = new Set(regionsOf(result.points, "figure").map(region => region.name));
  const figures = FIGURES.filter(({region}) => !region || shown.has(region))
    .filter(({name}) => result.points.some(point => point[name] != null))
    .map(({name, label}) => ({
      label, value: point => point[name], isNumber: true, isFirst: name === "retained_bytes",
      text: point => name === "gradient_relative_error" ? error(point[name]) : number(point[name]),
    }));
  const [first, ...others] = [
    ...[...new Set(["mode", "n_c", ...axes])].filter(axis => result.axes.includes(axis)).map(axis => ({
      label: axis, value: point => point[axis],
      isNumber: result.points.every(point => typeof point[axis] === "number"),
    })),
    {label: "status", value: point => point.status, title: point => point.error ?? ""},
  ];
  // What is retained stands second, so that a phone shows it without a scroll to the side.
  const columns = [first, ...figures.filter(figure => figure.isFirst), ...others,
                   ...figures.filter(figure => !figure.isFirst)];
  makeTable($("point-table"), columns, result.points, {
    search: $("point-search"), page: 50,
    onCount: rows => {
      const failed = result.points.filter(point => point.status !== "ok");
      $("point-text").textContent =
        `${number(rows.length)} of ${number(result.points.length)} rows of points.csv, bytes to the `
        + `byte${failed.length ? `; ${number(failed.length)} have no figures, the first: `
          + (failed[0].error || failed[0].status) : ""}.`;
    },
  });
}

function showProvenance(results) {
  const list = element("dl");
  const add = (name, value) => {
    if (value == null || value === "") return;
    list.append(element("dt", {textContent: name}), element("dd", {textContent: value}));
  };
  const texts = [];
  for (const result of results) {
    const points = result.points;
    const all = name => [...new Set(points.map(point => point[name]).filter(v => v != null && v !== ""))];
    const times = all("started_at").sort();
    add("result", result.name);
    add("profile", result.sweep?.profile ?? all("profile").join(", "));
    add("command", result.sweep?.command);
    add("measured by", all("version").map(version =>
      /^\d/.test(version) ? `ballast ${version}` : version).join(", "));
    for (const name of ["torch", "transformers"]) add(name, all(name).join(", "));
    add("when", times.length > 1 ? `${times[0]} to ${times.at(-1)}` : times[0]);
    add("machine", [...all("backend").map(name => `backend ${name}`),
                    ...all("threads").map(count => `${count} threads`)].join(", "));
    const resident = Math.max(0, ...points.map(point => point.process_peak_rss_bytes ?? 0));
    if (resident) add("most resident memory", bytes(resident));
    add("files", result.files.join(", "));
    for (const note of result.notes) add("note", note);
    if (result.sweep?.text) texts.push([result.name, result.sweep.text]);
  }
  add("report", `made by ballast ${DATA.made.version}; charts by plotly.js, MIT licence, inside this `
    + "file; nothing is fetched");
  $("provenance-list").replaceChildren(list, ...texts.flatMap(([name, text]) => [
    element("h3", {textContent: `The profile of ${name}`}), element("pre", {textContent: text})]));
}

function showContents() {
  $("contents").replaceChildren(...[...document.querySelectorAll("main > section")]
    .filter(section => !section.hidden && section.querySelector("h2"))
    .map(section => element("a", {
      href: `#${section.id}`, textContent: section.querySelector("h2").textContent,
    })));
}

async function main() {
  // Unpacked and compiled beside the rest: what is read is there first.
  const plotly = loadPlotly();
  const results = DATA.results.map(packed => new Result(packed));
  const result = results.at(-1);
  const unit = commonUnit(results);
  $("made").textContent = result.name;
  followTheme();
  showAnswer(result, unit);
  if (results.length > 1) showAgainst(results[0], result);
  showSteps(result);
  showCurves(result, unit);
  showTradeoff(result, unit);
  showTree(result, unit);
  showPoints(result);
  showProvenance(results);
  showContents();
  try {
    await plotly;
    redraw();
  } catch {
    document.querySelectorAll(".chart").forEach(place => { place.hidden = true; });
    $("detail").after(element("p", {className: "note", textContent:
      "This browser cannot unpack the charts; the tables below have every number."}));
  }
  document.documentElement.dataset.ready = "yes";
}

main();
