// How charts look: one unit of bytes in all of them, a mode's colour everywhere, light and dark.

// In the order of the schema's modes and regions; what comes after has the further colours.
const COLORS = ["#5b6470", "#0b62a4", "#cc6a00", "#0b7a5b"];
const DARK_COLORS = ["#aab4bf", "#6db6f2", "#f0a04b", "#4fc9a4"];
const OF_REGIONS = ["#cc6a00", "#0b7a5b", "#a03b7b", "#8a919b", "#c9b458"];
const OTHERS = ["#0b62a4", "#cc6a00", "#0b7a5b", "#a03b7b", "#7a5a00", "#5b6470", "#c0392b",
                "#2a7f9e"];
const DARK_OTHERS = ["#6db6f2", "#f0a04b", "#4fc9a4", "#e08cc0", "#d8b64a", "#aab4bf", "#f08a7e",
                     "#7fd0ea"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "cross", "star", "pentagon"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

/** Whether the page is dark now. */
function isDark() { return document.documentElement.dataset.theme === "dark"; }

/** A value of the style sheet, such as --ink. */
function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colour of the n-th of several series; that of its mode where modes tell them apart. */
function colorOf(mode, index, modesTell) {
  const [modes, others] = isDark() ? [DARK_COLORS, DARK_OTHERS] : [COLORS, OTHERS];
  const place = [...MODES.keys()].indexOf(mode);
  return (modesTell && modes[place]) || others[index % others.length];
}

/** The colour of a region; nothing for what is none. */
function regionColor(name) {
  const place = REGIONS.findIndex(region => region.name === name);
  return place < 0 ? undefined : OF_REGIONS[place] ?? OTHERS[(place + 5) % OTHERS.length];
}

/** The one unit of all charts: that of the largest bytes of any point. */
function commonUnit(results) {
  const largest = Math.max(1, ...results.flatMap(result => result.measured.map(
    point => Math.max(point.retained_bytes ?? 0, point.peak_bytes ?? 0))));
  return UNITS.find(([, size]) => largest >= size);
}

const drawn = new Map();

// Charts are drawn when they are about to be seen, so that a page opens at once.
const seen = new Set();
const eye = new IntersectionObserver(entries => {
  for (const entry of entries.filter(entry => entry.isIntersecting)) {
    eye.unobserve(entry.target);
    seen.add(entry.target.id);
    draw(entry.target.id);
  }
}, {rootMargin: "400px"});

/** Draws a chart once it is near the window, and again whenever the theme changes. */
function chart(id, make) {
  drawn.set(id, make);
  if (seen.has(id)) draw(id); else eye.observe($(id));
}

function draw(id) {
  const place = $(id);
  if (!window.Plotly || place.hidden || !seen.has(id)) return;
  const {traces, layout = {}} = drawn.get(id)();
  const [ink, line] = [styled("--ink"), styled("--line")];
  const axis = {gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true};
  const narrow = place.clientWidth < 560;
  // On a phone a long legend takes lines of its own.
  const named = traces.filter(trace => trace.name).length;
  place.style.height = narrow && named > 4 ? `${330 + 20 * (named - 4)}px` : "";
  Plotly.react(place, traces, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: {color: ink, family: "system-ui, DejaVu Sans, sans-serif", size: narrow ? 12 : 13},
    margin: {l: 10, r: narrow ? 10 : 20, t: 16, b: 10},
    hoverlabel: {bgcolor: styled("--panel"), bordercolor: line, font: {color: ink}, align: "left"},
    legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal"},
    ...layout,
    xaxis: {...axis, ...layout.xaxis}, yaxis: {...axis, ...layout.yaxis},
  }, {responsive: true, displayModeBar: false});
}

function redraw() { for (const id of drawn.keys()) draw(id); }

addEventListener("beforeprint", () => {
  for (const id of drawn.keys()) { seen.add(id); draw(id); }
});

/** The bytes of a base64 text. */
function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  return Uint8Array.from({length: text.length}, (_, index) => text.charCodeAt(index));
}

/** Unpacks the plotting library, which the page carries; a promise of when it has run. */
async function loadPlotly() {
  const packed = new Blob([bytesOf($("plotly").textContent.trim())]);
  const stream = packed.stream().pipeThrough(new DecompressionStream("gzip"));
  const script = new Blob([await new Response(stream).arrayBuffer()], {type: "text/javascript"});
  await new Promise((done, failed) => document.head.append(element("script", {
    src: URL.createObjectURL(script), onload: done, onerror: failed})));
}

/** Follows the reader's system until the button is used. */
function followTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const set = dark => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    redraw();
  };
  set(system.matches);
  system.addEventListener("change", event => set(event.matches));
  $("theme").addEventListener("click", () => set(!isDark()));
}
