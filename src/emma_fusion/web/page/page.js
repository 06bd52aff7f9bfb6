// The page of `emma serve`. Whatever came from outside is set as text, never as markup.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const TITLES = { infrared: "Infrared", visible: "Visible", fused: "Fused" };

const settings = await (await fetch("settings")).json();
const given = {}; // side -> what the server says of the file there
let mode = "images";
let busy = false;
let running = null; // the name of a job that can be stopped

/* ---- talking to the server ---- */

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function upload(file, kind, onProgress) {
  const most = kind === "big" ? settings.limits.upload : settings.limits.image;
  if (file.size > most) {
    return Promise.reject(new Error(`${file.name} has ${size(file.size)}; the limit here is ${size(most)}.`));
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `upload?kind=${kind}&name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => onProgress?.(event.loaded / event.total);
    request.onload = () => (request.status === 200
      ? resolve(JSON.parse(request.responseText))
      : reject(new Error(sentence(request.status, request.responseText))));
    request.onerror = () => reject(new Error(GONE));
    request.send(file);
  });
}

const GONE = "The server does not answer: see whether emma serve still runs in its terminal.";

function sentence(status, text) {
  return status < 500 && text && text.length < 600 ? text : "Something went wrong in the server; its terminal says more.";
}

// Runs a job in the server's queue and gives its states one by one.
async function* run(job, request) {
  let answer;
  try {
    answer = await fetch(`gradio_api/call/${job}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ data: [request] }),
    });
  } catch { throw new Error(GONE); }
  if (!answer.ok) throw new Error(sentence(answer.status, ""));
  const { event_id: id } = await answer.json();
  const stream = (await fetch(`gradio_api/call/${job}/${id}`)).body.pipeThrough(new TextDecoderStream());
  const reader = stream.getReader();
  let text = "";
  for (;;) {
    let part;
    try { part = await reader.read(); } catch { throw new Error(GONE); }
    if (part.done) break;
    text += part.value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const event = /^event: (.*)$/m.exec(text.slice(0, end))?.[1];
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (event === "error") throw new Error("Something went wrong in the server; its terminal says more.");
      if (event !== "generating") continue;
      const [state] = JSON.parse(data);
      if (state.state === "failed") throw new Error(state.sentence);
      yield state;
    }
  }
}

/* ---- what the form says ---- */

function say(text, working = false) {
  $("#status").textContent = text;
  $("#status").classList.toggle("busy", working);
}

function complain(error) {
  $("#error").hidden = !error;
  $("#error").textContent = error?.message ?? "";
}

function ready() {
  const complete = {
    images: given.infrared && given.visible,
    many: given.many,
    video: given["video-infrared"] && given["video-visible"],
  }[mode];
  $("#go").disabled = busy || !complete;
  $("#go").textContent = { images: "Fuse", many: "Fuse all", video: "Fuse the videos" }[mode];
}

function choices() {
  return {
    model: $("#model").value,
    colour: $("#colour").value,
    palette: $("#palette").value,
    contrast: $("input[name=contrast]:checked").value,
  };
}

/* ---- tabs ---- */

const tabs = $$("[role=tab]");
function show(tab) {
  mode = tab.id.slice(4);
  document.body.dataset.mode = mode;
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", chosen);
    other.tabIndex = chosen ? 0 : -1;
    $(`#${other.getAttribute("aria-controls")}`).hidden = !chosen;
    $(`.for-${other.id.slice(4)}`).hidden = !chosen;
  }
  complain(null);
  if (!busy) say("");
  ready();
}
for (const tab of tabs) {
  tab.addEventListener("click", () => show(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    show(next);
    next.focus();
  });
}

/* ---- giving files ---- */

