import pytest
import torch
from torch.nn import functional

from emma_fusion.networks.attention import (
    ChannelAttention,
    FoldedAttention,
    GramAttention,
    attend,
    block_diagonal,
    head_sums,
    mixing_matrix,
)


def random(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator)


def by_definition(qkv, scale, project, heads):
    """Each step of the attention by itself, in float64: normalise, compare, softmax, mix."""
    queries, keys, values = (part.double().flatten(2) for part in qkv.chunk(3, dim=1))
    mixed = []
    for head, factor in enumerate(scale.double().flatten()):
        width = queries.shape[1] // heads
        place = slice(head * width, (head + 1) * width)
        q, k = (functional.normalize(x[:, place], dim=-1) for x in (queries, keys))
        cosines = torch.einsum("bin,bjn->bij", q, k)
        weights = torch.softmax(factor * cosines, dim=-1)
        mixed.append(torch.einsum("bij,bjn->bin", weights, values[:, place]))
    mixed = torch.cat(mixed, dim=1).unflatten(2, qkv.shape[2:])
    return torch.einsum("oi,bihw->bohw", project.double().flatten(1), mixed)


def attention(channels=16, heads=8):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = ChannelAttention(channels, heads).requires_grad_(False)
    made.scale.copy_(1 + 4 * random(heads, 1, 1).abs())
    return made


@pytest.mark.parametrize(("channels", "heads"), [(16, 8), (32, 8), (8, 8), (12, 2)])
def test_it_is_the_attention_by_its_definition(channels, heads):
    qkv = random(2, 3 * channels, 9, 13)
    scale, project = 1 + random(heads, 1, 1).abs(), random(channels, channels, 1, 1)
    got = attend(qkv, scale, project, heads)
    assert got.shape == (2, channels, 9, 13)
    assert (got - by_definition(qkv, scale, project, heads)).abs().max() < 1e-4


@pytest.mark.parametrize("channels", [8, 32])
def test_all_forms_are_one(channels):
    module = attention(channels)
    x = random(2, channels, 10, 14)
    qkv = module.spread(module.expand(x))
    expected = by_definition(qkv, module.scale, module.project.weight, module.heads)
    folded = FoldedAttention(module)
    for form in (module, folded, GramAttention(folded)):
        assert (form(x) - expected).abs().max() < 1e-4
    module.merged = True
    assert (module(x) - expected).abs().max() < 1e-4


def test_the_sums_of_a_gram_matrix_are_those_of_each_head():
    rows = random(2, 100, 24).double()
    products, query_norms, key_norms = head_sums(rows.mT @ rows, heads=4)
    queries, keys = rows.mT.reshape(2, 2, 4, 3, 100).unbind(1)
    torch.testing.assert_close(products, queries @ keys.mT)
    torch.testing.assert_close(query_norms, queries.norm(dim=-1))
    torch.testing.assert_close(key_norms, keys.norm(dim=-1))


def test_heads_do_not_mix():
    blocks = random(1, 2, 2, 2)
    spread = block_diagonal(blocks)[0]
    assert torch.equal(spread[:2, :2], blocks[0, 0])
    assert torch.equal(spread[2:, 2:], blocks[0, 1])
    assert not spread[:2, 2:].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_over_a_large_image_stay_numbers(dtype):
    """Without float32, 300,000 products of about 4 are more than fp16 holds."""
    qkv = (2 + 0.5 * random(1, 48, 480, 640)).to(dtype)
    scale, project = torch.full((8, 1, 1), 2.0), random(16, 16, 1, 1)
    expected = by_definition(qkv, scale, project, 8)
    got = attend(qkv, scale.to(dtype), project.to(dtype), 8)
    assert got.dtype == dtype
    assert (got - expected).abs().max() < 8 * torch.finfo(dtype).eps * expected.abs().max()
    with torch.autocast("cpu", dtype):
        got = attend(qkv, scale, project, 8)
    assert (got - expected).abs().max() < 8 * torch.finfo(dtype).eps * expected.abs().max()


def test_channels_of_nothing_are_mixed_evenly():
    """Their norms are zero, and so are all cosines."""
    zeros = torch.zeros(1, 1, 2)
    mixing = mixing_matrix(
        zeros[..., None] * zeros, zeros, zeros, torch.ones(1, 1, 1), torch.eye(2)
    )
    assert torch.equal(mixing, torch.full((1, 2, 2), 0.5))
