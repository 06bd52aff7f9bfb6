"""Fixtures of the page: a server, and a real browser before it."""

import shutil

import pytest
import torch

from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import save_weights
from emma_fusion.web.limits import Limits
from emma_fusion.web.networks import Networks
from emma_fusion.web.studio import Studio
from web_pages import WAIT, is_bad

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """A small U-Fuser, untrained, as the first model."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_weights(UFuser((8, 8, 8, 8)), path)
    return Networks(str(path), "cpu")


@pytest.fixture
def studio(networks):
    studio = Studio(networks, Limits(image_megabytes=1, megapixels=0.01, upload_megabytes=2))
    yield studio
    studio.shelf.close()


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, driven by Playwright."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def limits():
    """What the page refuses in a browser; a module may have its own."""
    return Limits(megapixels=0.02, upload_megabytes=5)


@pytest.fixture(scope="module")
def address(networks, limits):
    """Where a server of the module's runs."""
    pytest.importorskip("gradio", "6", reason="needs the extra web")
    from emma_fusion.web.server import make_server, serving

    studio = Studio(networks, limits)
    with serving(make_server(studio), None) as address:
        yield address
    studio.shelf.close()


@pytest.fixture
def page(browser, address):
    """The page, which must ask nobody else and complain of nothing."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page.set_default_timeout(WAIT)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if is_bad(message) else None)
    page.goto(address)
    page.wait_for_selector("#version:not(:empty)")
    yield page
    page.close()
    assert {url.split("/")[2] for url in asked if not url.startswith("blob:")} == {
        address.split("/")[2]
    }
    assert not said
