"""The studio: what the page can do, as functions of tokens and choices.

Each job is a generator of its states, dictionaries that go to the page as they are. What a visitor
can mend ends it with {"state": "failed", "sentence": ...}.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy.typing as npt

from emma_fusion.align import Aligner, Rig, load_rig
from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.pairing import PairOptions, infrared_values
from emma_fusion.images.raster import encode_image
from emma_fusion.jobs.image import Recipe
from emma_fusion.values.arrays import without_alpha
from emma_fusion.web.alignment import set_by_hand
from emma_fusion.web.images import (
    Given,
    fuse_given,
    infrared_plane,
    read_form,
    read_two,
    score,
    view,
    view_planes,
)
from emma_fusion.web.limits import Limits
from emma_fusion.web.names import safe_stem, stem
from emma_fusion.web.networks import Networks
from emma_fusion.web.pairs import fuse_pairs
from emma_fusion.web.shelf import Shelf
from emma_fusion.web.sources import open_source
from emma_fusion.web.values import keep_values

State = dict[str, Any]
Form = Mapping[str, Any]
MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".webp": "image/webp",
}
_STOPS = 1000


def _job(steps: Callable[..., Iterator[State]]) -> Callable[..., Iterator[State]]:
    """End a job with a sentence where the user can mend something."""

    @wraps(steps)
    def states(*arguments: Any) -> Iterator[State]:
        try:
            yield {"state": "started"}
            yield from steps(*arguments)
        except UserError as error:
            yield {"state": "failed", "sentence": str(error)}

    return states


class Studio:
    """Takes what visitors give, fuses it, and keeps what came of it.

    Nothing of one request is kept here but its files, under tokens that only its visitor knows.

    Args:
        networks: The models.
        limits: What is refused.
    """

    def __init__(self, networks: Networks, limits: Limits | None = None) -> None:
        self.networks, self.limits = networks, limits or Limits()
        self.shelf = Shelf(self.limits.shelf_megabytes * 1_000_000)
        self._stops: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def take_image(self, data: bytes, name: str, infrared: bool) -> State:
        """Keep an image; what the page says of it.

        A radiometric file that is to be the infrared image is its temperatures, and "inside" is the
        visible image in it, under the same token.

        Raises:
            UserError: It is no image, damaged, or beyond the limits.
        """
        given = Given.read(data, name, self.limits, infrared)
        token = self.shelf.put(data, given.name, MEDIA_TYPES[f".{given.format}"])
        if not infrared:
            return self._describe(given, token, given.image, without_alpha(given.image))
        # a palette is undone, so that they are the levels that its colours stand for
        values = infrared_values(given.decoded, PairOptions())
        state = self._describe(given, token, infrared_plane(given), values)
        if visible := given.inside():
            state["inside"] = self._describe(visible, token, visible.image, visible.image)
        return state

    def _describe(
        self, given: Given, token: str, shown: npt.NDArray[Any], values: npt.NDArray[Any]
    ) -> State:
        kept = keep_values(self.shelf, values)
        return {**given.describe(), "token": token, "view": self._view(shown), "pixels": kept}

    def _view(self, image: npt.NDArray[Any]) -> str:
        """The token of an image for the browser."""
        return self.shelf.put(view(image), "view.png", "image/png")

    def draw_example(self) -> dict[str, State]:
        """A drawn street at night, as if the visitor had given it."""
        infrared, visible = render_scene()
        return {
            side: self.take_image(encode_image("a.png", image), name, side == "infrared")
            for side, image, name in (
                ("infrared", infrared, "street-infrared.png"),
                ("visible", visible, "street-visible.png"),
            )
        }

    def stop(self, job: str) -> None:
        """Bring a job to its end before its next image."""
        self._stop_of(job[:64]).set()

    @_job
    def fuse(self, form: Form) -> Iterator[State]:
        """Fuse two images: first the fused one, then its scores.

        Args:
            form: "infrared" and "visible", tokens; "job", a name to stop it by, as the page does
                where another choice takes its place; and the choices.
        """
        recipe = self._recipe(form)
        with self._stoppable(form) as stopped:
            yield from self._fuse_pair(form, recipe, stopped)

    def _fuse_pair(self, form: Form, recipe: Recipe, stopped: threading.Event) -> Iterator[State]:
        infrared, visible = self._given(form)
        if stopped.is_set():
            return
        fused = fuse_given(infrared, visible, recipe, self.networks)
        suffix = f".{visible.format}"
        name = f"{safe_stem(stem(visible.name))}-fused"
        result = {
            "state": "fused",
            **Given(Decoded(fused.image), name + suffix, visible.format).describe(),
            "colour": fused.record["colour"],
            "bytes": len(fused.file),
            "notes": fused.record.get("notes", []),
            "aligned": "alignment" in fused.record["infrared"],
            "matrix": fused.record["infrared"].get("alignment", {}).get("visible_to_infrared"),
            "pixels": keep_values(self.shelf, without_alpha(fused.image)),
            "planes": {
                side: self.shelf.put(data, "view.png", "image/png")
                for side, data in view_planes(fused.pair).items()
            },
            "view": self._view(fused.image),
            "download": self.shelf.put(fused.file, name + suffix, MEDIA_TYPES[suffix]),
        }
        yield result
        if not stopped.is_set():
            yield {**result, "state": "done", "metrics": score(fused, infrared, visible)}

    @_job
    def align(self, form: Form) -> Iterator[State]:
        """Make a rig of what was set by hand; see `set_by_hand`.

        Args:
            form: "infrared" and "visible", tokens; "rig", the token of the rig that it was moved
                from, or nothing; and what was set.
        """
        rig, said = set_by_hand(form, *self._given(form), self._rig(form))
        token = self.shelf.put(rig.to_json(), "rig.json", "application/json")
        matrix = rig.matrix.tolist()
        yield {"state": "done", "rig": token, "matrix": matrix, "model": rig.model, "said": said}

    @_job
    def fuse_many(self, form: Form) -> Iterator[State]:
        """Fuse the pairs of a zip or folder into a zip, past those that fail.

        Args:
            form: "zip", a token, or "files" (see `Folder`); "job", a name to stop it by; and
                the choices.
        """
        recipe = self._recipe(form)
        self.networks.open(recipe.request.network.model)
        source = open_source(form, self.shelf, self.limits)
        with closing(source), self._stoppable(form) as stopped:
            begin = time.monotonic()
            token, path = self.shelf.reserve(".zip")
            done: State = {}
            for done in fuse_pairs(
                source,
                path,
                recipe,
                self.networks,
                lambda: self._ended(stopped, begin, path.stat().st_size),
                self.limits,
            ):
                if "state" in done:
                    yield done
            self.shelf.place(token, path, "fused.zip", "application/zip")
        size = path.stat().st_size
        yield {**done, "state": "done", "download": token, "name": "fused.zip", "bytes": size}

    @_job
    def fuse_video(self, form: Form) -> Iterator[State]:
        """Fuse two videos into one.

        Args:
            form: "infrared" and "visible", tokens; "layout", see `lay_out`; "job", a name to
                stop it by; and the choices.
        """
        from emma_fusion.web.videos import VideoGiven, fuse_videos

        recipe = self._recipe(form)
        self.networks.open(recipe.request.network.model)
        items = [self.shelf.get(str(form.get(side))) for side in ("infrared", "visible")]
        videos = [VideoGiven(item.path, item.name) for item in items]
        begin = time.monotonic()
        token, path = self.shelf.reserve(".mp4")
        state: State = {}
        with self._stoppable(form) as stopped:
            for state in fuse_videos(
                videos[0],
                videos[1],
                path,
                recipe,
                self.networks,
                lambda: self._ended(stopped, begin, 0),
                self.limits,
            ):
                if "state" in state:
                    yield state
            name = f"{safe_stem(stem(videos[1].name))}-fused.mp4"
            self.shelf.place(token, path, name, "video/mp4")
        size = path.stat().st_size
        yield {**state, "state": "done", "download": token, "name": name, "bytes": size}

    def _ended(self, stopped: threading.Event, begin: float, size: int) -> str:
        """Why a job of many images ends here, or nothing."""
        if stopped.is_set():
            return "It was stopped; what was fused until then is here."
        if time.monotonic() - begin > 60 * self.limits.minutes:
            return f"It took more than {self.limits.minutes:g} minutes and ends here: split it."
        if size > self.limits.upload_bytes:
            return (
                f"The fused images have more than {self.limits.upload_megabytes} MB: the zip "
                "ends here."
            )
        return ""

    def _recipe(self, form: Form) -> Recipe:
        """What a form asks for, aligned by its rig where that was set by hand."""
        recipe = Recipe.of(read_form(form))
        if form.get("align") != "hand":
            return recipe
        rig = self._rig(form)
        if rig is None:
            raise UserError("Nothing is set by hand yet: do so on the page of two images first.")
        return replace(recipe, aligner=Aligner(rig))

    def _rig(self, form: Form) -> Rig | None:
        """The rig of a form's token; None without one."""
        token = str(form.get("rig") or "")
        return load_rig(self.shelf.get(token).path) if token else None

    def _given(self, form: Form) -> tuple[Given, Given]:
        """The infrared and the visible image of a form; of one token, both are in its file.

        Raises:
            UserError: One is not there any more, or the file has no visible image.
        """
        tokens = [str(form.get(side)) for side in ("infrared", "visible")]
        files = [(self.shelf.read(token), self.shelf.get(token).name) for token in tokens]
        return read_two(*dict(zip(tokens, files, strict=True)).values(), limits=self.limits)

    @contextmanager
    def _stoppable(self, form: Form) -> Iterator[threading.Event]:
        """The event that stops the job of a form, for as long as it runs."""
        job = str(form.get("job"))[:64]
        try:
            yield self._stop_of(job)
        finally:
            with self._lock:
                self._stops.pop(job, None)

    def _stop_of(self, job: str) -> threading.Event:
        """The event that stops a job, which may not have begun."""
        with self._lock:
            if len(self._stops) > _STOPS:  # of jobs that never came
                self._stops = {k: e for k, e in self._stops.items() if not e.is_set()}
            return self._stops.setdefault(job, threading.Event())
