"use strict";
// What was measured: tables of a result folder, and the words and numbers that are made of them.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SCHEMA = DATA.schema;  // of results, as the program has it; nothing here lists any part of it
const named = entries => new Map(entries.map(entry => [entry.name, entry]));
const AXES = named(SCHEMA.axes);
const MODES = named(SCHEMA.modes);
const REGIONS = SCHEMA.regions;
// Of steps as they ran; what shapes said before is the same.
const FIGURES = SCHEMA.figures.filter(figure => !figure.is_prediction);
const REFERENCE = AXES.get("mode").reference;
// What only some modes have.
const OF_MODES = SCHEMA.axes.filter(axis => "mode" in axis.conditions).map(axis => axis.name);

/** The regions that rows can have bytes in, some of them where one has some. */
function regionsOf(rows, column) {
  return REGIONS.filter(region => !region.is_optional || rows.some(row => row[region[column]]));
}

/** Whether a mode, of this version or not, gives the gradient of the full graph. */
function isExact(mode) { return MODES.get(mode)?.is_exact ?? true; }

/** A function from a row's index to its value in a packed column. */
function valuesOf(column) {
  return "c" in column ? () => column.c
    : "n" in column ? i => column.n[i] : i => column.w[column.i[i]];
}

/** Rows of a packed table, as objects by column: all of them, or those of some indices. */
function unpack(table, indices) {
  if (!table) return [];
  const columns = Object.entries(table.columns).map(([name, column]) => [name, valuesOf(column)]);
  const row = i => {
    const made = {};
    for (const [name, at] of columns) made[name] = at(i);
    return made;
  };
  return indices ? indices.map(row) : Array.from({length: table.rows}, (_, i) => row(i));
}

/** One result folder. */
class Result {
  constructor(packed) {
    this.name = packed.name;
    this.notes = packed.notes;
    this.sweep = packed.sweep;
    this.files = packed.files;
    this.points = unpack(packed.points);
    this.points.forEach((point, index) => { point.index = index; });
    this.laws = unpack(packed.laws);
    this.gradients = unpack(packed.gradients);
    this.flow = unpack(packed.flow);
    this.packedLedger = packed.ledger;
    this.ledgerRows = new Map();  // a point's index -> the indices of its rows in the ledger
    if (packed.ledger) {
      const pointOf = valuesOf(packed.ledger.columns.point);
      for (let i = 0; i < packed.ledger.rows; i++) {
        const rows = this.ledgerRows.get(pointOf(i));
        if (rows) rows.push(i); else this.ledgerRows.set(pointOf(i), [i]);
      }
    }
    this.axes = [...AXES.keys()].filter(axis => this.points.length && axis in this.points[0]);
    // Repetitions keep the same bytes: the first stands for all.
    const seen = new Set();
    this.measured = this.points.filter(point => {
      const key = keyOf(point, this.axes);
      if (point.status !== "ok" || point.retained_bytes == null || seen.has(key)) return false;
      seen.add(key);
      return true;
    });
    this.varying = this.axes.filter(
      axis => new Set(this.measured.map(point => point[axis])).size > 1);
  }

  /** Why a file of the folder is not shown, or not all of it. */
  noteOf(file) { return this.notes.find(note => note.startsWith(file)); }

  /** The points, with their ledgers, that can be opened. */
  get opened() { return this.measured.filter(point => this.ledgerRows.has(point.index)); }

  /** The rows of a point's ledger; ledgers are unpacked only as they are looked at. */
  ledgerOf(point) { return unpack(this.packedLedger, this.ledgerRows.get(point.index) ?? []); }

  /** A point in words: its mode, then whatever else differs; `without` leaves axes out. */
  label(point, without = []) {
    const words = this.varying.filter(axis => axis !== "mode" && !without.includes(axis))
      .filter(axis => speaks(axis, point))
      .map(axis => AXES.get(axis).label.replace("{}", () => number(point[axis])));
    return (without.includes("mode") ? words : [point.mode, ...words]).join(", ");
  }
}

/** Whether an axis that goes with values of others means anything in a point. */
function speaks(axis, point) {
  const conditions = Object.entries(AXES.get(axis).conditions);
  return !conditions.length
    || conditions.some(([other, values]) => values.includes(String(point[other])));
}

/** The point's values on some axes, as one text. */
function keyOf(point, axes) { return axes.map(axis => point[axis]).join("\u0001"); }

/** Rows by a key, in the order of their first. */
function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const found = key(row);
    if (!groups.has(found)) groups.set(found, []);
    groups.get(found).push(row);
  }
  return groups;
}

// Numbers in words.

const UNITS = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10], ["B", 1]];

const THOUSANDS = new Intl.NumberFormat("en-US");

/** A number with its thousands apart; texts as they are. */
function number(value) {
  if (value == null || value === "") return "–";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? THOUSANDS.format(value) : value.toPrecision(3);
}

/** Bytes to three digits, such as 20.7 MiB. */
function bytes(value) {
  if (value == null) return "–";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(value) >= size) ?? UNITS[3];
  return `${size === 1 ? value : Number((value / size).toPrecision(3)).toString()} ${unit}`;
}

/** Bytes to the byte. */
function exact(value) { return value == null ? "–" : `${THOUSANDS.format(value)} B`; }

/** A share in percent, with a digit behind the point where that is needed. */
function percent(share) {
  const value = 100 * share;
  return `${Math.abs(value) >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** A relative error in words. */
function error(value) {
  if (value == null) return "–";
  if (value === 0) return "0";
  return value < 1e-3 ? value.toExponential(1) : percent(value);
}

/** The element of an id. */
function $(id) { return document.getElementById(id); }

/** A new element with text or children. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
