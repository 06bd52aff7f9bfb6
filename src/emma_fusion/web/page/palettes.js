// Palettes for grey images, as filters of the browser that look each level up in a table.
import { $ } from "./dom.js";
import { settings } from "./server.js";

const NS = "http://www.w3.org/2000/svg";
const svg = document.createElementNS(NS, "svg");
svg.setAttribute("class", "filters");
svg.setAttribute("aria-hidden", "true");
document.body.append(svg);

for (const [name, channels] of Object.entries(settings.palettes)) {
  const filter = document.createElementNS(NS, "filter");
  filter.id = `palette-${name}`;
  filter.setAttribute("color-interpolation-filters", "sRGB"); // values as they are, not as light
  const transfer = document.createElementNS(NS, "feComponentTransfer");
  channels.forEach((values, k) => {
    const table = document.createElementNS(NS, `feFunc${"RGB"[k]}`);
    table.setAttribute("type", "table");
    table.setAttribute("tableValues", values.join(" "));
    transfer.append(table);
  });
  filter.append(transfer);
  svg.append(filter);
  $("#palette").append(new Option(`${name}, by the infrared`, name));
  $("#overlay-palette").append(new Option(name, name, name === "hot", name === "hot"));
}

export const colour = (palette) => `url("#palette-${palette}")`;
