"""Small folders in the layouts of the published datasets, whose contents are known."""

import cv2
import numpy as np
import yaml

SIZE = (48, 64)
#: Left, top, right, bottom in pixels of the objects that every made image of boxes has.
OBJECTS = [("person", (8, 8, 24, 40)), ("car", (32, 16, 56, 32))]


def mask(number, values=(0, 1, 2)):
    """Vertical stripes of the values, moved by the image's number."""
    columns = (np.arange(SIZE[1]) // 8 + number) % len(values)
    return np.tile(np.array(values, np.uint8)[columns], (SIZE[0], 1))


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def pair(number, labels):
    """Infrared shows the labels as brightness; visible is noise."""
    rng = np.random.default_rng(number)
    infrared = (labels.astype(int) * 90 + rng.integers(0, 10, labels.shape)).astype(np.uint8)
    visible = rng.integers(0, 255, (*labels.shape, 3), np.uint8)
    return infrared, visible


def msrs(root, train=4, test=2):
    for split, count in (("train", train), ("test", test)):
        for number in range(count):
            name = f"{number:05d}{'DN'[number % 2]}.png"
            labels = mask(number)
            infrared, visible = pair(number, labels)
            write(root / "MSRS" / split / "ir" / name, infrared)
            write(root / "MSRS" / split / "vi" / name, visible)
            write(root / "MSRS" / split / "Segmentation_labels" / name, labels)
    return root


def fmb(root):
    for split in ("train", "test"):
        for number in range(2):
            name = f"{number:05d}.png"
            labels = mask(number, (0, 1, 14))
            infrared, visible = pair(number, np.minimum(labels, 2))
            write(root / "FMB" / split / "Infrared" / name, infrared)
            write(root / "FMB" / split / "Visible" / name, visible)
            write(root / "FMB" / split / "Label" / name, labels)
    return root


def cwfid(root):
    for number in range(1, 7):
        name = f"{number:03d}.png"
        labels = mask(number)
        infrared, visible = pair(number, labels)
        write(root / "cwfid" / "nir" / name, infrared)
        write(root / "cwfid" / "red" / name, visible[..., 0])
        write(root / "cwfid" / "label" / name, labels)
    lists = {"train": [1, 2, 4, 6], "test": [3, 4, 5]}
    (root / "cwfid" / "split.yaml").write_text(yaml.safe_dump(lists))
    return root


def with_boxes(number, objects):
    """Objects are bright in infrared, on dark ground."""
    labels = np.zeros(SIZE, np.uint8)
    for kind, (_, (left, top, right, bottom)) in enumerate(objects, 1):
        labels[top:bottom, left:right] = kind
    return pair(number, labels)


def voc(objects, names):
    things = "".join(
        f"<object><name>{names.get(name, name)}</name><bndbox><xmin>{left}</xmin>"
        f"<ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, (left, top, right, bottom) in objects
    )
    size = f"<size><width>{SIZE[1]}</width><height>{SIZE[0]}</height><depth>3</depth></size>"
    return f"<annotation>{size}{things}</annotation>"


def yolo(objects, numbers):
    lines = []
    for name, (left, top, right, bottom) in objects:
        x, y = (left + right) / 2 / SIZE[1], (top + bottom) / 2 / SIZE[0]
        lines.append(
            f"{numbers[name]} {x} {y} {(right - left) / SIZE[1]} {(bottom - top) / SIZE[0]}"
        )
    return "\n".join(lines) + "\n"


def m3fd(root, form="voc", train=4, test=2):
    home = root / ("M3FD_Detection" if form == "voc" else "M3FD")
    places = ("Ir", "Vis", "Annotation") if form == "voc" else ("ir", "vi", "labels")
    names = [f"{number:05d}" for number in range(train + test)]
    for number, name in enumerate(names):
        infrared, visible = with_boxes(number, OBJECTS)
        write(home / places[0] / f"{name}.png", infrared)
        write(home / places[1] / f"{name}.png", visible)
        (home / places[2]).mkdir(exist_ok=True)
        if form == "voc":
            text = voc(OBJECTS, {"person": "People", "car": "Car"})
            (home / places[2] / f"{name}.xml").write_text(text)
        else:
            text = yolo(OBJECTS, {"person": 0, "car": 1})
            (home / places[2] / f"{name}.txt").write_text(text)
    (home / "meta").mkdir()
    for split, part in (("train", names[:train]), ("val", names[train:])):
        (home / "meta" / f"{split}.txt").write_text("".join(f"{n}.png\n" for n in part))
    return root


def llvip(root):
    people = [OBJECTS[0]]
    for split, numbers in (("train", (1, 2)), ("test", (3,))):
        for number in numbers:
            infrared, visible = with_boxes(number, people)
            write(root / "LLVIP" / "infrared" / split / f"{number:06d}.jpg", infrared)
            write(root / "LLVIP" / "visible" / split / f"{number:06d}.jpg", visible)
            (root / "LLVIP" / "Annotations").mkdir(exist_ok=True)
            path = root / "LLVIP" / "Annotations" / f"{number:06d}.xml"
            path.write_text(voc(people, {}))
    return root


LAYOUTS = {"msrs": msrs, "fmb": fmb, "cwfid": cwfid, "m3fd": m3fd, "llvip": llvip}
