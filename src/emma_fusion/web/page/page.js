// The page of `emma serve`: what the server offers, and which tab does what.
import { $, size } from "./dom.js";
import { onChange, onSubmit, ready } from "./form.js";
import { fuse, fuseAgain } from "./images.js";
import { fuseMany, fuseVideo } from "./many.js";
import { settings } from "./server.js";

onSubmit({ images: fuse, many: fuseMany, video: fuseVideo });
onChange(fuseAgain);

const cards = { base: "base, any scene", fast: "fast, in real time", medical: "medical, brain scans" };
for (const name of settings.models) $("#model").append(new Option(cards[name] ?? name, name));
$("#tab-video").hidden = !settings.video;
const { limits } = settings;
$("#limits-many").textContent = `Up to ${size(limits.upload).replace(".0", "")} and ${limits.pairs} pairs, each image up to ${limits.pixels / 1e6} megapixels, and ${limits.minutes} minutes.`;
$("#limits-video").textContent = `Each up to ${size(limits.upload).replace(".0", "")}, and ${limits.minutes} minutes of work.`;
ready();
$("#version").textContent = `emma-fusion ${settings.version}`;
