// The values under the cursor: of both sources, as their files have them, and of the fused image.
import { $, make } from "./dom.js";
import { given } from "./form.js";
import { apply } from "./plane.js";

const stage = $("#stage");
const box = $("#values");
let fused = null; // what the server says of the fused image
let wanted = null; // the pixel that the cursor is at
let asking = false;

export function showValues(state) {
  fused = state;
  wanted = null;
  box.replaceChildren();
  const { infrared, visible } = given;
  const fit = infrared && visible && infrared.width === visible.width && infrared.height === visible.height;
  box.hidden = !(infrared && visible && (fused || fit));
  if (!box.hidden) box.append(make("dt", "Point at a pixel to see its values."));
}

function number(value, bits) {
  if (bits === 8) return String(value);
  if (bits === 16) return `${value} (${Math.round(value / 257)} of 255)`;
  return String(Number(value.toPrecision(5)));
}

function words(values, { unit, bits }) {
  if (!values) return "–";
  if (unit) return `${values[0].toFixed(1)} ${unit.replace("deg", "°")}`;
  if (values.every((value) => value === values[0])) return number(values[0], bits);
  return values.map((value) => (bits === 8 ? value : Number(value.toPrecision(5)))).join(", ");
}

async function look() {
  if (asking) return;
  asking = true;
  while (wanted) {
    const { x, y } = wanted;
    const of = { Infrared: given.infrared, Visible: given.visible, ...(fused && { Fused: fused }) };
    const [u, v] = fused?.matrix ? apply(fused.matrix, x, y).map(Math.round) : [x, y];
    const asked = Object.entries(of).map(([name, { pixels }]) => `at=${pixels}:${name === "Infrared" ? `${u}:${v}` : `${x}:${y}`}`);
    const place = wanted;
    const answer = await fetch(`values?${asked.join("&")}`).catch(() => null);
    const all = answer?.ok ? await answer.json() : null;
    if (place !== wanted) continue; // the cursor went on
    wanted = null;
    if (!all) break;
    const rows = Object.entries(of).map(([name, what], k) => [name, words(all[k], what)]);
    box.replaceChildren(...[["Pixel", `${x}, ${y}`], ...rows].map(([name, value]) => {
      const row = make("div", "");
      row.append(make("dt", name), make("dd", value));
      return row;
    }));
  }
  asking = false;
}

function point(event) {
  if (box.hidden) return;
  const area = stage.getBoundingClientRect();
  const { width, height } = given.visible;
  const x = Math.floor(((event.clientX - area.left) / area.width) * width);
  const y = Math.floor(((event.clientY - area.top) / area.height) * height);
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  wanted = { x, y };
  look();
}
for (const kind of ["pointermove", "pointerdown"]) stage.addEventListener(kind, point);
