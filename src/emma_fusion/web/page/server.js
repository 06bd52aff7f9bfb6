// Talking to the server: settings, uploads, and jobs that answer state by state.
import { size } from "./dom.js";

export const settings = await (await fetch("settings")).json();
export const GONE = "The server does not answer: see whether emma serve still runs in its terminal.";
const WRONG = "Something went wrong in the server; its terminal says more.";

export function sentence(status, text) {
  return status < 500 && text && text.length < 600 ? text : WRONG;
}

// Of what is asked for under one name, only the last one's answer counts, however long an earlier
// one takes: asking anew breaks the earlier one off. Look at `aborted` after every wait.
const asked = {};
export function newest(name) {
  asked[name]?.abort();
  asked[name] = new AbortController();
  return asked[name].signal;
}

export function upload(file, kind, signal, onProgress) {
  const most = kind === "big" ? settings.limits.upload : settings.limits.image;
  if (file.size > most) {
    return Promise.reject(new Error(`${file.name} has ${size(file.size)}; the limit here is ${size(most)}.`));
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `upload?kind=${kind}&name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => { if (!signal?.aborted) onProgress?.(event.loaded / event.total); };
    request.onload = () => (request.status === 200
      ? resolve(JSON.parse(request.responseText))
      : reject(new Error(sentence(request.status, request.responseText))));
    request.onerror = () => reject(new Error(GONE));
    request.onabort = () => reject(new Error("Another file took its place."));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

// Runs a job in the server's queue and gives its states one by one. A signal breaks it off, here
// and in the server; then nothing more is given.
export async function* run(job, request, signal) {
  const id = request.job ?? crypto.randomUUID();
  signal?.addEventListener("abort", () => stop(id));
  const answer = await ask(`gradio_api/call/${job}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ data: [{ ...request, job: id }] }),
  });
  if (!answer.ok) throw new Error(sentence(answer.status, ""));
  const { event_id: event } = await answer.json();
  if (signal?.aborted) return;
  const stream = await ask(`gradio_api/call/${job}/${event}`, { signal });
  if (signal?.aborted) return;
  const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    let part;
    try { part = await reader.read(); } catch { part = null; }
    if (signal?.aborted) return;
    if (!part) throw new Error(GONE);
    if (part.done) break;
    text += part.value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const kind = /^event: (.*)$/m.exec(text.slice(0, end))?.[1];
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (kind === "error") throw new Error(WRONG);
      if (kind !== "generating") continue;
      const [state] = JSON.parse(data);
      if (state.state === "failed") throw new Error(state.sentence);
      yield state;
      if (signal?.aborted) return;
    }
  }
}

// An answer; none where it was broken off.
async function ask(url, options) {
  try { return await fetch(url, options); } catch {
    if (options.signal?.aborted) return null;
    throw new Error(GONE);
  }
}

export function stop(job) {
  return fetch(`stop/${job}`, { method: "POST" }).catch(() => {});
}
