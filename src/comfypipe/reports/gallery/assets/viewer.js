// One run in full: its files, parameters, prompt and where they came from.

class Viewer {
  constructor(app) {
    this.app = app;
    this.dialog = byId("viewer");
    this.dialog.addEventListener("close", () => this.#stop());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  get isOpen() {
    return this.dialog.open;
  }

  open(entry, position = 0) {
    this.entry = entry;
    this.position = Math.min(position, Math.max(0, entry.files.length - 1));
    this.dialog.replaceChildren(this.#stage(), this.#about());
    if (!this.dialog.open) this.dialog.showModal();
  }

  step(by) {
    const { order } = this.app;
    const next = order[order.indexOf(this.entry) + by];
    if (next) this.open(next);
  }

  #stop() {
    this.dialog.replaceChildren(); // films and sounds stop with their elements
    this.app.focused = this.entry.index; // the browser gave the focus back to the card that was opened first
    this.app.refocus();
  }

  #stage() {
    const { entry, app } = this;
    const file = entry.files[this.position];
    const button = (text, label, click) => make("button", { type: "button", title: label, "aria-label": label, on: { click } }, text);
    const tools = make(
      "div",
      { class: "tools" },
      button("←", "Previous (left)", () => this.step(-1)),
      button("→", "Next (right)", () => this.step(1)),
      button(app.marked.includes(entry) ? "Marked" : "Mark to compare", "Mark to compare (c)", () => {
        app.mark(entry);
        if (this.isOpen) this.open(entry, this.position);
      }),
      file?.src ? make("a", { href: file.src, target: "_blank", rel: "noopener", download: file.kind === "file" ? file.name : null }, file.name) : null,
      make("span", { class: "space" }),
      button("Close", "Close (Esc)", () => this.dialog.close()),
    );
    const strip = entry.files.length > 1 ? make("div", { class: "strip" }, ...entry.files.map((each, index) => this.#small(each, index))) : null;
    return make("div", { class: "stage" }, tools, media(entry, file), strip);
  }

  #small(file, index) {
    const inside = file.thumb ? make("img", { src: file.thumb, alt: file.name }) : make("span", {}, file.kind);
    const current = index === this.position ? "true" : null;
    return make("button", { type: "button", "aria-label": file.name, "aria-current": current, on: { click: () => this.open(this.entry, index) } }, inside);
  }

  #about() {
    const { entry } = this;
    const file = entry.files[this.position];
    const prompt = this.app.model.prompt(entry, file);
    const about = make(
      "div",
      { class: "about" },
      make("h1", {}, entry.row ? `${entry.name || "run"}, row ${entry.row}` : entry.name || entry.id),
      make("p", {}, make("span", { class: `dot ${statusClass(entry.status)}` }), this.#state()),
    );
    const section = (title, content) => content && about.append(make("h2", {}, title), content);
    section("Error", entry.error ? errorText(entry.error) : null);
    section("Parameters", definitionsOf(entry.params));
    section("Values", definitionsOf(entry.values));
    section("File", file ? definitions(fileFacts(file)) : null);
    section("Provenance", definitions([["run", entry.id], ...Object.entries(entry.facts)].filter(([, value]) => value !== "")));
    section("Prompt", prompt ? promptText(prompt) : null);
    return about;
  }

  #state() {
    const { entry } = this;
    const notes = [
      entry.status,
      entry.seconds === undefined ? null : inSeconds(entry.seconds),
      entry.cost === undefined ? null : `cost ${entry.cost}`,
      entry.cached ? "from the store" : null,
      entry.simulated ? "simulated" : null,
    ];
    return notes.filter(Boolean).join(" · ");
  }
}

function definitionsOf(values) {
  const pairs = Object.entries(values);
  return pairs.length ? definitions(pairs) : null;
}

function fileFacts(file) {
  const facts = [["name", file.name], ["output", file.output], ["type", file.type || "unknown"]];
  if (file.bytes) facts.push(["size", inBytes(file.bytes)]);
  if (file.sha256) facts.push(["SHA-256", file.sha256]);
  return facts;
}

function errorText(error) {
  const node = error.node_id ? `node ${error.node_id}${error.class_type ? ` (${error.class_type})` : ""}` : null;
  const lines = [error.type, error.message, node, error.hint ? `hint: ${error.hint}` : null];
  return make("pre", { class: "error" }, lines.filter(Boolean).join("\n"));
}

function promptText(prompt) {
  const text = JSON.stringify(prompt, null, 2);
  const copy = make("button", { type: "button", on: { click: () => copyText(text, copy) } }, "Copy");
  return make("details", {}, make("summary", {}, `${Object.keys(prompt).length} nodes`), copy, make("pre", {}, text));
}

function copyText(text, button) {
  const done = (worked) => (button.textContent = worked ? "Copied" : "Select the text to copy it");
  if (!navigator.clipboard) return done(false);
  return navigator.clipboard.writeText(text).then(() => done(true), () => done(false));
}

function media(entry, file, { zoom = new Zoom() } = {}) {
  const stage = make("div", { class: "media" });
  if (!file) {
    const words = entry.error ? entry.error.message : Object.values(entry.values).map(shown).join("\n");
    stage.append(make("pre", { class: entry.error ? "error" : null }, words || entry.status));
  } else if (file.gone) stage.append(make("p", {}, `${file.name} is gone`));
  else if (file.kind === "image") {
    const image = make("img", { src: file.src, alt: file.name, draggable: false });
    stage.append(image);
    zoom.follow(stage, image);
  } else if (file.kind === "video") stage.append(make("video", { src: file.src, controls: true, loop: true, autoplay: true, muted: true, "aria-label": file.name }));
  else if (file.kind === "audio") stage.append(make("audio", { src: file.src, controls: true, "aria-label": file.name }));
  else stage.append(make("p", {}, make("a", { href: file.src, download: file.name }, `Download ${file.name}`)));
  return stage;
}
