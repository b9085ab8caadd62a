// A sweep as a grid: one parameter across, one down, their values as labels.

const LABEL_PX = 128;
const CELL_GAP_PX = 6;
const IN_CELL = 4; // pictures that a cell shows of several runs

function matrixLines(app, entries, across, down) {
  const size = app.model.asked.size;
  const present = (param) => {
    const seen = new Set(entries.map((entry) => shown(entry.params[param.name])));
    return [...param.values, "–"].filter((value) => seen.has(value));
  };
  const columns = present(across);
  const rows = down ? present(down) : [null];
  const cells = new Map();
  for (const entry of entries) {
    const key = cellKey(shown(entry.params[across.name]), down ? shown(entry.params[down.name]) : null);
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(entry);
  }
  const top = {
    height: 52,
    entries: [],
    make: () =>
      make(
        "div",
        { class: "line matrix" },
        make("div", { class: "label" }, down ? `${across.name} →\n${down.name} ↓` : `${across.name} →`),
        ...columns.map((value) => make("div", { class: "top", title: value, style: { width: `${size}px` } }, value)),
      ),
  };
  const lines = rows.map((row) => {
    const inRow = columns.map((column) => cells.get(cellKey(column, row)) ?? []);
    return {
      height: size + CELL_GAP_PX,
      entries: inRow.map((few) => few[0]).filter(Boolean),
      all: inRow.flat(),
      make: () =>
        make("div", { class: "line matrix" }, make("div", { class: "label" }, row ?? ""), ...inRow.map((few) => cell(app, few, size))),
    };
  });
  return { lines: [top, ...lines], width: LABEL_PX + columns.length * (size + CELL_GAP_PX) + MARGIN_PX };
}

const cellKey = (column, row) => JSON.stringify([column, row]);

function cell(app, entries, size) {
  const side = entries.length > 1 ? 2 : 1;
  const shownHere = entries.slice(0, IN_CELL);
  const element = make(
    "div",
    {
      class: entries.length ? "cell" : "cell none",
      role: "listitem",
      style: { width: `${size}px`, height: `${size}px`, gridTemplateColumns: `repeat(${side}, 1fr)`, gridAutoRows: "1fr" },
    },
    ...shownHere.map((entry) => card(app, entry, null, { caption: false })),
  );
  if (entries.length > IN_CELL) element.append(make("span", { class: "badge more" }, `+${entries.length - IN_CELL}`));
  return element;
}
