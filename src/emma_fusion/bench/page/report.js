"use strict";

// Tables: a click on a heading sorts, another one turns the order round. What is not a number stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const rising = head.getAttribute("aria-sort") === "descending" ||
      (column === 0 && head.getAttribute("aria-sort") !== "ascending");
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const value = (row) => parseFloat(row.cells[column].dataset.value);
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      if (column === 0) {
        return (rising ? 1 : -1) * a.cells[0].textContent.localeCompare(b.cells[0].textContent);
      }
      const [x, y] = [value(a), value(b)];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return rising ? x - y : y - x;
    });
    table.tBodies[0].append(...rows);
  }));
}

// Images: every source and method of one pair, and the same crop of all of them.
const sets = JSON.parse(document.getElementById("data").textContent);
if (sets.length) {
  const find = (id) => document.getElementById(id);
  const [dataset, stem, zoom, full, gallery] = ["dataset", "stem", "zoom", "full", "gallery"].map(find);
  const point = { x: 0.5, y: 0.5 };
  let frames = [];

  const pairs = () => sets[dataset.selectedIndex].pairs;

  const crop = () => {
    const share = 1 / Number(zoom.value);
    for (const { image, mark, canvas } of frames) {
      if (!image.naturalWidth) continue;
      const left = Math.min(Math.max(point.x - share / 2, 0), 1 - share);
      const top = Math.min(Math.max(point.y - share / 2, 0), 1 - share);
      const [width, height] = [image.naturalWidth, image.naturalHeight];
      canvas.width = 480;
      canvas.height = Math.round(480 * height / width);
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(image, left * width, top * height, share * width, share * height,
        0, 0, canvas.width, canvas.height);
      const [w, h] = [image.clientWidth, image.clientHeight];
      Object.assign(mark.style, {
        left: `${left * w}px`, top: `${top * h}px`,
        width: `${share * w}px`, height: `${share * h}px`,
      });
    }
  };

  const move = (x, y) => {
    point.x = Math.min(Math.max(x, 0), 1);
    point.y = Math.min(Math.max(y, 0), 1);
    crop();
  };

  const element = (kind, parent, properties = {}) =>
    parent.appendChild(Object.assign(document.createElement(kind), properties));

  const show = () => {
    gallery.textContent = "";
    frames = pairs()[stem.selectedIndex].images.map((shown) => {
      const figure = element("figure", gallery);
      element("figcaption", figure, { textContent: shown.name });
      const frame = element("div", figure, { className: "frame" });
      const image = element("img", frame, { alt: `${shown.name}, ${stem.value}`, draggable: false });
      const mark = element("div", frame, { className: "mark" });
      const canvas = element("canvas", figure);
      canvas.setAttribute("aria-label", `Crop of ${shown.name}`);
      element("small", figure, { textContent: shown.scores });
      const follow = (event) => {
        const box = image.getBoundingClientRect();
        move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      };
      image.addEventListener("pointermove", follow);
      image.addEventListener("pointerdown", follow);
      image.addEventListener("load", crop);
      image.src = shown.src;
      return { image, mark, canvas };
    });
  };

  const list = () => {
    stem.replaceChildren(...pairs().map((pair) => new Option(pair.stem)));
    show();
  };

  const step = (by) => {
    stem.selectedIndex = (stem.selectedIndex + by + stem.length) % stem.length;
    show();
  };

  dataset.replaceChildren(...sets.map((set) => new Option(set.title)));
  dataset.addEventListener("change", list);
  stem.addEventListener("change", show);
  zoom.addEventListener("change", crop);
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  full.addEventListener("change", () => {
    gallery.classList.toggle("full", full.checked);
    crop();
  });
  gallery.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    move(point.x + by[0] * 0.02, point.y + by[1] * 0.02);
  });
  new ResizeObserver(crop).observe(gallery);
  list();
}
