// Puts the parts together: what is asked changes the address, and everything is drawn from it.

const KEYS = [
  ["arrow keys", "go from run to run"],
  ["Enter", "open the run"],
  ["c", "mark the run to compare it"],
  ["v", "compare the two marked runs"],
  ["/", "search"],
  ["+ −", "larger, smaller; in a picture: zoom"],
  ["0", "fit the picture"],
  ["t", "dark or light"],
  ["Esc", "close, or clear the marks"],
  ["?", "this list"],
];

class App {
  constructor(data) {
    this.model = new Model(data);
    this.view = byId("view");
    this.lines = new Lines(this.view);
    this.viewer = new Viewer(this);
    this.comparison = new Comparison(this);
    this.selected = [];
    this.order = []; // as they stand on the page, groups after each other
    this.marked = [];
    this.focused = null;
    this.#recall();
    this.#listen();
    this.draw();
  }

  ask(changes) {
    Object.assign(this.model.asked, changes);
    if (!("size" in changes)) this.view.scrollTop = 0; // other runs: from the first of them
    this.#remember();
    this.draw();
  }

  draw() {
    this.selected = this.model.selected();
    drawFilters(this);
    drawAxes(this);
    drawSort(this);
    const { asked, entries } = this.model;
    if (byId("search").value !== asked.text) byId("search").value = asked.text;
    byId("size").value = asked.size;
    const [some, all] = [this.selected.length, entries.length].map((count) => count.toLocaleString());
    byId("count").textContent = some === all ? `${all} ${all === "1" ? "run" : "runs"}` : `${some} of ${all} runs`;
    this.#arrange();
  }

  open(entry) {
    this.viewer.open(entry);
  }

  mark(entry) {
    this.marked = this.marked.includes(entry) ? this.marked.filter((each) => each !== entry) : [...this.marked.slice(-1), entry];
    byId("marked").disabled = this.marked.length < 2;
    for (const element of this.view.querySelectorAll(".card")) {
      const position = this.marked.findIndex((each) => each.index === Number(element.dataset.index));
      if (position < 0) delete element.dataset.marked;
      else element.dataset.marked = position + 1;
    }
  }

  refocus() {
    const line = this.lines.lines.findIndex((each) => each.entries.some((entry) => entry.index === this.focused));
    if (line < 0) return;
    this.lines.reveal(line);
    this.view.querySelector(`.card[data-index="${this.focused}"]`)?.focus({ preventScroll: true });
  }