function droppable(element, take) {
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

function tell(tile, text, wrong = false) {
  const said = $(".said", tile);
  said.textContent = text;
  said.classList.toggle("wrong", wrong);
}

function fill(side, answer) {
  given[side] = answer;
  const tile = $(`.tile[data-side=${side}]`);
  const image = $("img", tile);
  image.src = `view/${answer.view}`;
  image.hidden = false;
  $(".face", tile).hidden = true;
  tell(tile, `${answer.name}, ${answer.width}×${answer.height}, ${answer.bits} bit`);
  views[side] = { src: image.src, ratio: answer.width / answer.height };
  delete views.fused;
  showViews();
}

async function take(side, file) {
  const tile = $(`.tile[data-side=${side}]`);
  const video = side.startsWith("video");
  complain(null);
  if (!busy) say("");
  delete given[side];
  ready();
  tell(tile, "Reading …");
  try {
    const answer = await upload(file, video ? "big" : side, (share) => tell(tile, share < 1 ? `Giving it over, ${Math.round(100 * share)} %` : "Reading …"));
    if (video) {
      given[side] = answer;
      tile.classList.add("filled");
      $(".face b", tile).textContent = "Ready";
      $(".face i", tile).textContent = size(file.size);
      tell(tile, answer.name);
    } else {
      fill(side, answer);
    }
  } catch (error) {
    if (!video) {
      $("img", tile).hidden = true;
      $(".face", tile).hidden = false;
      delete views[side];
      delete views.fused;
      showViews();
    } else {
      tile.classList.remove("filled");
    }
    tell(tile, error.message, true);
  }
  ready();
}

for (const tile of $$(".tile[data-side]")) {
  const side = tile.dataset.side;
  const input = $("input", tile);
  input.addEventListener("change", () => { if (input.files[0]) take(side, input.files[0]); input.value = ""; });
  droppable(tile, ({ files }) => {
    const other = side.includes("infrared") ? side.replace("infrared", "visible") : side.replace("visible", "infrared");
    if (files[0]) take(side, files[0]);
    if (files[1]) take(other, files[1]);
  });
}

async function example() {
  complain(null);
  say("Drawing a street …", true);
  try {
    const answer = await fetch("example", { method: "POST" }).catch(() => { throw new Error(GONE); });
    if (!answer.ok) throw new Error(sentence(answer.status, await answer.text()));
    const images = await answer.json();
    fill("infrared", images.infrared);
    fill("visible", images.visible);
    ready();
    await fuse();
  } catch (error) {
    say("");
    complain(error);
  }
}
$("#example").addEventListener("click", example);
$("#example-too").addEventListener("click", example);

/* ---- the slider between two images ---- */

const views = {};
const picked = { left: "infrared", right: "visible" };
const stage = $("#stage");
let cut = 50;

function setCut(value) {
  cut = Math.min(100, Math.max(0, value));
  stage.style.setProperty("--cut", `${cut}%`);
  stage.setAttribute("aria-valuenow", Math.round(cut));
  stage.setAttribute("aria-valuetext", `${TITLES[picked.left]} ${Math.round(cut)} %, ${TITLES[picked.right]} ${Math.round(100 - cut)} %`);
}
const follow = (event) => {
  const box = stage.getBoundingClientRect();
  setCut((100 * (event.clientX - box.left)) / box.width);
};
stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); follow(event); });
stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
stage.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 10 : 2;
  const value = {
    ArrowLeft: cut - step, ArrowDown: cut - step, ArrowRight: cut + step, ArrowUp: cut + step,
    PageDown: cut - 10, PageUp: cut + 10, Home: 0, End: 100,
  }[event.key];
  if (value === undefined) return;
  event.preventDefault();
  setCut(value);
});

for (const place of ["left", "right"]) {
  for (const view of Object.keys(TITLES)) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const text = document.createElement("span");
    Object.assign(input, { type: "radio", name: `pick-${place}`, value: view });
    text.textContent = TITLES[view];
    input.addEventListener("change", () => { picked[place] = view; showViews(); });
    label.append(input, text);
    $(`#pick-${place}`).append(label);
  }
}

function showViews() {
  const there = Object.keys(TITLES).filter((view) => views[view]);
  $("#result").hidden = !there.length;
  $("#empty-images").hidden = there.length > 0;
  $("#download").hidden = !views.fused;
  if (!views.fused) { $("#scores").hidden = true; $("#facts").textContent = ""; }
  if (!there.length) return;
  $("#result").classList.toggle("single", there.length === 1);
  for (const [place, image] of [["left", $(".over", stage)], ["right", $(".under", stage)]]) {
    if (!views[picked[place]]) picked[place] = place === "left" ? there[0] : there.at(-1);
    const view = picked[place];
    if (image.src !== views[view].src) image.src = views[view].src;
    image.alt = `${TITLES[view]} image`;
    if (place === "right") $(".compare").style.setProperty("--ratio", views[view].ratio);
    $(`.caption.${place}`, stage).textContent = TITLES[view];
    for (const input of $$(`#pick-${place} input`)) {
      input.checked = input.value === view;
      input.disabled = !views[input.value];
    }
  }
  if (!views.fused) {
    $("#facts").textContent = there.length > 1
      ? "Slide to see whether the two lie on one another; then fuse." : "The other image is still to come.";
  }
  setCut(cut);
}

