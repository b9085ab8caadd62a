// The page: workflows at the side, the runs of one of them beside.

const BUSY_MS = 1500;
const QUIET_MS = 10000;
const PAGE = 60;

class App {
  constructor() {
    this.view = new RunView(() => this.refresh());
    this.limit = PAGE;
    byId("key").addEventListener("click", () => this.askKey());
    window.addEventListener("hashchange", () => this.choose());
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    this.start();
  }

  async start() {
    try {
      this.workflows = await get("/workflows?extended=1&limit=500");
    } catch (error) {
      if (error.status === 401) return this.askKey(error.message);
      return this.say(error.message);
    }
    this.say("");
    this.choose();
  }

  say(text) {
    byId("said").textContent = text;
  }

  askKey(why = "") {
    const dialog = byId("ask-key");
    const field = make("input", { type: "password", autocomplete: "off", value: sessionStorage.getItem(KEY) ?? "", "aria-label": "API key" });
    const submit = (event) => {
      event.preventDefault();
      if (field.value.trim()) sessionStorage.setItem(KEY, field.value.trim());
      else sessionStorage.removeItem(KEY);
      dialog.close();
      this.start();
    };
    const words = "The key stays in this tab. `comfypipe keys create` makes one.";
    dialog.replaceChildren(
      make("form", { on: { submit } }, make("h1", {}, "API key"), make("p", { class: "hint" }, words), make("label", {}, field), make("p", { class: "wrong" }, why), make("div", { class: "tools" }, make("button", { class: "primary" }, "Use"))),
    );
    if (!dialog.open) dialog.showModal();
  }

  choose() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    const chosen = this.workflows.find((each) => each.id === wanted) ?? this.workflows[0];
    if (chosen !== this.chosen) this.limit = PAGE;
    this.chosen = chosen;
    const links = this.workflows.map((each) =>
      make(
        "button",
        { type: "button", "aria-current": each === this.chosen ? "true" : null, on: { click: () => (location.hash = encodeURIComponent(each.id)) } },
        each.name,
        each.description ? make("small", {}, each.description) : null,
      ),
    );
    const none = make("p", { class: "empty" }, "No workflows. Start the service with --project, or send a run to the API.");
    byId("workflows").replaceChildren(...(links.length ? links : [none]));
    byId("runs").replaceChildren();
    this.refresh();
  }

  async refresh() {
    clearTimeout(this.timer);
    const workflow = this.chosen;
    if (!workflow) return;
    let wait = QUIET_MS;
    try {
      const runs = await get(`${runPath(workflow.id)}?extended=1&limit=${Math.min(500, this.limit)}`);
      if (workflow !== this.chosen) return;
      this.say("");
      this.draw(workflow, runs);
      if (runs.some(isOpen)) wait = BUSY_MS;
    } catch (error) {
      this.say(error.message);
    }
    clearTimeout(this.timer);
    if (!document.hidden) this.timer = setTimeout(() => this.refresh(), wait);
  }

  draw(workflow, runs) {
    const open = (run) => this.view.open(workflow.id, run.id).catch((error) => this.say(error.message));
    const begin = () => new RunForm(workflow, (id) => this.refresh().then(() => open({ id })));
    const title = make(
      "div",
      { class: "title" },
      make("h1", {}, workflow.name),
      make("button", { type: "button", class: "primary", on: { click: begin } }, "New run"),
      workflow.description ? make("p", {}, workflow.description) : null,
    );
    const cards = make("div", { class: "cards" }, ...runs.map((run) => runCard(run, open)));
    const more = make("button", { type: "button", class: "more", on: { click: () => ((this.limit += PAGE), this.refresh()) } }, "Older runs");
    const focused = document.activeElement?.getAttribute("aria-label");
    const scrolled = byId("runs").scrollTop;
    byId("runs").replaceChildren(title, runs.length ? cards : make("p", { class: "empty" }, "No runs yet."), ...(runs.length >= this.limit && this.limit < 500 ? [more] : []));
    byId("runs").scrollTop = scrolled;
    if (focused?.startsWith("run ")) [...cards.children].find((each) => each.getAttribute("aria-label").split(",")[0] === focused.split(",")[0])?.focus();
  }
}

new App();
