import hashlib
import os
import sys
import time

import numpy as np
import pytest
import torch

import emma_fusion
from emma_fusion import Fuser, Pair, models
from emma_fusion.errors import UserError
from emma_fusion.images.raster import write_image
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import save_weights
from emma_fusion.runtimes.pytorch import TorchRuntime

RNG = np.random.default_rng(0)


def small_network():
    """A small U-Fuser with weights of realistic size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UFuser((8, 8, 8, 8))


@pytest.fixture(scope="module")
def small():
    return Fuser(small_network(), "small")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(small_network(), path)
    return path


@pytest.fixture
def passes(monkeypatch):
    """The sizes of all network passes."""
    sizes = []
    forward = TorchRuntime.__call__

    def counted(self, infrared, visible):
        sizes.append(tuple(infrared.shape))
        return forward(self, infrared, visible)

    monkeypatch.setattr(TorchRuntime, "__call__", counted)
    return sizes


def images(height, width, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return (
        RNG.integers(0, top, (height, width), dtype, endpoint=True),
        RNG.integers(0, top, (height, width, 3), dtype, endpoint=True),
    )


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (1, 40), (40, 1), (3, 5), (7, 8), (8, 8), (15, 17), (33, 64)]
)
def test_any_size(small, size):
    infrared, visible = images(*size)
    fused = small(infrared, visible)
    assert fused.shape == (*size, 3)
    assert fused.dtype == np.uint8
    assert small(infrared, visible[..., 0]).shape == size


def test_an_odd_size_is_one_padded_pass(small, passes):
    infrared, visible = images(329, 500)
    assert small(infrared, visible).shape == (329, 500, 3)
    assert passes == [(1, 1, 336, 504)]


def test_a_fitting_size_is_what_the_plain_network_says(small):
    infrared, visible = RNG.random((2, 24, 32), np.float32)
    with torch.inference_mode():
        planes = (torch.from_numpy(plane)[None, None] for plane in (infrared, visible))
        expected = small_network().eval()(*planes)[0, 0].numpy()
    np.testing.assert_allclose(small(infrared, visible), expected, atol=1e-5)
    assert expected.std() > 1e-3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_arrays_come_back_as_they_came(small, dtype, channels):
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    visible = (RNG.random((9, 10, *channels)) * top).astype(dtype)
    fused = small(RNG.random((9, 10)), visible)
    assert isinstance(fused, np.ndarray)
    assert fused.dtype == dtype
    assert fused.shape == visible.shape
    if channels == (4,):
        np.testing.assert_allclose(fused[..., 3], visible[..., 3], rtol=1e-6)


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.uint8, torch.uint16, torch.float16, torch.bfloat16, torch.float32, torch.float64),
        torch.float8_e5m2,
    ],
)
def test_tensors_come_back_as_they_came(small, dtype):
    top = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
    visible = torch.from_numpy(RNG.random((9, 10, 3)) * top).to(dtype)
    infrared = torch.from_numpy(RNG.random((9, 10)))
    fused = small(infrared, visible)
    assert isinstance(fused, torch.Tensor)
    assert fused.dtype == dtype
    assert fused.shape == visible.shape


def test_tensor_and_array_agree(small):
    infrared, visible = images(12, 13)
    np.testing.assert_array_equal(
        small(torch.from_numpy(infrared), torch.from_numpy(visible)).numpy(),
        small(infrared, visible),
    )


def test_integers_are_the_rounded_floats(small):
    infrared, visible = images(12, 13)
    plane = visible[..., 0]
    floats = small(infrared, plane.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(small(infrared, plane), np.rint(floats * 255))


def test_how_the_values_lie_in_memory_makes_no_difference(small):
    infrared, visible = images(9, 12)
    turned, mirrored = infrared.T.copy().T, visible[:, ::-1].copy()[:, ::-1]
    infrared.setflags(write=False)
    visible.setflags(write=False)
    np.testing.assert_array_equal(small(turned, mirrored), small(infrared, visible))


def test_tensors_that_are_no_images(small):
    with pytest.raises(UserError, match=r"sparse_coo.* use a dense one"):
        small(torch.eye(9).to_sparse(), torch.eye(9))
    with pytest.raises(UserError, match="on meta is no image"):
        small(torch.rand(9, 9, device="meta"), torch.eye(9))


def test_values_that_are_no_numbers_are_said(small):
    network = small_network()
    network.last.bias.data.fill_(float("nan"))
    with pytest.raises(UserError, match=r"'broken' gave NaN or infinite values.*damaged"):
        Fuser(network, "broken")(*images(9, 9))
    with pytest.raises(UserError, match="fp16: use fp32"):
        Fuser(network, precision="fp16")(*images(9, 9))


def test_an_input_is_not_changed(small):
    infrared, visible = images(9, 9)
    before = infrared.copy(), visible.copy()
    small(infrared, visible, contrast="stretch")
    np.testing.assert_array_equal(infrared, before[0])
    np.testing.assert_array_equal(visible, before[1])


def test_contrast_is_stretched_only_when_asked(small):
    infrared, visible = images(16, 16)
    plain = small(infrared, visible[..., 0])
    stretched = small(infrared, visible[..., 0], contrast="stretch")
    assert (plain.min(), plain.max()) != (0, 255)
    assert (stretched.min(), stretched.max()) == (0, 255)


def test_one_call_fills_the_range_and_a_fuser_does_not(small, tmp_path, weights):
    infrared, visible = images(16, 16)
    given = infrared, visible[..., 0], weights
    plain = small(infrared, visible[..., 0])
    np.testing.assert_array_equal(emma_fusion.fuse(*given, contrast="none"), plain)
    np.testing.assert_array_equal(emma_fusion.fuse(*given, infrared_range="0:255"), plain)
    np.testing.assert_array_equal(emma_fusion.fuse(*given), small(*given[:2], contrast="auto"))
    ranged = small(*given[:2], contrast="auto", infrared_range="0:255")
    np.testing.assert_array_equal(ranged, plain)
    with pytest.raises(UserError, match="visible range 'all'"):
        emma_fusion.fuse(*given, visible_range="all")
    assert np.ptp(emma_fusion.fuse(*given).astype(int)) > np.ptp(plain.astype(int))


def test_options_arrive(small):
    infrared, visible = images(8, 9)
    grey = small(infrared, visible, colour="none")
    assert (grey == grey[..., :1]).all()
    deep = infrared.astype(np.uint16) * 10
    assert (small(deep, visible, infrared_range="full") != small(deep, visible)).any()


def test_a_pair(small):
    infrared, visible = images(8, 9)
    fused = small.fuse_pair(Pair.from_arrays(infrared, visible))
    np.testing.assert_array_equal(fused, small(infrared, visible))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near(small, precision):
    infrared, visible = RNG.random((2, 24, 32), np.float32)
    half = Fuser(small_network(), precision=precision)
    fused = half(infrared, visible)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, small(infrared, visible), atol=0.02)


def test_threads_are_for_the_pass_only(monkeypatch):
    before = torch.get_num_threads()
    used = []
    forward = TorchRuntime.__call__

    def watched(self, infrared, visible):
        used.append(torch.get_num_threads())
        return forward(self, infrared, visible)

    monkeypatch.setattr(TorchRuntime, "__call__", watched)
    Fuser(small_network(), threads=before + 1)(*images(8, 8))
    assert used == [before + 1]
    assert torch.get_num_threads() == before


def test_the_network_given_stays_trainable():
    network = small_network().train()
    Fuser(network)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"device": "abacus"}, "abacus"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"device": "meta"}, "meta"),
        ({"precision": "fp8"}, "precision"),
        ({"precision": "tf32", "device": "cpu"}, "NVIDIA"),
        ({"threads": 0}, "threads"),
        ({"memory": "lots"}, "no size"),
    ],
)
def test_bad_options(options, complaint):
    with pytest.raises(UserError, match=complaint):
        Fuser(small_network(), **options)


def test_out_of_memory_is_a_sentence(small, monkeypatch):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")

    monkeypatch.setattr(TorchRuntime, "__call__", full)
    with pytest.raises(UserError, match="10x9 pixels needs more memory than cpu"):
        small(*images(9, 10))


def test_what_does_not_fit_in_memory_is_fused_in_strips(small, passes, monkeypatch):
    """The choice is made by what the process holds and may hold; the output is the same."""
    monkeypatch.setattr("emma_fusion.runtimes.large.resident_memory", lambda device: 0)
    infrared, visible = RNG.random((2, 200, 300), dtype=np.float32)
    expected = small(infrared, visible)
    passes.clear()
    told = []
    for memory, count in ((2**30, 1), ("100MB", 1)):  # 42 MB whole and 24 MB at least, over 64 MiB
        fuser = Fuser(small_network(), memory=memory)
        pair = Pair.from_arrays(infrared, visible)
        np.testing.assert_allclose(fuser.fuse_pair(pair, "none", told.append), expected, atol=2e-6)
        assert len(passes) == count
    assert told[-1] == pytest.approx(1)
    with pytest.raises(UserError, match="--memory"):
        Fuser(small_network(), memory="80MB")(infrared, visible)


def test_from_pretrained_takes_a_path(weights, small):
    opened = Fuser.from_pretrained(weights)
    assert opened.name == "small.safetensors"
    infrared, visible = images(9, 10)
    np.testing.assert_array_equal(opened(infrared, visible), small(infrared, visible))


def test_from_pretrained_names_what_is_missing(tmp_path):
    for name in (tmp_path / "nowhere.safetensors", "", ".", "../models/base", "a" * 5000):
        with pytest.raises(UserError, match="There is no model"):
            Fuser.from_pretrained(name)


def test_fuse_takes_paths_and_arrays(tmp_path, weights, small):
    infrared, visible = images(9, 10)
    write_image(tmp_path / "i.png", infrared)
    write_image(tmp_path / "v.png", visible)
    expected = small(infrared, visible, contrast="auto")
    for i in (infrared, tmp_path / "i.png", str(tmp_path / "i.png")):
        for v in (visible, tmp_path / "v.png"):
            np.testing.assert_array_equal(emma_fusion.fuse(i, v, weights), expected)


def test_fuse_names_the_files(tmp_path, weights):
    write_image(tmp_path / "i.png", images(9, 10)[0])
    write_image(tmp_path / "v.png", images(9, 11)[1])
    with pytest.raises(UserError, match=r"i\.png is 10x9 pixels and v\.png is 11x9"):
        emma_fusion.fuse(tmp_path / "i.png", tmp_path / "v.png", weights)


def test_fuse_opens_a_model_once_and_again_when_it_changes(tmp_path, monkeypatch):
    opened = []
    from_pretrained = Fuser.from_pretrained

    def counted(name, **options):
        opened.append(name)
        return from_pretrained(name, **options)

    monkeypatch.setattr(Fuser, "from_pretrained", counted)
    path = tmp_path / "model.safetensors"
    save_weights(small_network(), path)
    for _ in range(2):
        emma_fusion.fuse(*images(8, 8), path)
    assert len(opened) == 1
    time = path.stat().st_mtime_ns
    os.utime(path, ns=(1, 1))
    emma_fusion.fuse(*images(8, 8), path)
    assert len(opened) == 1  # the same weights
    network = small_network()
    with torch.no_grad():
        next(network.parameters()).add_(0.1)
    save_weights(network, path)
    os.utime(path, ns=(time, time))
    emma_fusion.fuse(*images(8, 8), path)
    assert len(opened) == 2


def test_weights_are_hashed_once_until_their_file_changes(tmp_path, monkeypatch):
    """Also where another file of the same size and time takes its place."""
    module = sys.modules["emma_fusion.fuser"]
    original, hashed, now = module._hash, [], time.time_ns()

    def counted(weights):
        hashed.append(weights)
        return original(weights)

    monkeypatch.setattr(module, "_hash", counted)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"one")
    for _ in range(2):  # a file as fresh as this may change without a change of its time
        assert module._digest(path) == hashlib.sha256(b"one").hexdigest()
    assert len(hashed) == 2
    monkeypatch.setattr(module.time, "time_ns", lambda: now + 3600 * 10**9)
    for _ in range(3):
        assert module._digest(path) == hashlib.sha256(b"one").hexdigest()
    assert len(hashed) == 3
    stamp = path.stat().st_mtime_ns
    (tmp_path / "other").write_bytes(b"two")
    os.utime(tmp_path / "other", ns=(stamp, stamp))
    os.replace(tmp_path / "other", path)
    assert module._digest(path) == hashlib.sha256(b"two").hexdigest()
    assert module._digest(tmp_path / "missing") == ""


@pytest.mark.parametrize("name", models.shipped())
@pytest.mark.parametrize("levels", [(0.0, 1.0), (0.2, 0.7), (0.5, 0.5)])
def test_constant_images_give_a_constant_image(name, levels):
    """The networks draw a grid there; a pixel that differs is for the network to see."""
    fuser = Fuser.from_pretrained(name, device="cpu")
    infrared, visible = (np.full((48, 70), level, np.float32) for level in levels)
    fused = fuser(infrared, visible)
    assert np.ptp(fused) == 0
    visible[40, 60] += 0.01 if levels[1] < 1 else -0.01
    nearly = fuser(infrared, visible)
    assert np.ptp(nearly) > 0
    assert abs(np.median(nearly) - fused[0, 0]) < 0.5 / 255


def test_base_fuses_a_real_pair(data):
    try:
        models.find("base")
    except UserError:
        pytest.skip("the weights that ship are not here yet")
    folder = data / "roadscene" / "test"
    name = sorted(path.name for path in (folder / "vi").iterdir())[0]
    fused = emma_fusion.fuse(folder / "ir" / name, folder / "vi" / name)
    assert fused.dtype == np.uint8
    assert fused.ndim == 3
    assert fused.std() > 20