/* ---- jobs ---- */

function bold(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}

function download(anchor, token, name) {
  anchor.href = `download/${token}`;
  anchor.download = name;
  anchor.hidden = false;
}

async function fuse() {
  for await (const state of withButton(run("fuse", { ...choices(), infrared: given.infrared.token, visible: given.visible.token }))) {
    if (state.state === "started") say("Fusing …", true);
    if (state.state === "fused") {
      const first = !views.fused;
      views.fused = { src: new URL(`view/${state.view}`, location).href, ratio: state.width / state.height };
      if (first) Object.assign(picked, { left: "visible", right: "fused" });
      showViews();
      const note = Math.max(state.width, state.height) > 2048 ? " Shown smaller here; the download has all pixels." : "";
      $("#facts").replaceChildren(bold(state.name), ` ${state.width}×${state.height}, ${state.bits} bit, ${size(state.bytes)}.${note}`);
      $("#download").textContent = `Download ${state.format}, ${state.bits} bit`;
      download($("#download"), state.download, state.name);
      $("#scores").hidden = true;
      say("Scoring …", true);
      if (matchMedia("(max-width: 780px)").matches) $("#panel-images").scrollIntoView({ behavior: "smooth" });
    }
    if (state.state === "done") {
      const rows = state.metrics.map((metric) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        const title = document.createElement("small");
        const value = document.createElement("td");
        head.scope = "row";
        title.textContent = metric.title;
        head.append(metric.name, title);
        value.textContent = metric.value === null ? "–" : metric.value.toFixed(2);
        row.append(head, value);
        return row;
      });
      $("#scores tbody").replaceChildren(...rows);
      $("#scores").hidden = false;
      say("Done.");
    }
  }
}

// Go through a job's states; meanwhile no other can be begun from here.
async function* withButton(states) {
  busy = true;
  complain(null);
  ready();
  say("Waiting for its turn …", true);
  try {
    yield* states;
  } catch (error) {
    say("");
    complain(error);
  } finally {
    busy = false;
    running = null;
    $("#status").classList.remove("busy");
    ready();
  }
}

function time(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// A job of many steps, with a bar, that can be stopped.
async function long(place, job, request, title, what, finish) {
  running = crypto.randomUUID();
  const id = running;
  const box = $(`#work-${place}`);
  box.replaceChildren($("#progress").content.cloneNode(true));
  box.hidden = false;
  box.classList.remove("video");
  $(`#empty-${place}`).hidden = true;
  $("h2", box).textContent = title;
  $("button", box).addEventListener("click", (event) => {
    event.target.disabled = true;
    event.target.textContent = "Stopping …";
    fetch(`stop/${id}`, { method: "POST" });
  });
  let done = false;
  for await (const state of withButton(run(job, { ...request, job: id }))) {
    if (state.state === "started") say("Fusing …", true);
    if (state.state === "running") {
      if (state.total) $("progress", box).value = state.done / state.total; else $("progress", box).removeAttribute("value");
      const left = state.left === null ? "" : `, about ${time(state.left)} left`;
      $("p", box).textContent = `${state.done}${state.total ? ` of ${state.total}` : ""} ${what}${left}${state.name ? `\n${state.name}` : ""}`;
    }
    if (state.state === "done") {
      done = true;
      say("Done.");
      box.replaceChildren(...finish(state));
    }
  }
  if (!done) {
    box.hidden = true;
    $(`#empty-${place}`).hidden = false;
  }
}

function make(tag, text, className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}

function listed(title, lines, className = "") {
  if (!lines.length) return [];
  const box = make("details", "", className);
  const list = make("ul", "");
  list.append(...lines.map((line) => make("li", line)));
  box.append(make("summary", title), list);
  box.open = lines.length < 12;
  return [box];
}

function finishMany(state) {
  const button = make("a", `Download zip, ${size(state.bytes)}`, "button primary");
  download(button, state.download, state.name);
  return [
    make("h2", `${state.fused} of ${state.total} pairs fused`),
    ...(state.ended ? [make("p", state.ended)] : []),
    button,
    ...listed(`${state.failures.length} failed`, state.failures, "failures"),
    ...listed(`${state.alone.length} without a partner`, state.alone),
  ];
}

function finishVideo(state) {
  $("#work-video").classList.add("video");
  const video = make("video", "");
  Object.assign(video, { src: `view/${state.download}`, controls: true, loop: true, muted: true, playsInline: true });
  const row = make("div", "", "below");
  const facts = make("p", "", "facts");
  facts.append(bold(state.name), ` ${state.frames} frames, ${size(state.bytes)}.`);
  const button = make("a", "Download the video", "button primary");
  download(button, state.download, state.name);
  row.append(facts, button);
  return [video, row, ...(state.ended ? [make("p", state.ended)] : []), ...listed("Notes", state.notes)];
}

/* ---- a zip or a folder ---- */

function takeZip(file) {
  given.many = { zip: file };
  $("#said-many").textContent = `${file.name}, ${size(file.size)}`;
  $("#said-many").classList.remove("wrong");
  ready();
}

const IMAGE = /\.(png|jpe?g|bmp|tiff?|webp)$/i;

function takeFolder(files) {
  const images = files.filter(({ path }) => IMAGE.test(path) && !path.split("/").some((part) => part.startsWith(".")));
  if (!images.length) {
    delete given.many;
    $("#said-many").textContent = "There are no images in that folder: png, jpg, bmp, tif or webp.";
    $("#said-many").classList.add("wrong");
  } else {
    given.many = { files: images };
    $("#said-many").textContent = `${images[0].path.split("/")[0]}, ${images.length} images`;
    $("#said-many").classList.remove("wrong");
  }
  ready();
}

async function walk(entry, path = "") {
  const here = path ? `${path}/${entry.name}` : entry.name;
  if (entry.isFile) return [{ path: here, file: await new Promise((good, bad) => entry.file(good, bad)) }];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((good, bad) => reader.readEntries(good, bad));
    if (!some.length) return found;
    for (const child of some) found.push(...await walk(child, here));
  }
}

