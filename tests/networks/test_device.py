import numpy as np
import pytest
import torch

from emma_fusion.errors import UserError
from emma_fusion.networks.device import inference, is_out_of_memory, tf32

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError("Unable to allocate 4.00 GiB for an array"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_what_allocators_say_is_lack_of_memory(error):
    assert is_out_of_memory(error)
    with (
        pytest.raises(UserError, match="9x8 pixels needs more memory than cpu has free; try less"),
        inference(CPU, None, (8, 9), "less"),
    ):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Expected a tensor with memory format channels_last"),
        RuntimeError("an illegal memory access was encountered"),
        RuntimeError("unsupported operation: more than one element refers to one memory location"),
        ValueError("DefaultCPUAllocator: not enough memory"),
    ],
)
def test_other_messages_with_memory_in_them_are_not(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), inference(CPU, None, (8, 9), "less"):
        raise error


def test_what_is_too_large_for_this_machine():
    with pytest.raises(UserError, match="needs more memory"), inference(CPU, None, (8, 9), "less"):
        torch.empty(2**50)
    with pytest.raises(UserError, match="needs more memory"), inference(CPU, None, (8, 9), "less"):
        np.empty(2**50)


@pytest.mark.parametrize("allowed", [False, True])
def test_tf32_is_what_was_asked_for_on_a_gpu_for_the_length_of_the_block(allowed):
    switches = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [switch.allow_tf32 for switch in switches]
    with tf32(torch.device("cuda"), allowed):
        assert [switch.allow_tf32 for switch in switches] == [allowed, allowed]
    assert [switch.allow_tf32 for switch in switches] == before
    with tf32(CPU, allowed):
        assert [switch.allow_tf32 for switch in switches] == before
