// Small helpers for the document. Whatever came from outside is set as text, never as markup.
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

export function make(tag, text, className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}

export function listed(title, lines, className = "") {
  if (!lines.length) return [];
  const box = make("details", "", className);
  const list = make("ul", "");
  list.append(...lines.map((line) => make("li", line)));
  box.append(make("summary", title), list);
  box.open = lines.length < 12;
  return [box];
}

export function download(anchor, token, name) {
  anchor.href = `download/${token}`;
  anchor.download = name;
  anchor.hidden = false;
}

export function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function time(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function droppable(element, take) {
  element.addEventListener("dragover", (event) => { event.preventDefault(); element.classList.add("over"); });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    take(event.dataTransfer);
  });
}
// A file that misses its place must not take the page's place.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
