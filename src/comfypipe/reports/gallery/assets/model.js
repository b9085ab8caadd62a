// The runs, what is asked of them, and the order in which they are shown. Knows nothing of elements.

const MANY = 40; // values that are still offered one by one

class Model {
  constructor(data) {
    this.title = data.title;
    this.prompts = data.prompts;
    this.entries = data.entries;
    this.entries.forEach((entry, index) => this.#complete(entry, index));
    this.params = this.#describeParams();
    this.statuses = this.#countStatuses();
    this.axes = data.axes.filter((name) => this.params.has(name));
    this.asked = { text: "", status: null, params: {}, sort: "order", descending: false, x: "", y: "", group: "", size: 208 };
    [this.asked.x, this.asked.y = "", this.asked.group = ""] = this.axes.length ? this.axes : [""];
  }

  #complete(entry, index) {
    entry.index = index;
    entry.params ??= {};
    entry.files ??= [];
    entry.values ??= {};
    entry.facts ??= {};
    const words = [entry.id, entry.name, entry.status, entry.error?.message, ...Object.values(entry.params).map(shown)];
    entry.words = words.join("\n").toLowerCase();
  }

  #describeParams() {
    const found = new Map();
    for (const entry of this.entries) {
      for (const [name, value] of Object.entries(entry.params)) {
        if (!found.has(name)) found.set(name, { name, counts: new Map(), numeric: true });
        const param = found.get(name);
        const key = shown(value);
        param.counts.set(key, (param.counts.get(key) ?? 0) + 1);
        if (typeof value !== "number" && !(typeof value === "string" && value.trim() && isFinite(value))) param.numeric = false;
      }
    }
    for (const param of found.values()) {
      param.values = [...param.counts.keys()].sort(param.numeric ? (a, b) => a - b : collate);
    }
    return found;
  }

  #countStatuses() {
    const found = new Map();
    for (const entry of this.entries) found.set(entry.status, (found.get(entry.status) ?? 0) + 1);
    return found;
  }

  varied() {
    return [...this.params.values()].filter((param) => param.values.length > 1);
  }

  selected() {
    const { text, status, params } = this.asked;
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const tests = Object.entries(params).map(([name, wanted]) => [name, matcher(wanted)]);
    const found = this.entries.filter(
      (entry) =>
        (status === null || entry.status === status) &&
        words.every((word) => entry.words.includes(word)) &&
        tests.every(([name, fits]) => fits(entry.params[name])),
    );
    return this.#sorted(found);
  }

  #sorted(entries) {
    const { sort, descending } = this.asked;
    const key = sortKey(sort);
    const sign = descending ? -1 : 1;
    return entries.sort((a, b) => {
      const [left, right] = [key(a), key(b)];
      if (left === undefined || right === undefined) return (left === undefined) - (right === undefined) || a.index - b.index;
      const numbers = isFinite(left) && isFinite(right);
      return sign * (numbers ? left - right : collate(String(left), String(right))) || a.index - b.index;
    });
  }

  prompt(entry, file) {
    const kept = file?.prompt ?? entry.prompt;
    if (!kept) return null;
    const [base, changes] = kept;
    const prompt = structuredClone(this.prompts[base]);
    for (const [node, name, value] of changes) prompt[node].inputs[name] = value;
    return prompt;
  }
}

const collator = new Intl.Collator(undefined, { numeric: true });
const collate = (a, b) => collator.compare(a, b);

function sortKey(sort) {
  if (sort === "order") return (entry) => entry.index;
  if (sort === "status" || sort === "seconds" || sort === "cost" || sort === "name") return (entry) => entry[sort];
  const name = sort.slice("param:".length);
  return (entry) => entry.params[name];
}

function matcher(wanted) {
  if (wanted.among) {
    const among = new Set(wanted.among);
    return (value) => among.has(shown(value));
  }
  if (wanted.part) return (value) => shown(value).toLowerCase().includes(wanted.part.toLowerCase());
  return (value) => value !== undefined && value >= (wanted.least ?? -Infinity) && value <= (wanted.most ?? Infinity);
}
