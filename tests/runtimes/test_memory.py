import pytest
import torch

from emma_fusion.errors import UserError
from emma_fusion.runtimes import memory
from emma_fusion.runtimes.memory import parse_size, resident_memory, usable_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 4 * 2**30), ("800MB", 8 * 10**8), ("1.5 TiB", 3 * 2**39), ("2kB", 2000), ("9B", 9)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4", "4G", "GiB", "-1GiB", "0GiB", "4iB", "lots"])
def test_what_is_no_size(text):
    with pytest.raises(UserError, match="write it as 4GiB"):
        parse_size(text)


def test_what_the_process_holds_grows_with_what_it_holds():
    before = resident_memory(CPU)
    held = torch.ones(2**24)  # 64 MiB
    assert before > 20 * 2**20
    assert resident_memory(CPU) - before > 0.9 * held.nbytes


def test_the_smallest_of_all_limits_counts(monkeypatch):
    system = type("Memory", (), {"available": 1000})
    monkeypatch.setattr(memory, "resident_memory", lambda device: 100)
    monkeypatch.setattr(memory.psutil, "virtual_memory", system)
    monkeypatch.setattr(memory, "_left_by_cgroups", lambda: [500, 2**60])
    assert usable_memory(CPU) == 100 + 400
    monkeypatch.setattr(memory, "_left_by_cgroups", list)
    assert usable_memory(CPU) == 100 + 800


def test_what_pytorch_holds_in_reserve_on_a_gpu_is_free(monkeypatch):
    """After one image, nothing is free but what the second will be given of the reserve."""
    told = {"memory_allocated": 100, "memory_reserved": 700, "mem_get_info": (0, 1000)}
    for name, value in told.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert usable_memory(torch.device("cuda")) == 100 + 480


@pytest.mark.parametrize(
    ("line", "folder", "names"),
    [
        ("0::/jobs/mine", "jobs", ("memory.max", "memory.current", "inactive_file")),
        (
            "4:memory:/jobs/mine",
            "memory/jobs",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
)
def test_limits_of_control_groups(monkeypatch, tmp_path, line, folder, names):
    """The limit is that of the group around this process's own."""
    group = tmp_path / folder
    (group / "mine").mkdir(parents=True)
    (group / "mine" / names[0]).write_text("max\n")
    (group / names[0]).write_text("5000\n")
    (group / names[1]).write_text("3000\n")
    (group / "memory.stat").write_text(f"anon 10\n{names[2]} 700\n")
    assert memory._left_by_cgroups(tmp_path, f"1:cpu:/\n{line}\n") == [2700]
