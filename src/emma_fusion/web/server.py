"""The server: Gradio's queue runs the jobs, the page and its files are our own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from emma_fusion import __version__
from emma_fusion.errors import UserError
from emma_fusion.values.palettes import Palette, apply_palette
from emma_fusion.video import need_av
from emma_fusion.web.guard import Guard
from emma_fusion.web.limits import MEGA
from emma_fusion.web.names import shown_name
from emma_fusion.web.studio import Studio
from emma_fusion.web.values import read_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI
    from starlette.requests import Request

PAGE = Path(__file__).parent / "page"
_MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Images that are decoded at the same time, each of which takes memory.
_AT_ONCE = 2


class _TooLarge(UserError):
    """An upload beyond its limit."""


def need_gradio() -> None:
    """Check that Gradio is there.

    Raises:
        UserError: It is not.
    """
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise UserError("The page needs Gradio: pip install 'emma-fusion[web]'.")


def make_server(studio: Studio) -> Any:
    """Make the server of a studio, not yet started: a `gradio.Server`.

    Nothing is fetched from elsewhere and nothing is reported anywhere.
    """
    need_gradio()
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")
    import gradio
    from starlette.middleware import Middleware

    server = gradio.Server(
        title="emma-fusion",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[Middleware(Guard)],
    )
    _add_routes(server, studio)
    # One image fits in between two of a folder: they meet in `Networks`, one pass at a time.
    for name, job, together in (
        ("fuse", studio.fuse, 2),
        ("align", studio.align, 1),
        ("fuse_many", studio.fuse_many, 1),
        ("fuse_video", studio.fuse_video, 1),
    ):
        server.api(
            _taking_a_dict(job),
            name=name,
            concurrency_limit=together,
            concurrency_id=name,
            api_visibility="undocumented",
        )
    return server


def _taking_a_dict(job: Callable[..., Any]) -> Callable[..., Any]:
    """A job with the signature that Gradio looks at."""

    def run(request: dict) -> dict:  # type: ignore[type-arg,misc]  # for Gradio
        yield from job(request)

    return run


@contextmanager
def serving(server: Any, port: int | None) -> Iterator[str]:
    """Serve on 127.0.0.1 in this block.

    Args:
        server: See `make_server`.
        port: To listen on; None takes the first free one from 7860.

    Yields:
        The address.

    Raises:
        UserError: The port is taken.
    """
    try:
        _, address, _ = server.launch(
            server_name="127.0.0.1",
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            enable_monitoring=False,
            run_history=False,
            mcp_server=False,
            pwa=False,
        )
    except OSError as error:
        raise UserError(
            f"The port {port or '7860 and those after it'} is taken: choose another, --port."
        ) from error
    try:
        yield address
    finally:
        server.get_blocks().close(verbose=False)


def _add_routes(app: FastAPI, studio: Studio) -> None:
    """The page, what it is told, uploads and downloads."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

    at_once = asyncio.Semaphore(_AT_ONCE)
    fresh = {"cache-control": "no-cache"}

    async def refuse(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), 413 if isinstance(error, _TooLarge) else 400)

    def index(request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers=fresh)

    def page(request: Request) -> Response:
        files = {path.name: path for path in PAGE.iterdir() if path.suffix in _MEDIA}
        path = files.get(request.path_params["name"])  # the name is only compared
        if path is None:
            return PlainTextResponse("There is nothing here.", 404)
        return FileResponse(path, media_type=_MEDIA[path.suffix], headers=fresh)

    def settings(request: Request) -> Response:
        return JSONResponse(describe(studio))

    async def upload(request: Request) -> Response:
        kind = request.query_params.get("kind", "")
        name = shown_name(request.query_params.get("name", ""))
        limits = studio.limits
        if kind in ("infrared", "visible"):
            data = b"".join([part async for part in _within(request, limits.image_bytes, name)])
            async with at_once:
                take = partial(studio.take_image, data, name, kind == "infrared")
                return JSONResponse(await run_in_threadpool(take))
        most = limits.image_bytes if kind == "file" else limits.upload_bytes
        token, path = studio.shelf.reserve()
        try:
            with path.open("wb") as file:
                async for part in _within(request, most, name):
                    file.write(part)
            studio.shelf.place(token, path, name, "application/octet-stream")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return JSONResponse({"token": token, "name": name})

    async def example(request: Request) -> Response:
        async with at_once:
            return JSONResponse(await run_in_threadpool(studio.draw_example))

    def stop(request: Request) -> Response:
        studio.stop(request.path_params["job"])
        return Response(status_code=204)

    def view(request: Request) -> Response:
        item = studio.shelf.get(request.path_params["token"])
        headers = {"cache-control": "private, max-age=3600"}
        return FileResponse(item.path, media_type=item.media_type, headers=headers)

    def values(request: Request) -> Response:
        return JSONResponse(read_values(studio.shelf, request.query_params.getlist("at")))

    def download(request: Request) -> Response:
        item = studio.shelf.get(request.path_params["token"])
        return FileResponse(item.path, media_type=item.media_type, filename=item.name)

    app.add_exception_handler(UserError, refuse)
    for method, path, endpoint in (
        ("GET", "/", index),
        ("GET", "/page/{name}", page),
        ("GET", "/settings", settings),
        ("GET", "/view/{token}", view),
        ("GET", "/download/{token}", download),
        ("GET", "/values", values),
        ("POST", "/upload", upload),
        ("POST", "/example", example),
        ("POST", "/stop/{job}", stop),
    ):
        app.router.add_route(path, endpoint, methods=[method])


async def _within(request: Request, most: int, name: str) -> AsyncIterator[bytes]:
    """The parts of a request's body, as long as they are within a limit."""
    sentence = f"{name} has more than {most // MEGA} MB, which is the limit here."
    if int(request.headers.get("content-length") or 0) > most:
        raise _TooLarge(sentence)
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _TooLarge(sentence)
        yield part


def _colours(palette: str) -> list[list[float]]:
    """The colours of a palette for the levels 0 to 255: those of red, of green and of blue."""
    colours = apply_palette(np.arange(256)[None] / 255, palette)[0]
    return [[round(float(value), 4) for value in channel] for channel in colours.T]


def describe(studio: Studio) -> dict[str, Any]:
    """What the page is told when it loads."""
    limits = studio.limits
    try:
        need_av()
        video = True
    except UserError:
        video = False
    return {
        "version": __version__,
        "models": studio.networks.names,
        "palettes": {name: _colours(name) for name in get_args(Palette)},
        "video": video,
        "limits": {
            "image": limits.image_bytes,
            "upload": limits.upload_bytes,
            "pixels": limits.pixels,
            "pairs": limits.pairs,
            "minutes": limits.minutes,
        },
    }
