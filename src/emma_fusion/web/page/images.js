// Two images: they are given, fused, shown and scored.
import { $, $$, download, droppable, make, size } from "./dom.js";
import { busy, choices, complain, follow, given, ready, say } from "./form.js";
import { closeHand, isOpen, openHand, refresh, rigByHand } from "./hand.js";
import { GONE, newest, run, sentence, upload } from "./server.js";
import { pick, showViews, views } from "./stage.js";
import { showValues } from "./values.js";

function tell(tile, text, wrong = false) {
  const said = $(".said", tile);
  said.textContent = text;
  said.classList.toggle("wrong", wrong);
}

function fill(side, answer) {
  given[side] = answer;
  const tile = $(`.tile[data-side=${side}]`);
  const image = $("img", tile);
  image.src = view(answer).src;
  image.hidden = false;
  $(".face", tile).hidden = true;
  tell(tile, `${answer.name}, ${answer.width}×${answer.height}, ${depth(answer)}`);
  views[side] = view(answer);
  show();
  if ($("#align").value === "hand") openHand(); else refresh();
}

// The result, unless the pair is being aligned by hand.
function show() {
  showViews();
  if (isOpen()) $("#result").hidden = true;
  showValues(views.fused?.state);
  $("#to-hand").hidden = !given.infrared || !given.visible;
}

function view({ view: token, width, height }) {
  return { src: new URL(`view/${token}`, location).href, ratio: width / height };
}

// Of a radiometric file its temperatures, else its bits.
function depth({ unit, values, bits }) {
  if (!unit) return `${bits} bit`;
  return `${values.map((value) => value.toFixed(1)).join(" to ")} ${unit.replace("deg", "°")}`;
}

// The visible image inside a radiometric file, where no other is given.
function fillInside(answer) {
  if (answer.inside && !given.visible) fill("visible", { ...answer.inside, isInside: true });
}

function empty(side, text = "", wrong = false) {
  delete given[side];
  const tile = $(`.tile[data-side=${side}]`);
  $("img", tile).hidden = true;
  $(".face", tile).hidden = false;
  delete views[side];
  tell(tile, text, wrong);
  closeHand();
  show();
}

// What was fused of other images is gone, and what still is being fused of them never comes.
function forget() {
  newest("fuse");
  closeHand();
  busy.delete("images");
  complain("images", null);
  say("images", "");
  delete views.fused;
  delete views.overlay;
  if (given.infrared) views.infrared = view(given.infrared); // and not as it was aligned
}

async function take(side, file) {
  if (side.startsWith("video")) {
    takeVideo(side, file);
    return;
  }
  const signal = newest(side);
  const tile = $(`.tile[data-side=${side}]`);
  newest("example");
  forget();
  delete given[side];
  show();
  if (side === "infrared" && given.visible?.isInside) empty("visible");
  ready();
  tell(tile, "Reading …");
  try {
    const answer = await upload(file, side, signal, (share) => tell(tile, share < 1 ? `Giving it over, ${Math.round(100 * share)} %` : "Reading …"));
    if (signal.aborted) return;
    fill(side, answer);
    fillInside(answer);
  } catch (error) {
    if (!signal.aborted) empty(side, error.message, true);
  }
  ready();
}

async function takeVideo(side, file) {
  const signal = newest(side);
  const tile = $(`.tile[data-side=${side}]`);
  complain("video", null);
  delete given[side];
  ready();
  tell(tile, "Reading …");
  try {
    const answer = await upload(file, "big", signal, (share) => tell(tile, `Giving it over, ${Math.round(100 * share)} %`));
    if (signal.aborted) return;
    given[side] = answer;
    tile.classList.add("filled");
    $(".face b", tile).textContent = "Ready";
    $(".face i", tile).textContent = size(file.size);
    tell(tile, answer.name);
  } catch (error) {
    if (signal.aborted) return;
    tile.classList.remove("filled");
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
  const signal = newest("example");
  newest("infrared");
  newest("visible");
  forget();
  say("images", "Drawing a street …", true);
  try {
    const answer = await fetch("example", { method: "POST", signal }).catch(() => { throw new Error(GONE); });
    if (!answer.ok) throw new Error(sentence(answer.status, await answer.text()));
    const images = await answer.json();
    if (signal.aborted) return;
    fill("infrared", images.infrared);
    fill("visible", images.visible);
    ready();
    await fuse();
  } catch (error) {
    if (signal.aborted) return;
    say("images", "");
    complain("images", error);
  }
}
$("#example").addEventListener("click", example);
$("#example-too").addEventListener("click", example);

export async function fuse() {
  const signal = newest("fuse");
  const request = { ...choices(), infrared: given.infrared.token, visible: given.visible.token };
  let fused = false;
  for await (const state of follow("images", aligned(request, signal), signal)) {
    if (state.state === "started") say("images", "Fusing …", true);
    if (state.state === "fused") { fused = true; showFused(state); }
    if (state.state === "done") showScores(state.metrics);
  }
  if (signal.aborted || fused) return;
  delete views.fused; // it was of other choices
  delete views.overlay;
  show();
}

async function* aligned(request, signal) {
  const rig = request.align === "hand" ? await rigByHand() : "";
  if (!signal.aborted) yield* run("fuse", { ...request, rig }, signal);
}

function toPanel() {
  if (matchMedia("(max-width: 780px)").matches) $("#panel-images").scrollIntoView({ behavior: "smooth" });
}

function byHand() {
  $("#align").value = "hand";
  complain("images", null);
  openHand();
  toPanel();
}
for (const button of ["#to-hand", "#offer-hand"]) $(button).addEventListener("click", byHand);
$("#hand-fuse").addEventListener("click", fuse);

// A choice that changes what is shown shows at once.
export function fuseAgain(changed) {
  if (changed.id === "align" && changed.value === "hand") {
    openHand();
    return;
  }
  if (changed.id === "align") {
    closeHand();
    show();
  }
  if (views.fused || busy.has("images")) fuse();
}

function showFused(state) {
  const first = !views.fused;
  views.fused = { ...view(state), state };
  const own = state.colour === "infrared"; // a coloured PET keeps its own scale
  views.overlay = { ...view({ ...state, view: state.planes.visible }), own, laid: new URL(`view/${state.planes.infrared}`, location).href };
  views.infrared = state.aligned ? view({ ...state, view: state.planes.infrared }) : view(given.infrared);
  closeHand();
  if (first) pick({ left: "visible", right: "fused" });
  show();
  const note = Math.max(state.width, state.height) > 2048 ? " Shown smaller here; the download has all pixels." : "";
  $("#facts").replaceChildren(make("b", state.name), ` ${state.width}×${state.height}, ${state.bits} bit, ${size(state.bytes)}.${note}`);
  $("#notes").replaceChildren(...state.notes.map((note) => make("li", note)));
  $("#download").textContent = `Download ${state.format}, ${state.bits} bit`;
  download($("#download"), state.download, state.name);
  $("#scores").hidden = true;
  say("images", "Scoring …", true);
  if (first) toPanel();
}

function showScores(metrics) {
  const rows = metrics.map((metric) => {
    const row = document.createElement("tr");
    const head = make("th", metric.name);
    head.scope = "row";
    head.append(make("small", metric.title));
    row.append(head, make("td", metric.value === null ? "–" : metric.value.toFixed(2)));
    return row;
  });
  $("#scores tbody").replaceChildren(...rows);
  $("#scores").hidden = false;
  say("images", "Done.");
}
