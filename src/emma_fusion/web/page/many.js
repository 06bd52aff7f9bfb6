// Jobs of many steps: a zip or a folder of pairs, and two videos.
import { $, download, droppable, listed, make, size, time } from "./dom.js";
import { busy, choices, complain, follow, given, ready, say } from "./form.js";
import { rigByHand } from "./hand.js";
import { newest, run, stop, upload } from "./server.js";

const running = new Map(); // tab -> the name of a job there that can be stopped

// A job with a bar, that can be stopped.
async function long(place, job, request, title, what, finish) {
  const id = crypto.randomUUID();
  running.set(place, id);
  const box = $(`#work-${place}`);
  box.replaceChildren($("#progress").content.cloneNode(true));
  box.hidden = false;
  box.classList.remove("video");
  $(`#empty-${place}`).hidden = true;
  $("h2", box).textContent = title;
  $("button", box).addEventListener("click", (event) => {
    event.target.disabled = true;
    event.target.textContent = "Stopping …";
    stop(id);
  });
  let done = false;
  for await (const state of follow(place, run(job, { ...request, job: id }))) {
    if (state.state === "started") say(place, "Fusing …", true);
    if (state.state === "running") {
      if (state.total) $("progress", box).value = state.done / state.total; else $("progress", box).removeAttribute("value");
      const left = state.left === null ? "" : `, about ${time(state.left)} left`;
      $("p", box).textContent = `${state.done}${state.total ? ` of ${state.total}` : ""} ${what}${left}${state.name ? `\n${state.name}` : ""}`;
    }
    if (state.state === "done") {
      done = true;
      say(place, "Done.");
      box.replaceChildren(...finish(state));
    }
  }
  running.delete(place);
  if (!done) {
    box.hidden = true;
    $(`#empty-${place}`).hidden = false;
  }
}

addEventListener("pagehide", () => { for (const id of running.values()) navigator.sendBeacon(`stop/${id}`); });

/* ---- a zip or a folder ---- */

const IMAGE = /\.(png|jpe?g|bmp|tiff?|webp)$/i;

function takeMany(what, text, wrong = false) {
  if (what) given.many = { ...what, name: text }; else delete given.many;
  $("#said-many").textContent = text;
  $("#said-many").classList.toggle("wrong", wrong);
  ready();
}

function takeZip(file) {
  newest("many");
  takeMany({ zip: file }, `${file.name}, ${size(file.size)}`);
}

function takeFolder(files) {
  const images = files.filter(({ path }) => IMAGE.test(path) && !path.split("/").some((part) => part.startsWith(".")));
  if (images.length) takeMany({ files: images }, `${images[0].path.split("/")[0]}, ${images.length} images`);
  else takeMany(null, "There are no images in that folder: png, jpg, bmp, tif or webp.", true);
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
  newest("many");
  takeFolder([...event.target.files].map((file) => ({ path: file.webkitRelativePath, file })));
  event.target.value = "";
});
droppable($("#drop-many"), async (transfer) => {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const file = transfer.files[0];
  if (entries.length === 1 && entries[0].isFile) {
    takeZip(file);
    return;
  }
  const signal = newest("many");
  const files = (await Promise.all(entries.map((entry) => walk(entry)))).flat();
  if (!signal.aborted) takeFolder(files);
});

// The choices, with what was set by hand on a pair of the same two cameras.
async function chosen() {
  const all = choices();
  return all.align === "hand" ? { ...all, rig: await rigByHand() } : all;
}

export async function fuseMany() {
  const { zip, files, name } = given.many; // what is given meanwhile is for the next time
  let request;
  const how = chosen();
  busy.add("many");
  ready();
  complain("many", null);
  try {
    if (zip) {
      const { token } = await upload(zip, "big", null, (share) => say("many", `Giving it over, ${Math.round(100 * share)} %`, true));
      request = { zip: token };
    } else {
      const there = [];
      for (const { path, file } of files) {
        say("many", `Giving over ${there.length + 1} of ${files.length}`, true);
        there.push({ path, token: (await upload(file, "file")).token });
      }
      request = { files: there };
    }
  } catch (error) {
    busy.delete("many");
    say("many", "");
    complain("many", error);
    ready();
    return;
  }
  await long("many", "fuse_many", { ...(await how), ...request }, "Fusing the pairs", "pairs", (state) => finishMany(state, name));
}

function finishMany(state, name) {
  const button = make("a", `Download zip, ${size(state.bytes)}`, "button primary");
  download(button, state.download, state.name);
  return [
    make("h2", `${state.fused} of ${state.total} pairs fused`),
    make("p", `Of ${name}.`, "quiet"),
    ...(state.ended ? [make("p", state.ended)] : []),
    button,
    ...listed("Notes", state.notes),
    ...listed(`${state.failures.length} failed`, state.failures, "failures"),
    ...listed(`${state.alone.length} without a partner`, state.alone),
  ];
}

/* ---- videos ---- */

export async function fuseVideo() {
  const request = {
    ...(await chosen()), layout: $("#layout").value,
    infrared: given["video-infrared"].token, visible: given["video-visible"].token,
  };
  await long("video", "fuse_video", request, "Fusing the videos", "frames", finishVideo);
}

function finishVideo(state) {
  $("#work-video").classList.add("video");
  const video = make("video", "");
  Object.assign(video, { src: `view/${state.download}`, controls: true, loop: true, muted: true, playsInline: true });
  const row = make("div", "", "below");
  const facts = make("p", "", "facts");
  facts.append(make("b", state.name), ` ${state.frames} frames, ${size(state.bytes)}.`);
  const button = make("a", "Download the video", "button primary");
  download(button, state.download, state.name);
  row.append(facts, button);
  return [video, row, ...(state.ended ? [make("p", state.ended)] : []), ...listed("Notes", state.notes)];
}