  #arrange() {
    const { asked, params } = this.model;
    const group = params.get(asked.group);
    const groups = group ? grouped(this.selected, group) : [[null, this.selected]];
    const lines = [];
    let width = 0;
    for (const [value, entries] of groups) {
      if (group) lines.push(headingLine(`${group.name} ${value}`, entries.length));
      const across = params.get(asked.x);
      if (across) {
        const matrix = matrixLines(this, entries, across, params.get(asked.y));
        lines.push(...matrix.lines);
        width = Math.max(width, matrix.width);
      } else lines.push(...cardLines(this, entries, this.view.clientWidth));
    }
    this.order = lines.flatMap((line) => line.all ?? line.entries);
    this.lines.show(lines, width > this.view.clientWidth ? width : 0);
    this.view.querySelector(".empty")?.remove();
    if (!this.selected.length) this.view.append(make("p", { class: "empty" }, this.model.entries.length ? "No run is as you ask." : "There are no runs."));
  }

  #move(key) {
    const lines = this.lines.lines.filter((line) => line.entries.length);
    let row = lines.findIndex((line) => line.entries.some((entry) => entry.index === this.focused));
    if (row < 0) [row, this.focused] = [0, lines[0]?.entries[0].index ?? null];
    else {
      const column = lines[row].entries.findIndex((entry) => entry.index === this.focused);
      const flat = lines.flatMap((line) => line.entries);
      const at = flat.findIndex((entry) => entry.index === this.focused);
      const next = {
        ArrowRight: () => flat[at + 1],
        ArrowLeft: () => flat[at - 1],
        ArrowDown: () => lines[row + 1]?.entries[Math.min(column, lines[row + 1].entries.length - 1)],
        ArrowUp: () => lines[row - 1]?.entries[Math.min(column, lines[row - 1].entries.length - 1)],
        Home: () => flat[0],
        End: () => flat.at(-1),
      }[key]();
      this.focused = next?.index ?? this.focused;
    }
    this.refocus();
  }

  #listen() {
    byId("search").addEventListener("input", (event) => this.ask({ text: event.target.value }));
    byId("sort").addEventListener("change", (event) => this.ask({ sort: event.target.value }));
    byId("direction").addEventListener("click", () => this.ask({ descending: !this.model.asked.descending }));
    byId("size").addEventListener("input", (event) => this.ask({ size: Number(event.target.value) }));
    byId("marked").addEventListener("click", () => this.comparison.open(this.marked));
    byId("theme").addEventListener("click", () => this.#theme());
    byId("help").addEventListener("click", () => this.#help());
    document.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("click", (event) => this.#closeFilters(event.target));
    new ResizeObserver(() => this.#arrange()).observe(this.view);
    window.addEventListener("hashchange", () => {
      this.#recall();
      this.draw();
    });
  }

  #closeFilters(target) {
    for (const each of document.querySelectorAll("details.filter[open]")) if (!each.contains(target) && target.isConnected) each.open = false;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input:not([type=checkbox]):not([type=range]), select, textarea");
    if (typing && event.key !== "Escape") return;
    const handlers = this.viewer.isOpen ? this.#viewerKeys() : this.comparison.isOpen ? this.#comparisonKeys() : this.#listKeys();
    const handler = handlers[event.key];
    if (!handler || byId("keys").open) return;
    event.preventDefault();
    handler();
  }

  #viewerKeys() {
    const { viewer } = this;
    const film = () => viewer.dialog.querySelector("video:focus, audio:focus");
    return {
      ArrowLeft: () => film() || viewer.step(-1),
      ArrowRight: () => film() || viewer.step(1),
      c: () => {
        this.mark(viewer.entry);
        viewer.open(viewer.entry, viewer.position);
      },
    };
  }

  #comparisonKeys() {
    const { zoom } = this.comparison;
    return { "+": () => zoom.by(1.5), "-": () => zoom.by(1 / 1.5), 0: () => zoom.reset() };
  }

  #listKeys() {
    const moves = Object.fromEntries(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].map((key) => [key, () => this.#move(key)]));
    const size = (by) => this.ask({ size: Math.min(480, Math.max(96, this.model.asked.size + by)) });
    return {
      ...moves,
      c: () => this.focused !== null && this.mark(this.model.entries[this.focused]),
      v: () => this.marked.length === 2 && this.comparison.open(this.marked),
      "/": () => byId("search").focus(),
      "+": () => size(32),
      "-": () => size(-32),
      t: () => this.#theme(),
      "?": () => this.#help(),
      Escape: () => {
        for (const entry of [...this.marked]) this.mark(entry);
        this.#closeFilters(document.body);
        document.activeElement?.blur();
      },
    };
  }

  #theme() {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  }

  #help() {
    const dialog = byId("keys");
    const close = make("button", { type: "button", on: { click: () => dialog.close() } }, "Close");
    const list = make("dl", { class: "facts" });
    for (const [key, does] of KEYS) list.append(make("dt", {}, make("kbd", {}, key)), make("dd", {}, does));
    dialog.replaceChildren(make("h2", {}, "Keys"), list, close);
    dialog.showModal();
  }

  // What is asked stands in the address, so that a view can be kept and sent.

  #remember() {
    history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(this.model.asked))}`);
  }

  #recall() {
    let kept;
    try {
      kept = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    } catch {
      return; // no address, or somebody else's: the page as it is by itself
    }
    const { asked } = this.model;
    for (const name of Object.keys(asked)) if (name === "status" ? kept?.[name] !== undefined : typeof kept?.[name] === typeof asked[name]) asked[name] = kept[name];
  }
}

const app = new App(JSON.parse(byId("runs").textContent));
document.documentElement.dataset.ready = app.model.entries.length;
