import pytest

from emma_fusion.cli import main
from emma_fusion.fuser import Fuser


@pytest.fixture
def emma(capfd, model, monkeypatch):
    """Run a verb with a network that says what the infrared says; its code and what it said."""
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, *_: pair.infrared)

    def run(verb, *words):
        weights = ["--model", model] if verb == "fuse" else []
        with pytest.raises(SystemExit) as end:
            main([verb, *map(str, [*words, *weights])])
        said = capfd.readouterr()
        return end.value.code or 0, said.err + said.out

    return run
