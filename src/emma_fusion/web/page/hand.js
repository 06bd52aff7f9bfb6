// Alignment by hand: the infrared image laid over the visible one, moved, or placed by points.
import { $, $$ } from "./dom.js";
import { given } from "./form.js";
import { asStyle, inverse, moved, product, stretched } from "./plane.js";
import { newest, run } from "./server.js";
import { clearPoints, isPoints, pairs, showPoints } from "./points.js";

const STILL = { right: 0, down: 0, turn: 0, scale: 1 };
const HOW = "Drag the infrared image, or use the arrow keys (with Shift ten times as far).";
const STEPS = { right: 1, down: 1, turn: 0.1, scale: 0.002 };
const box = $("#hand");
const table = $("#hand-table");
const laid = $(".laid", table);
let base = null; // visible -> infrared, before it was moved
let motion = { ...STILL };
let rig = ""; // the server's name of `base`; "" is where the camera or a stretch puts it
let settled = null; // the rig of `base` and `motion` together, where the server has made it
let blinking = 0;

const says = (text, wrong = false) => {
  $("#hand-said").textContent = text;
  $("#hand-said").classList.toggle("wrong", wrong);
};

/* ---- what is asked of the server ---- */

// The rig of what is set. One that points or `auto` found is `base` from then on, and not moved yet.
async function ask(what) {
  const signal = newest("hand");
  const request = { infrared: given.infrared.token, visible: given.visible.token, rig, motion: Object.values(motion), ...what };
  for await (const state of run("align", request, signal)) {
    if (state.state !== "done" || signal.aborted) continue;
    settled = state.rig;
    if (what.points || what.refine) [base, rig, motion] = [state.matrix, state.rig, { ...STILL }];
    if (what.begin) base = state.matrix;
    draw();
    return state.said;
  }
  return null;
}

async function asking(what, words) {
  says(words);
  table.setAttribute("aria-busy", "true");
  try {
    const said = await ask(what);
    if (said !== null) says(said);
    return said !== null;
  } catch (error) {
    says(error.message, true);
    return false;
  } finally {
    table.removeAttribute("aria-busy");
  }
}

// The name of the rig of what is set by hand, for a fusion; "" where nothing is.
export async function rigByHand() {
  if (!base) return "";
  if (!settled) await ask({});
  if (!settled) throw new Error("It was moved meanwhile: fuse it again.");
  return settled;
}

/* ---- what is shown ---- */

export const isOpen = () => !box.hidden;

export async function openHand() {
  if (!given.infrared || !given.visible) return;
  box.hidden = false;
  $("#result").hidden = true;
  says(HOW);
  await refresh();
}

export function closeHand() {
  box.hidden = true;
  blink(false);
}

// Other images: what was set stays where their sizes are the same.
let sizes = "";
export async function refresh() {
  const { infrared, visible } = given;
  if (!infrared || !visible) return;
  const now = [infrared.width, infrared.height, visible.width, visible.height, Boolean(visible.isInside)].join();
  if (now !== sizes) {
    sizes = now;
    forgetHand();
  }
  if (!isOpen()) return;
  for (const image of $$(".is-infrared", box)) image.src = `view/${infrared.view}`;
  for (const image of $$(".is-visible", box)) image.src = `view/${visible.view}`;
  table.style.aspectRatio = `${visible.width} / ${visible.height}`;
  box.style.setProperty("--ratio", visible.width / visible.height);
  Object.assign(laid.style, { width: `${infrared.width}px`, height: `${infrared.height}px` });
  showPoints();
  if (!base) {
    base = stretched(visible, infrared);
    if (visible.isInside && await asking({ begin: true }, "Asking the camera …")) says(HOW);
  }
  draw();
}

export function forgetHand() {
  [base, rig, settled, motion] = [null, "", null, { ...STILL }];
  clearPoints();
}

function draw() {
  const { visible } = given;
  if (!base || !isOpen()) return;
  const lies = product(moved(motion, visible), inverse(base));
  laid.style.transform = asStyle(lies, table.clientWidth / visible.width);
  laid.style.opacity = $("#hand-opacity").value / 100;
  const shown = { ...motion, scale: 100 * motion.scale };
  for (const [name, value] of Object.entries(shown)) {
    const input = $(`#hand-${name}`);
    if (input !== document.activeElement) input.value = Number(value.toFixed(2));
  }
}
new ResizeObserver(draw).observe(table);

