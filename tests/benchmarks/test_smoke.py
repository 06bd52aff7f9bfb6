"""Smoke that is drawn over a pair."""

import numpy as np

from smoke import draw_smoke, smooth_field


def test_a_field_is_smooth_and_drawn_by_its_seed():
    field = smooth_field((90, 130), 30, np.random.default_rng(1))
    assert field.shape == (90, 130)
    assert field.min() >= 0
    assert field.max() <= 1
    assert field.max() - field.min() > 0.9
    assert np.abs(np.diff(field, axis=0)).max() < 0.05
    np.testing.assert_array_equal(field, smooth_field((90, 130), 30, np.random.default_rng(1)))


def test_smoke_hides_the_visible_image_and_warmth_keeps_the_infrared_ones_order():
    rng = np.random.default_rng(0)
    infrared = np.tile(np.linspace(0, 1, 128, dtype=np.float32), (96, 1))
    visible = (np.indices((96, 128)).sum(axis=0) % 2).astype(np.float32)  # a checkerboard
    contrasts = []
    for _ in range(20):
        warmed, smoked = draw_smoke(infrared, visible, rng)
        assert warmed.dtype == smoked.dtype == np.float32
        for plane in (warmed, smoked):
            np.testing.assert_allclose(plane * 255, np.rint(plane * 255), atol=1e-3)
            assert plane.min() >= 0
            assert plane.max() <= 1
        assert (warmed >= infrared - 0.5 / 255 - 1e-6).all()
        contrasts.append(np.abs(np.diff(smoked, axis=1)).mean())
    assert max(contrasts) < 1
    assert min(contrasts) < 0.2
