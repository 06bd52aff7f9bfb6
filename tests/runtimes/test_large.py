import numpy as np
import pytest
import torch

from emma_fusion.errors import UserError
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import load_fuser
from emma_fusion.runtimes import large
from emma_fusion.runtimes.large import choose_rows, fuse_large
from emma_fusion.runtimes.strips import PlaneMap, Stored

CPU = torch.device("cpu")
GIB = 2**30
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def base():
    return load_fuser("base").fold()


def planes(height, width):
    """Two planes with structure at many scales, of different means."""
    noise = RNG.random((2, height, width), dtype=np.float32)
    wave = np.sin(np.arange(width) / 9) * np.cos(np.arange(height) / 13)[:, None]
    return np.clip(0.3 * noise + np.float32(0.3 + 0.2 * wave), 0, 1, dtype=np.float32)


def whole(network, infrared, visible):
    """What the network gives for the whole image."""
    both = torch.from_numpy(np.stack([infrared, visible])).unsqueeze(1)
    both = pad_to_multiple(both, network.multiple_of, network.minimum_size)
    with torch.inference_mode():
        fused = network(both[:1], both[1:])
    return fused[0, 0, : infrared.shape[0], : infrared.shape[1]].numpy()


def strips(network, infrared, visible, rows, **options):
    with torch.inference_mode():
        return fuse_large(network, infrared, visible, rows=rows, **options)


@pytest.mark.parametrize(
    ("height", "width", "rows"), [(64, 48, 16), (61, 43, 7), (16, 40, 1), (3, 5, 2), (90, 17, 200)]
)
def test_strips_give_what_the_whole_gives(base, height, width, rows):
    infrared, visible = planes(height, width)
    expected = whole(base, infrared, visible)
    fused = strips(base, infrared, visible, rows)
    assert fused.shape == (height, width)
    np.testing.assert_allclose(fused, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("channels", "branches"),
    [((16, 8, 24), "both"), ((8, 16), "convolution"), ((8, 16), "attention")],
)
def test_of_every_form_of_the_network(channels, branches):
    """Among them one whose attention is not linear at the finest level."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = UFuser(channels, branches).fold()
    infrared, visible = planes(40, 24)
    expected = whole(network, infrared, visible)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(strips(network, infrared, visible, 6), expected, atol=2e-6)


def test_attention_sees_the_whole_image_and_not_the_strip():
    """A change far below the first strips changes them as it does in the whole image.

    `emma` leans on its attention a little; that of the others hardly depends on the image.
    """
    network = load_fuser("emma").fold()
    infrared, visible = planes(96, 32)
    changed = infrared.copy()
    changed[80:] = 1
    fused, other = (strips(network, i, visible, 16)[:16] for i in (infrared, changed))
    expected = (whole(network, infrared, visible) - whole(network, changed, visible))[:16]
    assert np.abs(expected).max() > 1e-5
    assert np.abs(fused - other - expected).max() < 0.1 * np.abs(expected).max()


def test_no_seam_where_strips_meet(base):
    """Gradients from strip to strip differ from the whole image's by rounding alone."""
    infrared, visible = planes(64, 48)
    fused = strips(base, infrared, visible, 16)
    across = np.diff(fused, axis=0) - np.diff(whole(base, infrared, visible), axis=0)
    assert np.abs(across[15::16]).max() < 4e-6


def test_half_precision_is_as_near_as_the_whole_in_half_precision(base):
    infrared, visible = planes(64, 48)
    expected = whole(base, infrared, visible)
    with torch.autocast("cpu", torch.bfloat16):
        plain = whole(base, infrared, visible)
        fused = strips(base, infrared, visible, 16)
    assert fused.dtype == np.float32
    error, plain_error = (np.sqrt(np.square(x - expected).mean()) for x in (fused, plain))
    assert 0 < error < 1.5 * plain_error


def test_the_network_is_left_as_it_was(base):
    infrared, visible = planes(32, 16)
    before = whole(base, infrared, visible)
    first = strips(base, infrared, visible, 16)
    np.testing.assert_array_equal(first, strips(base, infrared, visible, 16))
    np.testing.assert_array_equal(before, whole(base, infrared, visible))


def test_progress_goes_from_nothing_to_all(base):
    told = []
    strips(base, *planes(32, 16), 8, progress=told.append)
    assert told == sorted(told)
    assert 0 < told[0] < 0.1
    assert told[-1] == pytest.approx(1)


def test_an_interruption_leaves_no_file(base, tmp_path):
    def interrupt(share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        strips(base, *planes(32, 16), 8, scratch=tmp_path, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    class Full:
        def seek(self, place):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **options: Full())
    plane = PlaneMap(np.zeros((16, 16), np.float32), 8, 16, CPU)
    with pytest.raises(UserError, match="TMPDIR"):
        Stored(plane, tmp_path).fill(0, 16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_stored_is_what_is_read(dtype):
    class Rows(PlaneMap):
        def rows(self, start, stop):
            return (super().rows(start, stop) * torch.tensor([1.0, -2.0])[:, None, None]).to(dtype)

    source = Rows(RNG.random((20, 24), dtype=np.float32), 8, 16, CPU)
    kept = Stored(source)
    for start in (0, 7, 14, 21):
        kept.fill(start, min(start + 7, 24))
    expected = source.rows(3, 22)
    kept.complete()
    assert kept.rows(3, 22).dtype == dtype
    torch.testing.assert_close(kept.rows(3, 22), expected, rtol=0, atol=0)


# --- whole or strips -----------------------------------------------------------------------------
@pytest.fixture
def held(monkeypatch):
    """A process that holds 1 GiB."""
    monkeypatch.setattr(large, "resident_memory", lambda device: GIB)


@pytest.mark.usefixtures("held")
def test_what_fits_is_fused_whole_and_what_does_not_in_strips(base):
    assert choose_rows(base, (1024, 1024), 2 * GIB, CPU) is None
    rows = choose_rows(base, (4096, 4096), 4 * GIB, CPU)
    assert large.MIN_ROWS <= rows <= large.MAX_ROWS
    wider = choose_rows(base, (4096, 16384), 4 * GIB, CPU)
    assert wider < rows
    assert choose_rows(base, (4096, 16384), 8 * GIB, CPU) > wider


@pytest.mark.usefixtures("held")
def test_what_does_not_even_fit_in_strips_is_told_with_what_would_do(base):
    with pytest.raises(UserError, match=r"16384x16384 .* 2GiB, .* give it ([\d.]+)GiB") as error:
        choose_rows(base, (16384, 16384), 2 * GIB, CPU)
    enough = float(str(error.value).rpartition("GiB")[0].rpartition(" ")[2])
    assert choose_rows(base, (16384, 16384), int(enough * GIB), CPU) >= large.MIN_ROWS
