"""Alignment: drawn pairs displaced by known transforms, and one real pair."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from emma_fusion.align import Aligner, Rig, calibrate, load_rig, register
from emma_fusion.align.choice import gain
from emma_fusion.align.features import oriented_gradients
from emma_fusion.align.geometry import (
    apply,
    corner_distance,
    displacements,
    identity_of,
    middle,
    motion,
    parameters_of,
    rescale,
    shift,
    size_of,
    turned,
)
from emma_fusion.align.matching import correlate, fit, held_out
from emma_fusion.align.registration import plane_of
from emma_fusion.align.seen import seen
from emma_fusion.align.warping import feather, warp
from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image
from emma_fusion.pair import Pair
from emma_fusion.values.blending import blend

SIZE = (180, 240)


@pytest.fixture(scope="module")
def street():
    return render_scene(*SIZE)


def displaced(image, matrix):
    return cv2.warpPerspective(
        image, matrix, image.shape[1::-1], flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    )


def found(pair, wanted="auto"):
    return register(plane_of(pair[0]), plane_of(pair[1]), wanted)


def test_a_registered_pair_stays_as_it_is(street):
    alignment = found(street)
    assert alignment.trusted
    assert alignment.model == "identity"
    assert np.array_equal(alignment.matrix, np.eye(3))
    assert alignment.moved == 0
    aligned = Aligner("auto")(*street)
    assert aligned.image is street[0]
    assert aligned.cover is None
    assert aligned.record["alignment"]["model"] == "identity"


@pytest.mark.parametrize(
    ("model", "matrix"),
    [
        ("translation", shift(11, -7)),
        ("rigid", shift(-6, 5) @ turned(-3, 1.0, middle(SIZE))),
        ("similarity", turned(2, 1.03, middle(SIZE))),
    ],
)
def test_a_displaced_pair_is_brought_back(street, model, matrix):
    moved = displaced(street[0], matrix)
    alignment = found((moved, street[1]))
    assert alignment.trusted
    assert alignment.model == model
    assert corner_distance(matrix @ alignment.matrix, np.eye(3), SIZE) < 1.5
    assert abs(alignment.moved - corner_distance(np.linalg.inv(matrix), np.eye(3), SIZE)) < 1.5
    # the contrast of the infrared does not matter
    negative = found((255 - moved, street[1]))
    assert corner_distance(negative.matrix, alignment.matrix, SIZE) < 1


@pytest.mark.slow
def test_a_wide_turn_is_found_and_its_black_frame_is_not_fused(street):
    truth = shift(8, -5) @ turned(13, 0.93, middle(SIZE))
    moved = displaced(street[0], truth)
    frame = seen(plane_of(moved)).mask
    assert frame is not None
    assert frame[2:20, 2:20].min() == 0  # a corner that the turn left black
    assert frame[90, 120] == 1
    alignment = found((moved, street[1]))
    assert alignment.trusted
    assert alignment.model == "similarity"
    assert corner_distance(truth @ alignment.matrix, np.eye(3), SIZE) < 1.5
    aligned = Aligner("auto")(moved, street[1])
    black = aligned.image[aligned.covered > 0] == 0
    assert black.mean() < 0.01


def test_a_dark_sky_is_no_frame():
    plane = np.full((120, 160), 0.6, np.float32)
    assert seen(plane).mask is None
    plane[:60] = 0
    for left in range(0, 160, 40):
        plane[30:60, left : left + 20] = 0.6  # houses
    assert seen(plane).mask is None
    assert seen(np.zeros((120, 160), np.float32)).mask is None
    turned_plane = displaced(np.full((120, 160), 0.6, np.float32), turned(8, 1.1, (80, 60)))
    assert 0.1 < 1 - seen(turned_plane).mask.mean() < 0.4


def test_a_richer_model_must_be_proven_by_blocks_of_patches():
    blocks = np.repeat(np.arange(6), 4)
    before = np.full(24, 0.5)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 24)
    assert gain((blocks, before), (blocks, before + noise - noise.mean() + 0.01)) == 0
    assert gain((blocks, before), (blocks, before + 0.1)) == pytest.approx(0.2)
    # what one block alone gains proves nothing
    assert gain((blocks, before), (blocks, before + (blocks == 2) * 0.4)) == 0
    # nor what is not covered, nor too few blocks
    few = np.where(blocks < 3, blocks, -1)
    assert gain((blocks, before), (few, before + 0.1)) == 0


def test_patches_left_out_have_no_say_in_their_own_prediction(street):
    features = oriented_gradients(plane_of(street[1]))
    parameters = np.array([1.5, -0.5, 2.0, 0, 0, 0])
    warped, covered = warp(plane_of(street[1]), np.linalg.inv(motion(parameters, SIZE)), SIZE)
    surfaces = correlate(features, oriented_gradients(warped), covered, 4)
    rigid, still = (held_out(surfaces, model, np.zeros(8)) for model in ("rigid", "translation"))
    assert len(rigid[0]) == surfaces.possible
    assert gain(still, rigid) > 0.02
    # a block whose patches match nowhere is predicted by the others, and so badly
    values = surfaces.values.copy()
    wrong = (surfaces.centres < 70).all(axis=1)
    values[wrong] = 0
    values[wrong, 0, 0] = 1
    spoilt = dataclasses.replace(surfaces, values=values)
    assert held_out(spoilt, "rigid", np.zeros(8))[1][surfaces.places[wrong]].max() < 0.1


def test_what_is_wanted_is_the_most_that_is_tried(street):
    moved = displaced(street[0], shift(4, 3))
    assert found((moved, street[1]), "translation").model == "translation"
    grown = found((displaced(street[0], turned(2, 1.03, middle(SIZE))), street[1]), "rigid")
    assert np.allclose(grown.matrix[:2, :2] @ grown.matrix[:2, :2].T, np.eye(2), atol=1e-6)
    assert abs(np.rad2deg(np.arctan2(grown.matrix[1, 0], grown.matrix[0, 0])) + 2) < 0.3
    with pytest.raises(UserError, match="no alignment 'cubic'"):
        found(street, "cubic")
    with pytest.raises(UserError, match="32x32"):
        register(np.zeros((20, 40), np.float32), np.zeros((40, 40), np.float32))


def test_sizes_may_differ(street):
    # the infrared camera sees the middle, with half the pixels
    cut = street[0][15:165, 20:220]
    small = cv2.resize(cut, (100, 75), interpolation=cv2.INTER_AREA)
    truth = rescale((150, 200), (75, 100)) @ shift(-20, -15)
    alignment = found((small, street[1]))
    assert alignment.trusted
    assert corner_distance(np.linalg.inv(truth) @ alignment.matrix, np.eye(3), SIZE) < 3


@pytest.mark.slow
def test_unrelated_images_are_refused(street):
    rng = np.random.default_rng(0)
    other = cv2.GaussianBlur(rng.uniform(0, 255, SIZE).astype(np.float32), (0, 0), 3)
    other = cv2.normalize(other, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    for image in (other, np.ascontiguousarray(street[0][::-1]), np.full(SIZE, 9, np.uint8)):
        assert not found((image, street[1])).trusted
    with pytest.raises(UserError, match=r"a\.png could not be aligned with b\.png: only \d+%"):
        Aligner("auto")(other, street[1], ("a.png", "b.png"))


def test_a_contour_and_its_negative_have_the_same_features():
    plane = np.zeros((40, 40), np.float32)
    plane[:, 20:] = 1
    assert np.allclose(oriented_gradients(plane), oriented_gradients(1 - plane), atol=1e-5)
    across = oriented_gradients(np.ascontiguousarray(plane.T))
    assert np.einsum("k,k", oriented_gradients(plane)[20, 20], across[20, 20]) < 0


def test_a_motion_is_its_displacements_to_first_order():
    points = np.array([[0, 0], [239, 0], [100, 150], [239, 179]], np.float64)
    for number in range(8):
        parameters = np.zeros(8)
        parameters[number] = 0.05
        moved = apply(motion(parameters, SIZE), points) - points
        expected = displacements(points, SIZE, "homography") @ parameters
        assert np.abs(moved - expected).max() < 1e-3
        assert np.abs(moved).max() > 0.01
        assert np.allclose(parameters_of(motion(parameters, SIZE), SIZE), parameters, atol=1e-3)


def test_the_fit_finds_a_motion_within_its_reach(street):
    features = oriented_gradients(plane_of(street[1]))
    parameters = np.array([1.5, -0.5, 2.0, 1.0, 0, 0])
    warped, covered = warp(plane_of(street[1]), np.linalg.inv(motion(parameters, SIZE)), SIZE)
    surfaces = correlate(features, oriented_gradients(warped), covered, 4)
    assert np.abs(fit(surfaces, "affine", np.zeros(8)) - parameters).max() < 0.6
    assert len(fit(surfaces, "translation", np.zeros(8))) == 2


def test_the_edge_of_the_infrared_is_no_seam():
    infrared = np.full((100, 120), 255, np.uint8)
    visible = np.zeros((100, 120), np.uint8)
    _, covered = warp(infrared, shift(-30, 0), (100, 120))
    cover = feather(covered)
    assert covered[:, :30].max() == 0
    assert covered[:, 30:].min() == 1
    assert cover[:, :31].max() == 0
    assert cover[:, 40:].min() == 1  # the frame of the image is no edge
    pair = Pair.from_arrays(infrared, visible, cover=cover)
    fused = pair.compose(np.ones((100, 120), np.float32))
    assert fused[:, :30].max() == 0
    assert fused[:, 30 + 19 :].min() == 255
    assert np.abs(np.diff(fused.astype(int), axis=1)).max() < 0.12 * 255
    assert feather(np.ones((5, 5), np.float32)) is None


def test_detail_is_taken_sooner_than_brightness():
    """Stripes are there where the infrared ends, its brightness comes slowly; at any size."""
    for scale in (1, 3):
        shape = (150 * scale, 200 * scale)
        stripes = np.tile(np.float32([0.1, 0.1, -0.1, -0.1]), shape[1] // 4) * np.ones(shape)
        visible = np.full(shape, 0.5, np.float32)
        inside = (visible - 0.2 + stripes).astype(np.float32)
        covered = np.zeros(shape, np.float32)
        covered[30 * scale : 120 * scale, 40 * scale :] = 1
        fused = blend(visible, inside, feather(covered))
        assert np.array_equal(fused[covered == 0], visible[covered == 0])
        middle = fused[75 * scale, 76 * scale : -4]
        assert np.abs(middle - inside[75 * scale, 76 * scale : -4]).max() < 1e-3
        near = fused[75 * scale, 49 * scale : 53 * scale]  # 9 to 13 pixels of 200 from the edge
        assert np.ptp(near) > 0.17
        assert 0.32 < near.mean() < 0.48
        means = fused[75 * scale].reshape(-1, 4).mean(axis=1)
        assert np.abs(np.diff(means)).max() < 0.045 / scale + 0.005


def test_the_infrareds_colour_ends_with_it():
    cover = np.zeros((8, 8), np.float32)
    cover[:, 4:] = 1
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    pair = Pair.from_arrays(red, np.full((8, 8), 100, np.uint8), colour="infrared", cover=cover)
    fused = pair.compose(np.full((8, 8), 0.3, np.float32))
    assert fused[0, 0].tolist() == [100, 100, 100]
    assert fused[0, 7, 0] > fused[0, 7, 1] + 100


def test_a_calibration_is_the_median_and_survives_its_file(street, tmp_path):
    matrix = shift(8, -5) @ turned(1.5, 1.0, middle(SIZE))
    moved = displaced(street[0], matrix)
    empty = np.zeros(SIZE, np.uint8)
    rig, left_out = calibrate([(moved, street[1])] * 2 + [(empty, street[1])], "similarity")
    assert (rig.pairs, left_out, rig.infrared, rig.visible) == (2, 1, SIZE, SIZE)
    assert rig.residual < 0.1
    assert corner_distance(matrix @ rig.matrix, np.eye(3), SIZE) < 1.5
    path = tmp_path / "rig.json"
    path.write_bytes(rig.to_json())
    again = load_rig(path)
    assert np.array_equal(again.matrix, rig.matrix)
    assert (again.pairs, again.infrared, again.visible) == (2, SIZE, SIZE)
    aligned = Aligner(str(path))(moved, street[1])
    inside = aligned.cover == 1
    apart = np.abs(aligned.image.astype(float) - street[0])[inside]
    assert apart.mean() < 0.5 * np.abs(moved.astype(float) - street[0])[inside].mean()
    with pytest.raises(UserError, match="20x10 pixels, but the calibration is for 240x180"):
        Aligner(str(path))(np.zeros((10, 20), np.uint8), street[1])


@pytest.mark.slow
def test_a_calibration_refuses_what_it_cannot_use(street):
    empty = np.zeros(SIZE, np.uint8)
    with pytest.raises(UserError, match="None of 1 pairs"):
        calibrate([(empty, street[1])])
    with pytest.raises(UserError, match="Pair 2 has other sizes"):
        calibrate([(empty, street[1]), (empty[:90], street[1])])


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{}",
        b"[1, 2]",
        "singular",
        "kind",
        "shape",
    ],
)
def test_a_damaged_calibration_is_refused(tmp_path, damage):
    path = tmp_path / "rig.json"
    rig = Rig(np.eye(3), "affine", SIZE, SIZE, 3, 0.5)
    if isinstance(damage, str):
        facts = json.loads(rig.to_json())
        facts |= {
            "singular": {"visible_to_infrared": [[0, 0, 0]] * 3},
            "kind": {"kind": "another"},
            "shape": {"visible_to_infrared": [[1, 0], [0, 1]]},
        }[damage]
        damage = json.dumps(facts).encode()
    path.write_bytes(damage)
    with pytest.raises(UserError, match=r"rig\.json is not a calibration, or it is damaged"):
        Aligner(str(path))


def test_a_rig_that_places_the_infrared_image_outside_is_refused(tmp_path, street):
    path = tmp_path / "rig.json"
    path.write_bytes(Rig(shift(2 * SIZE[1], 0), "translation", SIZE, SIZE, 3, 0.5).to_json())
    with pytest.raises(UserError, match=r"rig\.json places ir outside of vi, so that there is"):
        Aligner(str(path))(*street, ("ir", "vi"))


def test_names_that_are_no_alignment():
    with pytest.raises(UserError, match="There is no alignment 'best'"):
        Aligner("best")
    with pytest.raises(UserError, match=r"The calibration none\.json does not exist"):
        Aligner("none.json")
    with pytest.raises(UserError, match=r"infrared has the shape \(5,\)"):
        Aligner("auto")(np.zeros(5, np.uint8), np.zeros(SIZE, np.uint8))


def test_a_real_pair(data):
    names = data / "roadscene" / "train"
    infrared, visible = (read_image(names / side / "FLIR_06407.jpg") for side in ("ir", "vi"))
    size = size_of(infrared)
    matrix = shift(-12, 9) @ turned(2, 1.0, middle(size))
    alignment = found((displaced(infrared, matrix), visible))
    assert alignment.trusted
    assert corner_distance(matrix @ alignment.matrix, np.eye(3), size) < 4
    assert found((infrared, visible)).moved < 0.5
    assert np.allclose(identity_of(size, size), np.eye(3))
