// Point pairs: clicked in one image, then in the other.
import { $, $$, make } from "./dom.js";
import { given } from "./form.js";

const points = { infrared: [], visible: [] };
let last = null; // the side of the point that was set last

export const isPoints = () => $("input[name=way]:checked").value === "points";

// The points that have a partner.
export function pairs() {
  const count = Math.min(points.infrared.length, points.visible.length);
  return { infrared: points.infrared.slice(0, count), visible: points.visible.slice(0, count) };
}

export function clearPoints() {
  points.infrared = [];
  points.visible = [];
  last = null;
}

export function showPoints() {
  for (const figure of $$("#hand-points figure")) {
    const { width, height } = given[figure.dataset.of];
    const field = $("div", figure);
    field.style.aspectRatio = `${width} / ${height}`;
    $$(".point", field).forEach((point) => point.remove());
    points[figure.dataset.of].forEach(([x, y], number) => {
      const mark = make("span", String(number + 1), "point");
      Object.assign(mark.style, { left: `${(100 * (x + 0.5)) / width}%`, top: `${(100 * (y + 0.5)) / height}%` });
      field.append(mark);
    });
  }
  $("#hand-remove").disabled = !last;
}

function changed() {
  showPoints();
  if (points.infrared.length === points.visible.length) dispatchEvent(new Event("points"));
}

function set(side, place) {
  const other = side === "infrared" ? "visible" : "infrared";
  // a second click before its partner is set replaces the first
  if (points[side].length > points[other].length) points[side].pop();
  points[side].push(place);
  last = side;
  changed();
}

for (const figure of $$("#hand-points figure")) {
  const side = figure.dataset.of;
  const field = $("div", figure);
  field.addEventListener("click", (event) => {
    const area = field.getBoundingClientRect();
    const { width, height } = given[side];
    set(side, [((event.clientX - area.left) / area.width) * width - 0.5, ((event.clientY - area.top) / area.height) * height - 0.5]);
  });
  field.addEventListener("keydown", (event) => {
    const [right, down] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [0, 0];
    const point = points[side].at(-1);
    if ((!right && !down) || !point) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    point[0] += far * right;
    point[1] += far * down;
    changed();
  });
}

$("#hand-remove").addEventListener("click", () => {
  const count = Math.max(points.infrared.length, points.visible.length);
  for (const side of Object.keys(points)) points[side].splice(count - 1);
  last = count > 1 ? last : null;
  changed();
});
