// Forms: a field for each input that a manifest declares, else the prompt itself.

const FILES = ["image", "mask", "video", "audio", "file"];
const ACCEPT = { image: "image/*", mask: "image/*", video: "video/*", audio: "audio/*" };

class RunForm {
  constructor(workflow, created) {
    this.dialog = byId("ask-run");
    this.workflow = workflow;
    this.created = created;
    this.fields = workflow.comfypipe
      ? Object.entries(workflow.comfypipe.inputs).map(([name, spec]) => inputField(name, spec))
      : [jsonField("prompt", "The prompt, in ComfyUI's API format.", "large")];
    this.wrong = make("p", { class: "wrong", role: "alert" });
    this.send = make("button", { class: "primary" }, "Run");
    const cancel = make("button", { type: "button", on: { click: () => this.dialog.close() } }, "Close");
    const form = make(
      "form",
      { on: { submit: (event) => this.#submit(event) } },
      make("h1", {}, workflow.name),
      workflow.description ? make("p", {}, workflow.description) : null,
      ...this.fields.map((field) => field.element),
      this.wrong,
      make("div", { class: "tools" }, this.send, cancel),
    );
    this.dialog.replaceChildren(form);
    this.dialog.showModal();
  }

  async #submit(event) {
    event.preventDefault();
    this.wrong.textContent = "";
    this.send.disabled = true;
    try {
      const values = {};
      for (const field of this.fields) {
        const value = await field.value();
        if (value !== undefined) values[field.name] = value;
      }
      const json = this.workflow.comfypipe ? { inputs: values } : values;
      const reply = await api(runPath(this.workflow.id), { method: "POST", json });
      this.dialog.close();
      this.created((await reply.json()).id);
    } catch (error) {
      const found = (error.diagnostics ?? []).map((each) => [each.message, each.hint].filter(Boolean).join(": "));
      this.wrong.textContent = [...new Set([error.message, ...found])].join("\n");
    } finally {
      this.send.disabled = false;
    }
  }
}

function labelled(name, spec, control) {
  const rules = [spec.type, spec.default === undefined ? (spec.required === false ? "optional" : null) : `default ${shown(spec.default)}`];
  const hint = [spec.description, rules.filter(Boolean).join(", ")].filter(Boolean).join(" · ");
  return make("label", {}, make("span", { class: "name" }, name), control, make("span", { class: "hint" }, hint));
}

function inputField(name, spec) {
  if (FILES.includes(spec.type)) return fileField(name, spec);
  if (spec.type === "boolean") return booleanField(name, spec);
  if (spec.type === "choice") return choiceField(name, spec);
  if (["list", "json"].includes(spec.type)) return jsonField(name, spec.description ?? `${spec.type}, as JSON`, "", spec.default);
  const numeric = ["integer", "number"].includes(spec.type);
  const control = make(spec.type === "text" ? "textarea" : "input", {
    type: spec.type === "text" ? undefined : numeric ? "number" : "text",
    step: spec.type === "integer" ? "1" : numeric ? "any" : undefined,
    min: spec.minimum ?? undefined,
    max: spec.maximum ?? undefined,
    placeholder: spec.default === undefined ? (spec.type === "seed" ? "drawn" : "") : shown(spec.default),
  });
  const value = () => {
    if (control.value === "") return undefined;
    return numeric || (spec.type === "seed" && Number.isSafeInteger(Number(control.value))) ? Number(control.value) : control.value;
  };
  return { name, element: labelled(name, spec, control), value };
}

function booleanField(name, spec) {
  const control = make("select", {}, ...["", "true", "false"].map((each) => make("option", { value: each }, each || "as declared")));
  return { name, element: labelled(name, spec, control), value: () => (control.value ? control.value === "true" : undefined) };
}

function choiceField(name, spec) {
  const control = make("select", {}, make("option", { value: "" }, "as declared"), ...spec.choices.map((each, index) => make("option", { value: index }, shown(each))));
  return { name, element: labelled(name, spec, control), value: () => (control.value === "" ? undefined : spec.choices[Number(control.value)]) };
}

function fileField(name, spec) {
  const control = make("input", { type: "file", accept: ACCEPT[spec.type] });
  return { name, element: labelled(name, spec, control), value: async () => (control.files.length ? upload(control.files[0]) : undefined) };
}

function jsonField(name, description, size = "", value) {
  const control = make("textarea", { class: size, spellcheck: false, placeholder: value === undefined ? "" : JSON.stringify(value) });
  const read = () => {
    if (!control.value.trim()) return undefined;
    try {
      return JSON.parse(control.value);
    } catch (error) {
      throw new Error(`${name}: ${error.message}`);
    }
  };
  return { name, element: labelled(name, { type: "JSON", description }, control), value: read };
}
