"""emma serve: the page, on this machine alone."""

from __future__ import annotations

import signal
import sys
import time
from typing import Annotated, Any

import typer


def serve(
    port: Annotated[
        int | None,
        typer.Option(
            help="The port that the server listens on. Without it, it takes the first free one "
            "from 7860 upwards.",
            min=1,
            max=65535,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Weights of your own that the page offers first. Without it, it has the shipped "
            "models alone."
        ),
    ] = None,
    image_megabytes: Annotated[
        int,
        typer.Option(
            "--max-mb", help="The most megabytes that the file of one image may have.", min=1
        ),
    ] = 64,
    megapixels: Annotated[
        float,
        typer.Option(
            "--max-megapixels", help="The most megapixels that one image may have.", min=0.01
        ),
    ] = 10.0,
    upload_megabytes: Annotated[
        int,
        typer.Option(
            "--max-zip-mb",
            help="The most megabytes that a zip, packed or unpacked, or a video may have.",
            min=1,
        ),
    ] = 1000,
    minutes: Annotated[
        float,
        typer.Option(
            "--max-minutes", help="The most minutes that a folder, zip or video may take.", min=0.01
        ),
    ] = 30.0,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="The device that the network runs on: auto, cpu, cuda and so on.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            help="The number of threads on a CPU. Without it, there is one for each usable core.",
            min=1,
        ),
    ] = None,
) -> None:
    """Serve a web page for fusing images, folders and videos, for this machine only (extra web).

    Files that visitors upload are kept in a folder that is removed when the server is stopped with
    Ctrl-C.
    """
    from emma_fusion.web.limits import Limits
    from emma_fusion.web.networks import Networks
    from emma_fusion.web.server import make_server, need_gradio, serving
    from emma_fusion.web.studio import Studio

    need_gradio()
    limits = Limits(
        image_megabytes=image_megabytes,
        megapixels=megapixels,
        upload_megabytes=upload_megabytes,
        minutes=minutes,
        shelf_megabytes=8 * upload_megabytes,
    )
    studio = Studio(Networks(model, device, threads), limits)
    signal.signal(signal.SIGTERM, _stop)  # so that nothing is left behind then either
    print("Starting ...", file=sys.stderr)
    try:
        with serving(make_server(studio), port) as address:
            print(f"The page is at {address} (Ctrl-C stops it).", file=sys.stderr)
            if open_browser:
                import webbrowser

                webbrowser.open(address)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        print("\nStopped; what visitors gave is removed.", file=sys.stderr)
    finally:
        studio.shelf.close()


def _stop(number: int, frame: Any) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt
