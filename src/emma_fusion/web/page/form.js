// The form: what was given and chosen, which tab is shown, and what is said of each.
import { $, $$ } from "./dom.js";

export const given = {}; // side -> what the server says of the file there
export const busy = new Set(); // tabs whose job runs
let mode = "images";
const told = { images: {}, many: {}, video: {} }; // what each tab says of itself

export function say(place, text, working = false) {
  Object.assign(told[place], { text, working });
  if (place === mode) tell();
}

export function complain(place, error) {
  told[place].error = error?.message ?? "";
  if (place === mode) tell();
}

function tell() {
  const { text = "", working = false, error = "" } = told[mode];
  $("#status").textContent = text;
  $("#status").classList.toggle("busy", working);
  $("#error").hidden = !error;
  $("#error").textContent = error;
  // whatever went wrong with a pair that is not aligned, or was to be: it can be set by hand
  const apart = given.infrared?.width !== given.visible?.width || given.infrared?.height !== given.visible?.height;
  const both = given.infrared && given.visible;
  $("#offer-hand").hidden = !(mode === "images" && error && both && (apart || $("#align").value === "auto"));
}

export function ready() {
  const complete = {
    images: given.infrared && given.visible,
    many: given.many,
    video: given["video-infrared"] && given["video-visible"],
  }[mode];
  // a pair can be fused anew while it is fused: the last choice counts
  $("#go").disabled = !complete || (busy.has(mode) && mode !== "images");
  $("#go").textContent = { images: "Fuse", many: "Fuse all", video: "Fuse the videos" }[mode];
}

export function choices() {
  return {
    model: $("#model").value,
    align: $("#align").value,
    colour: $("#colour").value,
    palette: $("#palette").value,
    contrast: $("#contrast").value,
  };
}

// Goes through a job's states; meanwhile its tab begins no other, or breaks this one off by a signal.
export async function* follow(place, states, signal) {
  busy.add(place);
  complain(place, null);
  ready();
  say(place, "Waiting for its turn …", true);
  try {
    yield* states;
  } catch (error) {
    if (signal?.aborted) return;
    say(place, "");
    complain(place, error);
  } finally {
    if (!signal?.aborted) {
      busy.delete(place);
      say(place, told[place].text);
      ready();
    }
  }
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
  tell();
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

export function onSubmit(starts) {
  $("#inputs").addEventListener("submit", (event) => {
    event.preventDefault();
    starts[mode]();
  });
}

export function onChange(again) {
  $("fieldset").addEventListener("change", (event) => { if (mode === "images") again(event.target); });
}
