// A workflow's runs, and one of them in full.

const STATES = { COMPLETED: "completed", ERROR: "failed" };
const isOpen = (run) => run.status === "QUEUED" || run.status === "STARTED";
const isCancelled = (run) => run.comfypipe?.cancelled === true;
const stateOf = (run) => (isCancelled(run) ? "cancelled" : run.status.toLowerCase());
const filesOf = (run) => (Array.isArray(run.output) ? run.output : []);
const errorOf = (run) => run.error?.message ?? run.output?.error?.exception_message;

function runCard(run, open) {
  const [file] = filesOf(run);
  let inside = make("span", {}, stateOf(run));
  if (file) inside = make("img", { src: local(file.thumbnail_url), alt: "", loading: "lazy" });
  else if (errorOf(run)) inside = make("div", { class: "reason" }, errorOf(run));
  const when = new Date(run.created_at).toLocaleString();
  const took = run.run_time === null ? null : inSeconds(run.run_time / 1000);
  return make(
    "button",
    { type: "button", class: "card", "aria-label": `run ${run.id}, ${stateOf(run)}`, on: { click: () => open(run) } },
    make("div", { class: "picture" }, inside),
    make(
      "div",
      { class: "caption" },
      make("span", { class: `dot ${STATES[run.status] ?? ""}` }),
      [run.name || stateOf(run), took, filesOf(run).length > 1 ? `${filesOf(run).length} files` : null].filter(Boolean).join(" · "),
      make("small", {}, when),
    ),
  );
}

// The service may be called by another name than its public one: its files are asked of where this page came from.
const local = (url) => url.slice(url.indexOf("/api/v1/") + 1);

class RunView {
  constructor(changed) {
    this.dialog = byId("one-run");
    this.changed = changed;
    this.dialog.addEventListener("close", () => {
      this.following?.abort();
      this.dialog.replaceChildren();
    });
  }

  async open(workflow, id) {
    this.following?.abort();
    this.following = new AbortController();
    this.workflow = workflow;
    const run = await get(`${runPath(workflow, id)}?extended=1`);
    this.#draw(run);
    if (!this.dialog.open) this.dialog.showModal();
    if (isOpen(run)) this.#follow(run, this.following.signal);
  }

  #draw(run) {
    this.bar = make("progress", {});
    this.doing = make("p", { role: "status" }, stateOf(run));
    const cancel = make("button", { type: "button", on: { click: () => this.#cancel(run) } }, "Cancel the run");
    const close = make("button", { type: "button", on: { click: () => this.dialog.close() } }, "Close");
    const content = [
      make("h1", {}, run.name || `run ${run.id}`),
      isOpen(run) ? make("div", {}, this.doing, this.bar) : make("p", {}, make("span", { class: `dot ${STATES[run.status] ?? ""}` }), stateOf(run)),
      errorOf(run) ? make("pre", { class: "error" }, [errorOf(run), run.error?.hint].filter(Boolean).join("\n")) : null,
      make("div", { class: "outputs" }, ...filesOf(run).map(outputOf)),
      make("h2", {}, "Run"),
      definitions(this.#facts(run)),
      ...this.#json("Inputs", run.data.inputs),
      ...this.#json("Values", run.values),
      ...this.#json("Files", run.files),
      ...this.#json("Prompt", run.data.prompt),
      make("div", { class: "tools" }, isOpen(run) ? cancel : null, close),
    ];
    this.dialog.replaceChildren(...content.filter(Boolean));
  }

  #facts(run) {
    const time = (text) => (text ? new Date(text).toLocaleString() : undefined);
    const facts = [
      ["id", run.id],
      ["asked for", time(run.created_at)],
      ["started", time(run.started_at)],
      ["ended", time(run.completed_at)],
      ["execution", run.run_time === null ? undefined : inSeconds(run.run_time / 1000)],
      ["downloads", run.comfypipe?.download_time ? inSeconds(run.comfypipe.download_time / 1000) : undefined],
      ["accelerator", run.accelerator],
      ["device", run.device],
      ["attempts", run.comfypipe?.attempts],
      ["simulated", run.simulated ? "yes: placeholders, no real results" : undefined],
      ["tags", run.tags.join(", ")],
    ];
    return facts.filter(([, value]) => value !== undefined && value !== null && value !== "");
  }

  #json(title, value) {
    if (!value || !Object.keys(value).length) return [];
    const text = JSON.stringify(value, null, 2);
    return [make("h2", {}, title), make("details", {}, make("summary", {}, `${text.split("\n").length} lines`), make("pre", {}, text))];
  }

  async #follow(run, signal) {
    try {
      for await (const { kind, data } of events(this.workflow, run.id, signal)) {
        if (kind === "end") break;
        this.doing.textContent = [data.status?.toLowerCase() ?? data.state, data.class_type].filter(Boolean).join(" · ");
        if (data.maximum) [this.bar.max, this.bar.value] = [data.maximum, data.value ?? 0];
      }
    } catch (error) {
      if (signal.aborted) return;
      this.doing.textContent = error.message;
      return;
    }
    if (signal.aborted) return;
    this.changed();
    await this.open(this.workflow, run.id);
  }

  async #cancel(run) {
    await api(`${runPath(this.workflow, run.id)}/cancel`, { method: "POST" });
    this.changed();
    await this.open(this.workflow, run.id);
  }
}

function outputOf(file) {
  const name = file.filename.split("/").at(-1);
  const source = local(file.url);
  const suffix = name.split(".").at(-1).toLowerCase();
  if (["png", "jpg", "jpeg", "webp", "gif", "avif"].includes(suffix)) {
    return make("a", { href: source, target: "_blank", rel: "noopener" }, make("img", { src: source, alt: name }));
  }
  if (["mp4", "webm", "mov"].includes(suffix)) return make("video", { src: source, controls: true, "aria-label": name });
  if (["wav", "mp3", "flac", "ogg", "opus", "m4a"].includes(suffix)) return make("audio", { src: source, controls: true, "aria-label": name });
  return make("a", { href: source, download: name }, name);
}
