// Talks to the API. The key stays in this tab.

const KEY = "comfypipe-key";

class ApiError extends Error {
  constructor(status, body) {
    super(body.message ?? `HTTP ${status}`);
    this.status = status;
    this.diagnostics = body.diagnostics ?? [];
  }
}

async function api(path, { method = "GET", json, body, signal } = {}) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const reply = await fetch(`api/v1${path}`, { method, headers, body: json === undefined ? body : JSON.stringify(json), signal });
  if (!reply.ok) throw new ApiError(reply.status, await reply.json().catch(() => ({})));
  return reply;
}

const get = async (path) => (await api(path)).json();

const runPath = (workflow, run = "") => `/workflows/${encodeURIComponent(workflow)}/runs${run ? `/${encodeURIComponent(run)}` : ""}`;

// Events of a run as they come. A browser's own EventSource cannot send a key.
async function* events(workflow, run, signal) {
  const reply = await api(`${runPath(workflow, run)}/events`, { signal });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (field("event")) yield { kind: field("event"), data: JSON.parse(field("data")) };
    }
  }
}

async function upload(file) {
  const reply = await api(`/files/${encodeURIComponent(file.name)}`, { method: "PUT", body: file });
  return (await reply.json()).url;
}
