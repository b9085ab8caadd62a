// Two runs side by side, looked into together.

class Zoom {
  constructor() {
    this.images = [];
    this.reset();
  }

  reset() {
    [this.scale, this.x, this.y] = [1, 0, 0];
    this.#apply();
  }

  follow(stage, image) {
    this.images.push(image);
    stage.addEventListener("wheel", (event) => this.#wheel(event, stage), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#drag(event, stage));
    image.addEventListener("dblclick", () => (this.scale === 1 ? this.by(4) : this.reset()));
  }

  by(factor, x = 0, y = 0) {
    const scale = Math.min(32, Math.max(1, this.scale * factor));
    const change = scale / this.scale;
    [this.x, this.y, this.scale] = [x - (x - this.x) * change, y - (y - this.y) * change, scale];
    if (scale === 1) [this.x, this.y] = [0, 0];
    this.#apply();
  }

  #wheel(event, stage) {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    this.by(Math.exp(-event.deltaY / 300), event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
  }

  #drag(event, stage) {
    if (this.scale === 1) return;
    const start = [event.clientX - this.x, event.clientY - this.y];
    const move = (moved) => {
      [this.x, this.y] = [moved.clientX - start[0], moved.clientY - start[1]];
      this.#apply();
    };
    stage.setPointerCapture(event.pointerId);
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", () => stage.removeEventListener("pointermove", move), { once: true });
  }

  #apply() {
    for (const image of this.images) {
      image.style.transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
      image.classList.toggle("whole", this.scale > 1);
    }
  }
}

class Comparison {
  constructor(app) {
    this.app = app;
    this.dialog = byId("comparison");
    this.dialog.addEventListener("close", () => {
      this.dialog.replaceChildren();
      app.refocus();
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  open([left, right]) {
    this.zoom = new Zoom();
    const button = (text, label, click) => make("button", { type: "button", "aria-label": label, on: { click } }, text);
    const tools = make(
      "div",
      { class: "tools" },
      make("strong", {}, "Comparison"),
      button("Swap", "Swap sides", () => this.open([right, left])),
      button("Fit", "Fit (0)", () => this.zoom.reset()),
      make("span", { class: "space" }),
      button("Close", "Close (Esc)", () => this.dialog.close()),
    );
    const pair = make("div", { class: "pair" }, ...[left, right].map((entry) => media(entry, entry.files[0], { zoom: this.zoom })));
    this.dialog.replaceChildren(tools, pair, make("div", { class: "about" }, this.#table(left, right)));
    if (!this.dialog.open) this.dialog.showModal();
  }

  #table(left, right) {
    const rows = [["run", left.id, right.id], ["status", left.status, right.status]];
    for (const name of new Set([...Object.keys(left.params), ...Object.keys(right.params)])) rows.push([name, left.params[name], right.params[name]]);
    rows.push(["time", ...[left, right].map((entry) => (entry.seconds === undefined ? undefined : inSeconds(entry.seconds)))]);
    rows.push(...this.#nodes(left, right));
    return make("table", {}, ...rows.map(([name, ...values]) => {
      const [a, b] = values.map(shown);
      return make("tr", { class: a === b ? null : "differs" }, make("th", { scope: "row" }, name), make("td", {}, a), make("td", {}, b));
    }));
  }

  #nodes(left, right) {
    const [a, b] = [left, right].map((entry) => this.app.model.prompt(entry, entry.files[0]));
    if (!a || !b) return [];
    const rows = [];
    for (const id of new Set([...Object.keys(a), ...Object.keys(b)])) {
      for (const name of new Set([...Object.keys(a[id]?.inputs ?? {}), ...Object.keys(b[id]?.inputs ?? {})])) {
        const values = [a[id]?.inputs[name], b[id]?.inputs[name]];
        if (shown(values[0]) !== shown(values[1])) rows.push([`node ${id} ${name}`, ...values]);
      }
    }
    return rows;
  }
}
