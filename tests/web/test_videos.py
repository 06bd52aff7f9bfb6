"""Videos of visitors."""

from types import SimpleNamespace

import pytest

from emma_fusion.errors import UserError
from emma_fusion.jobs.image import Recipe
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.video.reading import VideoFile
from emma_fusion.web.limits import Limits
from emma_fusion.web.videos import VideoGiven, fuse_videos
from videos import image, write_video


@pytest.mark.parametrize("large", [0, 1])
def test_a_video_above_the_limit_is_refused_before_it_is_decoded(tmp_path, monkeypatch, large):
    """Either of the two; the visitor's name for it, and not the shelf's, is in the sentence."""
    shapes = [(32, 48), (32, 48)]
    shapes[large] = (64, 96)
    given = []
    for name, shape in zip(("infrared", "visible"), shapes, strict=True):
        path = tmp_path / f"{name}-on-the-shelf.mp4"
        write_video(path, [image(n, shape) for n in range(2)])
        given.append(VideoGiven(path, f"my {name}.mp4"))
    real = VideoFile._decode

    def decode(self, container):
        assert container.streams.video[0].codec_context.width == 48
        return real(self, container)

    monkeypatch.setattr(VideoFile, "_decode", decode)
    networks = SimpleNamespace(open=lambda model: None)
    recipe = Recipe.of(FuseRequest("", "", ""))
    steps = fuse_videos(
        *given, tmp_path / "out.mp4", recipe, networks, lambda: "", Limits(megapixels=0.002)
    )
    expected = f"my {('infrared', 'visible')[large]}.mp4 has frames of 96x64 pixels"
    with pytest.raises(UserError, match=expected):
        next(steps)
    assert not (tmp_path / "out.mp4").exists()
