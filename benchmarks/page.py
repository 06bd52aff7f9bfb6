"""Take the image of the page that docs/web.md shows: the drawn street, fused, in chromium.

python benchmarks/page.py [docs/images/web.png]    (extra web, Playwright and chromium)
"""

from __future__ import annotations

import shutil
import sys

from playwright.sync_api import sync_playwright

from emma_fusion.web.networks import Networks
from emma_fusion.web.server import make_server, serving
from emma_fusion.web.studio import Studio


def main(path: str) -> None:
    """Serve the page, fuse the example in it and photograph it."""
    studio = Studio(Networks())
    try:
        with serving(make_server(studio), None) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1200, "height": 720})
            page.set_default_timeout(300_000)
            page.goto(address)
            page.click("#example")
            page.wait_for_selector("#scores:not([hidden])")
            page.screenshot(path=path)
            browser.close()
    finally:
        studio.shelf.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/images/web.png")
