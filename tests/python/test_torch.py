"""The package with PyTorch, which is large: set BIVOUAC_TEST_TORCH where it is installed."""

import os
from pathlib import Path

import numpy as np
import pytest
from test_datasets import EXPERIENCES, ROOT

if "BIVOUAC_TEST_TORCH" not in os.environ:
    pytest.skip("BIVOUAC_TEST_TORCH is not set", allow_module_level=True)

import torch
from torch.utils.data import DataLoader

from bivouac.data import LAYOUTS, Experiences, Windows
from bivouac.torch import WindowDataset, WindowStream, decode


@pytest.mark.parametrize("name", EXPERIENCES)
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_torch_decodes_what_numpy_decodes(name, layout):
    data = Experiences(ROOT / name)
    compact = WindowDataset(data, 16, layout=None)
    expected = Windows(data, 16, layout=layout)
    for index in [0, len(expected) // 2, len(expected) - 1]:
        batch = {key: values[None] for key, values in compact[index].items()}
        found = decode(batch, data.format, layout)
        window = expected[index]
        assert found["observation"].dtype == torch.float32
        valid = window["valid"]
        assert np.array_equal(found["observation"][0].numpy()[valid], window["observation"][valid])
        assert np.array_equal(found["action_mask"][0].numpy()[valid], window["action_mask"][valid])


def test_a_map_style_dataset_is_batched_in_any_order():
    windows = WindowDataset(ROOT / "duel", 8)
    loader = DataLoader(windows, batch_size=32, shuffle=True, num_workers=2)
    seen = 0
    for batch in loader:
        assert batch["observation"].shape[1:] == (8, 9, 20, 20)
        assert batch["action"].dtype == torch.int64
        taken = (batch["action"] >= 0) & batch["valid"]
        assert batch["action_mask"][taken].gather(1, batch["action"][taken][:, None]).all()
        seen += len(batch["valid"])
    assert seen == len(windows)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("shuffle", ["none", "episode", "row_group"])
def test_workers_share_a_stream_without_a_window_twice(workers, shuffle):
    stream = WindowStream(ROOT / "small-groups", 32, layout=None, shuffle=shuffle, seed=2)
    found = []
    for batch in DataLoader(stream, batch_size=16, num_workers=workers):
        first = batch["army"].sum((1, 2, 3)) * 10_000 + batch["step"][:, 0]
        found += first.tolist()
    whole = stream.stream.windows
    expected = [int(w["army"].astype(int).sum() * 10_000 + w["step"][0]) for w in whole]
    assert sorted(found) == sorted(expected)
    assert shuffle == "none" or found != expected


def test_training_processes_share_a_stream():
    parts = []
    for rank in range(2):
        stream = WindowStream(ROOT / "small-groups", 32, rank=rank, world_size=2, layout=None)
        parts.append(sum(1 for _ in DataLoader(stream, batch_size=None, num_workers=2)))
    assert all(parts) and sum(parts) == len(stream.stream)


def test_the_training_loop_of_the_readme_learns(serve, capsys):
    """The loop as it stands in the README, against a server of its own, for some batches."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    code = readme.split("```python\nimport torch, bivouac\n")[1].split("```")[0]
    server = serve("--policies", "hunter", "--seed", "1")
    code = code.replace("grpc://127.0.0.1:50051", server.uri)
    losses = []

    def note(seq, loss):
        losses.append(loss)
        if len(losses) == 120:
            raise StopIteration

    with pytest.raises(StopIteration):
        exec("import torch, bivouac\n" + code, {"print": note})
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
