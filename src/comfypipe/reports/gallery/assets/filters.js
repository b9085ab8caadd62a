// The two bars below the title: which runs, and how they are arranged.

function drawFilters(app) {
  const { model } = app;
  const bar = byId("filters");
  const chips = [...model.statuses].map(([status, count]) =>
    make(
      "button",
      {
        type: "button",
        class: `chip ${statusClass(status)}`,
        "aria-pressed": String(model.asked.status === status),
        on: { click: () => app.ask({ status: model.asked.status === status ? null : status }) },
      },
      `${status} ${count}`,
    ),
  );
  const open = [...bar.querySelectorAll("details[open]")].map((each) => each.dataset.name);
  const filters = model.varied().map((param) => filterOf(app, param, open.includes(param.name)));
  const any = model.asked.status !== null || model.asked.text || Object.keys(model.asked.params).length;
  const clear = make("button", { type: "button", on: { click: () => app.ask({ status: null, text: "", params: {} }) } }, "Clear");
  bar.replaceChildren(...(model.statuses.size > 1 ? chips : []), ...filters, ...(any ? [clear] : []));
}

function filterOf(app, param, open) {
  const wanted = app.model.asked.params[param.name];
  const set = (value) => {
    const params = { ...app.model.asked.params };
    if (value === null) delete params[param.name];
    else params[param.name] = value;
    app.ask({ params });
  };
  let inside;
  if (param.values.length <= MANY) inside = choices(param, wanted, set);
  else if (param.numeric) inside = range(wanted, set);
  else {
    const change = (event) => set(event.target.value ? { part: event.target.value } : null);
    inside = make("input", { type: "search", value: wanted?.part ?? "", "aria-label": `${param.name} contains`, on: { change } });
  }
  const details = make(
    "details",
    { class: "filter", open, "data-name": param.name },
    make("summary", {}, wanted ? `${param.name}: ${told(wanted)}` : param.name),
    make("div", {}, inside),
  );
  if (wanted) details.dataset.set = "";
  return details;
}

function told(wanted) {
  if (wanted.among) return wanted.among.length > 2 ? `${wanted.among.length} values` : wanted.among.join(", ");
  return wanted.part ?? `${wanted.least ?? ""}…${wanted.most ?? ""}`;
}

function choices(param, wanted, set) {
  const among = new Set(wanted?.among ?? []);
  return make(
    "div",
    {},
    ...param.values.map((value) => {
      const change = (event) => {
        if (event.target.checked) among.add(value);
        else among.delete(value);
        set(among.size ? { among: param.values.filter((each) => among.has(each)) } : null);
      };
      const box = make("input", { type: "checkbox", checked: among.has(value), on: { change } });
      return make("label", {}, box, ` ${value} (${param.counts.get(value)})`);
    }),
  );
}

function range(wanted, set) {
  const number = (end, label) => {
    const change = (event) => {
      const next = { ...wanted, [end]: event.target.value === "" ? undefined : Number(event.target.value) };
      set(next.least === undefined && next.most === undefined ? null : next);
    };
    return make("label", {}, `${label} `, make("input", { type: "number", step: "any", value: wanted?.[end] ?? "", on: { change } }));
  };
  return make("div", {}, number("least", "from"), number("most", "to"));
}

function drawAxes(app) {
  const { model } = app;
  const params = model.varied();
  if (!params.length) return byId("axes").replaceChildren();
  const picker = (label, key, none) => {
    const options = [["", none], ...params.map((param) => [param.name, param.name])];
    const select = make(
      "select",
      { on: { change: (event) => app.ask({ [key]: event.target.value }) } },
      ...options.map(([value, text]) => make("option", { value, selected: model.asked[key] === value }, text)),
    );
    return make("label", {}, `${label} `, select);
  };
  byId("axes").replaceChildren(picker("Across", "x", "as a list"), ...(model.asked.x ? [picker("Down", "y", "nothing")] : []), picker("Group by", "group", "nothing"));
}

function drawSort(app) {
  const { model } = app;
  const has = (key) => model.entries.some((entry) => entry[key] !== undefined);
  const fixed = [["order", "order"], ["name", "name"], ["status", "status"], ["seconds", "time"], ["cost", "cost"]];
  const options = fixed.filter(([key]) => key === "order" || has(key)).concat(model.varied().map((param) => [`param:${param.name}`, param.name]));
  byId("sort").replaceChildren(...options.map(([value, text]) => make("option", { value, selected: value === model.asked.sort }, text)));
  byId("direction").textContent = model.asked.descending ? "↓" : "↑";
}