function move(change) {
  Object.assign(motion, change);
  motion.scale = Math.min(10, Math.max(0.1, motion.scale));
  settled = null;
  newest("hand");
  says("");
  draw();
}

/* ---- how it is moved ---- */

const way = () => $("input[name=way]:checked").value;

function turnAndScale(event, from) {
  const area = table.getBoundingClientRect();
  const k = table.clientWidth / given.visible.width;
  const [x, y] = [area.left + area.width / 2 + k * motion.right, area.top + area.height / 2 + k * motion.down];
  const before = [from.clientX - x, from.clientY - y];
  const now = [event.clientX - x, event.clientY - y];
  const angle = (Math.atan2(now[1], now[0]) - Math.atan2(before[1], before[0])) * (180 / Math.PI);
  return { turn: ((angle + 540) % 360) - 180, scale: Math.hypot(...now) / Math.max(1, Math.hypot(...before)) };
}

let held = null;
table.addEventListener("pointerdown", (event) => {
  table.setPointerCapture(event.pointerId);
  held = event;
});
table.addEventListener("pointermove", (event) => {
  if (!held || !table.hasPointerCapture(event.pointerId)) return;
  const k = table.clientWidth / given.visible.width;
  const by = turnAndScale(event, held);
  if (way() === "shift") move({ right: motion.right + (event.clientX - held.clientX) / k, down: motion.down + (event.clientY - held.clientY) / k });
  if (way() === "turn") move({ turn: motion.turn + by.turn });
  if (way() === "scale") move({ scale: motion.scale * by.scale });
  held = event;
});
for (const kind of ["pointerup", "pointercancel"]) table.addEventListener(kind, () => { held = null; });

table.addEventListener("keydown", (event) => {
  const [right, down] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [0, 0];
  if (!right && !down) return;
  event.preventDefault();
  const far = event.shiftKey ? 10 : 1;
  if (way() === "shift") move({ right: motion.right + far * right, down: motion.down + far * down });
  if (way() === "turn") move({ turn: motion.turn + far * STEPS.turn * (right + down) });
  if (way() === "scale") move({ scale: motion.scale + far * STEPS.scale * (right - down) });
});

for (const name of Object.keys(STILL)) {
  $(`#hand-${name}`).addEventListener("input", (event) => {
    const value = event.target.valueAsNumber;
    if (Number.isFinite(value)) move({ [name]: name === "scale" ? value / 100 : value });
  });
}

for (const input of $$("input[name=way]")) {
  input.addEventListener("change", () => {
    const points = isPoints();
    $("#hand-points").hidden = !points;
    for (const part of [table, $("#hand-numbers"), $("#hand-look")]) part.hidden = points;
    if (points) blink(false);
    says(points ? "Click a point in one image, then the same point in the other. Three pairs are enough; the arrow keys move the last point." : HOW);
    showPoints();
    draw();
  });
}

/* ---- opacity and blink ---- */

$("#hand-opacity").addEventListener("input", draw);

function blink(on) {
  clearInterval(blinking);
  blinking = on ? setInterval(() => table.classList.toggle("without"), 500) : 0;
  table.classList.remove("without");
  $("#hand-blink").setAttribute("aria-pressed", on);
}
$("#hand-blink").addEventListener("click", () => blink(!blinking));

/* ---- what is done with it ---- */

addEventListener("points", async () => {
  const points = pairs();
  if (points.visible.length >= 3) await asking({ points }, "Fitting …");
});
$("#hand-refine").addEventListener("click", () => asking({ refine: true }, "Looking for what agrees …"));
$("#hand-reset").addEventListener("click", async () => {
  newest("hand");
  forgetHand();
  says(HOW);
  showPoints();
  await refresh();
});
$("#hand-rig").addEventListener("click", async () => {
  if (!settled && !(await asking({}, "Writing it down …"))) return;
  const link = Object.assign(document.createElement("a"), { href: `download/${settled}`, download: "rig.json" });
  link.click();
});
