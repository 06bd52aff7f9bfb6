// The stage: two views of a pair with a border between them that slides.
import { $, $$ } from "./dom.js";
import { colour } from "./palettes.js";

const TITLES = { infrared: "Infrared", visible: "Visible", overlay: "Overlay", fused: "Fused" };
export const views = {};
const picked = { left: "infrared", right: "visible" };
const shown = { ...picked }; // what stands in for a picked view that is not there yet
const stage = $("#stage");
let cut = 50;

export function pick(places) {
  Object.assign(picked, places);
}

function setCut(value) {
  cut = Math.min(100, Math.max(0, value));
  stage.style.setProperty("--cut", `${cut}%`);
  stage.setAttribute("aria-valuenow", Math.round(cut));
  stage.setAttribute("aria-valuetext", `${TITLES[shown.left]} ${Math.round(cut)} %, ${TITLES[shown.right]} ${Math.round(100 - cut)} %`);
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

export function showViews() {
  const there = Object.keys(TITLES).filter((view) => views[view]);
  $("#result").hidden = !there.length;
  $("#empty-images").hidden = there.length > 0;
  $("#download").hidden = !views.fused;
  if (!views.fused) {
    $("#scores").hidden = true;
    $("#facts").textContent = "";
    $("#notes").replaceChildren();
  }
  if (!there.length) return;
  $("#result").classList.toggle("single", there.length === 1);
  for (const [place, half] of [["left", $(".over", stage)], ["right", $(".under", stage)]]) {
    const view = views[picked[place]] ? picked[place] : there.at(place === "left" ? 0 : -1);
    shown[place] = view;
    const [base, laid] = [$(".base", half), $(".laid", half)];
    if (base.src !== views[view].src) base.src = views[view].src;
    base.alt = `${TITLES[view]} image`;
    laid.hidden = !views[view].laid;
    if (views[view].laid && laid.src !== views[view].laid) laid.src = views[view].laid;
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
  $("#overlay-look").hidden = !Object.values(shown).includes("overlay");
  lay();
  setCut(cut);
}

/* ---- the overlay ---- */

// In the browser's arithmetic this is opacity * palette(infrared) + (1 - opacity) * visible.
function lay() {
  const own = views.overlay?.own;
  $("#overlay-palette").closest("label").hidden = own;
  for (const laid of $$(".laid", stage)) {
    laid.style.opacity = $("#overlay-opacity").value / 100;
    laid.style.filter = own ? "none" : colour($("#overlay-palette").value);
  }
}
$("#overlay-opacity").addEventListener("input", lay);
$("#overlay-palette").addEventListener("change", lay);
lay();
