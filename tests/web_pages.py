"""What tests do with the page in a browser."""

import io
import zipfile

MODEL = "small.safetensors"
SHAPE = (96, 128)
WAIT = 300_000  # ms; a wait that ends early is the rule, and a busy machine is none to fail on


def is_bad(message):
    """Whether the console says of something that went wrong; a refused file is meant to be."""
    refused = "the server responded with a status of 4" in message.text
    return message.type in ("error", "warning") and not refused


def choose(page, side, data, name):
    kind = {"name": name, "mimeType": "image/png", "buffer": data}
    page.set_input_files(f".tile[data-side={side}] input", kind)


def pack(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return {"name": "pairs.zip", "mimeType": "application/zip", "buffer": buffer.getvalue()}


def fetch(page, selector):
    with page.expect_download() as waiting:
        page.click(selector)
    path = waiting.value.path()
    return waiting.value.suggested_filename, path.read_bytes()


def wait_until(page, selector, text):
    """Wait until an element says a text, or something with it."""
    page.locator(selector).filter(has_text=text).wait_for()
