// One run as a card, and runs as lines of cards.

const CAPTION_PX = 44;
const GAP_PX = 12;
const MARGIN_PX = 16;

function statusClass(status) {
  return status === "completed" || status === "failed" ? status : "other";
}

function preview(entry) {
  const file = entry.files[0];
  const badges = make("div", { class: "badges" });
  if (entry.simulated) badges.append(make("span", { class: "badge" }, "simulated"));
  if (entry.files.length > 1) badges.append(make("span", { class: "badge" }, `${entry.files.length} files`));
  if (file?.kind === "video") badges.append(make("span", { class: "badge" }, "▶ video"));
  if (file?.kind === "audio") badges.append(make("span", { class: "badge" }, "♪ audio"));
  let inside;
  if (file?.thumb) inside = make("img", { loading: "lazy", decoding: "async", alt: "", src: file.thumb });
  else if (entry.error) inside = make("div", { class: "reason" }, entry.error.message ?? shown(entry.error));
  else if (file) inside = make("span", {}, file.gone ? "the file is gone" : file.name);
  else if (Object.keys(entry.values).length) inside = make("div", { class: "words" }, Object.values(entry.values).map(shown).join("\n"));
  else inside = make("span", {}, entry.status);
  return make("div", { class: "picture" }, inside, badges);
}

function card(app, entry, size, { caption = true } = {}) {
  const { group, x } = app.model.asked;
  const told = app.model.varied().filter((param) => param.name !== group || x).map((param) => (param.name in entry.params ? `${param.name} ${shown(entry.params[param.name])}` : null));
  const first = told.filter(Boolean).slice(0, 4).join(" · ") || entry.name || entry.id;
  const second = [entry.row ? `row ${entry.row}` : entry.id, entry.seconds === undefined ? null : inSeconds(entry.seconds)];
  const element = make(
    "button",
    {
      type: "button",
      class: "card",
      title: told.filter(Boolean).join("\n") || first,
      "aria-label": `${entry.status}: ${first}`,
      "data-index": entry.index,
      style: size ? { width: `${size}px`, height: `${size + (caption ? CAPTION_PX : 0)}px` } : {},
      on: {
        click: (event) => (event.shiftKey || event.ctrlKey || event.metaKey ? app.mark(entry) : app.open(entry)),
        focus: () => (app.focused = entry.index),
      },
    },
    preview(entry),
    caption
      ? make(
          "div",
          { class: "caption" },
          make("div", {}, make("span", { class: `dot ${statusClass(entry.status)}` }), first),
          make("div", { class: "second" }, second.filter(Boolean).join(" · ")),
        )
      : null,
  );
  const marked = app.marked.indexOf(entry);
  if (marked >= 0) element.dataset.marked = marked + 1;
  return element;
}

function headingLine(text, count) {
  return { height: 44, entries: [], make: () => make("div", { class: "line heading" }, `${text} `, make("span", { class: "second" }, `(${count})`)) };
}

function cardLines(app, entries, width) {
  const size = app.model.asked.size;
  const columns = Math.max(1, Math.floor((width - 2 * MARGIN_PX + GAP_PX) / (size + GAP_PX)));
  const lines = [{ height: MARGIN_PX, entries: [], make: () => make("div", { class: "line" }) }];
  for (let start = 0; start < entries.length; start += columns) {
    const few = entries.slice(start, start + columns);
    lines.push({
      height: size + CAPTION_PX + GAP_PX,
      entries: few,
      make: () => make("div", { class: "line", role: "presentation" }, ...few.map((entry) => make("div", { role: "listitem" }, card(app, entry, size)))),
    });
  }
  return lines;
}

function grouped(entries, param) {
  const groups = new Map();
  for (const entry of entries) {
    const key = shown(entry.params[param.name]);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(entry);
  }
  const order = new Map(param.values.map((value, index) => [value, index]));
  return [...groups].sort(([a], [b]) => (order.get(a) ?? Infinity) - (order.get(b) ?? Infinity));
}
