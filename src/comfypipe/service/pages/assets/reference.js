// The API's own document as a page: what stands here is what this service does.

const KEY_HEADER = "Authorization: Bearer cpk_…";

class Reference {
  constructor(api) {
    this.schemas = api.components.schemas;
    this.operations = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, ...operation })),
    );
    this.tags = [...new Set(this.operations.map((each) => each.tags[0]))];
    byId("operations").replaceChildren(...this.tags.flatMap((tag) => [make("h2", {}, tag), ...this.#of(tag).map(link)]));
    byId("reference").replaceChildren(
      make("p", {}, api.info.summary),
      ...this.tags.flatMap((tag) => this.#of(tag).map((each) => this.#section(each))),
      ...Object.entries(this.schemas).map(([name, schema]) => this.#schema(name, schema)),
    );
    byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }

  #of(tag) {
    return this.operations.filter((each) => each.tags[0] === tag);
  }

  #section(operation) {
    return make(
      "section",
      { id: operation.operationId },
      make("h3", {}, method(operation), make("code", {}, operation.path)),
      ...texts(operation.description),
      table("Parameters", (operation.parameters ?? []).map((each) => this.#parameter(each))),
      ...Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, media]) => this.#content(type, media)),
      make("h2", {}, "Try it"),
      make("pre", {}, example(operation)),
      table("Answers", Object.entries(operation.responses).map(([status, reply]) => this.#answer(status, reply))),
    );
  }

  #parameter({ name, in: where, required, description, schema }) {
    return [make("code", {}, name), required ? where : `${where}, optional`, this.#type(schema), ...texts(description)];
  }

  #content(type, { schema, example: body }) {
    return [
      table(`Body: ${type}`, this.#properties(schema)),
      schema.properties ? null : make("p", {}, this.#type(schema)),
      body ? make("pre", {}, JSON.stringify(body, null, 1)) : null,
    ].filter(Boolean);
  }

  #answer(status, { description, content }) {
    const shapes = Object.entries(content ?? {}).map(([type, media]) => make("span", {}, `${type}: `, this.#type(media.schema ?? {})));
    return [make("code", {}, status), ...shapes, ...texts(description)];
  }

  #schema(name, schema) {
    return make("section", { id: name }, make("h3", {}, name), ...texts(schema.description), table("Keys", this.#properties(schema)));
  }

  #properties({ properties = {}, required = [] }) {
    return Object.entries(properties).map(([name, schema]) => [
      make("code", {}, name),
      this.#type(schema),
      required.includes(name) ? null : "optional",
      ...texts(schema.description),
    ]);
  }

  // What a value is, in words; a shape that has a name of its own is a link to it.
  #type(schema) {
    const name = schema.$ref?.split("/").pop();
    if (name) return make("a", { href: `#${name}` }, name);
    const several = schema.anyOf ?? schema.oneOf?.filter((each) => each.type || each.$ref);
    if (several?.length) return joined(several.map((each) => this.#type(each)), " or ");
    if (schema.enum) return joined(schema.enum.map((each) => make("code", {}, String(each))), ", ");
    if (schema.type === "array") return make("span", {}, "list of ", this.#type(schema.items ?? {}));
    const of = typeof schema.additionalProperties === "object" ? [" of ", this.#type(schema.additionalProperties)] : [];
    const words = [].concat(schema.type ?? "anything").join(" or ") + limits(schema);
    return make("span", {}, words, ...of);
  }
}

const method = ({ method: name }) => make("b", { class: `method ${name.toLowerCase()}` }, name);

const link = (operation) => make("a", { href: `#${operation.operationId}` }, method(operation), operation.summary);

const texts = (text) => (text ? text.split("\n\n").map((each) => make("p", {}, each.replaceAll("`", ""))) : []);

function joined(parts, between) {
  return make("span", {}, ...parts.flatMap((each, at) => (at ? [between, each] : [each])));
}

function limits({ minimum, maximum, maxLength, default: usual }) {
  const found = [];
  if (minimum !== undefined || maximum !== undefined) found.push(`${minimum ?? "…"} to ${maximum ?? "…"}`);
  if (maxLength !== undefined) found.push(`at most ${maxLength} characters`);
  if (usual !== undefined) found.push(`default ${JSON.stringify(usual)}`);
  return found.length ? ` (${found.join("; ")})` : "";
}

function table(title, rows) {
  if (!rows.length) return null;
  const cells = rows.map(([first, ...rest]) => make("tr", {}, make("td", {}, first), make("td", {}, ...spaced(rest))));
  return make("div", {}, make("h2", {}, title), make("table", {}, ...cells));
}

const spaced = (parts) => parts.filter(Boolean).flatMap((each, at) => (at && !(each instanceof HTMLParagraphElement) ? ["; ", each] : [each]));

function example({ method: name, path, security, requestBody }) {
  const type = Object.keys(requestBody?.content ?? {})[0];
  const parts = ["curl", name === "GET" ? "" : `-X ${name}`, security ? `-H '${KEY_HEADER}'` : ""];
  if (type === "application/json") parts.push(`-H 'Content-Type: ${type}' -d @body.json`);
  else if (type) parts.push("--data-binary @photo.png");
  return [...parts, `'${new URL(path, location.origin)}'`].filter(Boolean).join(" ").replaceAll("%7B", "{").replaceAll("%7D", "}");
}

fetch("openapi.json").then(async (reply) => new Reference(await reply.json()));