$("#zip").addEventListener("change", (event) => { if (event.target.files[0]) takeZip(event.target.files[0]); event.target.value = ""; });
$("#folder").addEventListener("change", (event) => {
  takeFolder([...event.target.files].map((file) => ({ path: file.webkitRelativePath, file })));
  event.target.value = "";
});
droppable($("#drop-many"), async (transfer) => {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const file = transfer.files[0];
  if (entries.length === 1 && entries[0].isFile) takeZip(file);
  else takeFolder((await Promise.all(entries.map((entry) => walk(entry)))).flat());
});

async function fuseMany() {
  const chosen = choices();
  let request;
  busy = true;
  ready();
  complain(null);
  try {
    if (given.many.zip) {
      const { token } = await upload(given.many.zip, "big", (share) => say(`Giving it over, ${Math.round(100 * share)} %`, true));
      request = { zip: token };
    } else {
      const files = [];
      for (const { path, file } of given.many.files) {
        say(`Giving over ${files.length + 1} of ${given.many.files.length}`, true);
        files.push({ path, token: (await upload(file, "file")).token });
      }
      request = { files };
    }
  } catch (error) {
    busy = false;
    say("");
    complain(error);
    ready();
    return;
  }
  await long("many", "fuse_many", { ...chosen, ...request }, "Fusing the pairs", "pairs", finishMany);
}

function fuseVideo() {
  const request = {
    ...choices(), layout: $("#layout").value,
    infrared: given["video-infrared"].token, visible: given["video-visible"].token,
  };
  return long("video", "fuse_video", request, "Fusing the videos", "frames", finishVideo);
}

$("#inputs").addEventListener("submit", (event) => {
  event.preventDefault();
  ({ images: fuse, many: fuseMany, video: fuseVideo })[mode]();
});
$("fieldset").addEventListener("change", () => { if (views.fused && mode === "images" && !busy) say("Changed: fuse again to see it."); });
addEventListener("pagehide", () => { if (running) navigator.sendBeacon(`stop/${running}`); });

/* ---- what the server offers ---- */

const cards = { base: "base, any scene", fast: "fast, in real time", medical: "medical, brain scans" };
for (const name of settings.models) $("#model").append(new Option(cards[name] ?? name, name));
for (const name of settings.palettes) $("#palette").append(new Option(`${name}, by the infrared`, name));
$("#tab-video").hidden = !settings.video;
$("#version").textContent = `emma-fusion ${settings.version}`;
const { limits } = settings;
$("#limits-many").textContent = `Up to ${size(limits.upload).replace(".0", "")} and ${limits.pairs} pairs, each image up to ${limits.pixels / 1e6} megapixels, and ${limits.minutes} minutes.`;
$("#limits-video").textContent = `Each up to ${size(limits.upload).replace(".0", "")}, and ${limits.minutes} minutes of work.`;
ready();
