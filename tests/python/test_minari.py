"""What `bivouac export minari` writes, opened by Minari."""

import os

import numpy as np
import pytest
from test_datasets import ROOT

from bivouac.data import Experiences, legal_actions, unpack_bits

os.environ["MINARI_DATASETS_PATH"] = str(ROOT / "minari")
minari = pytest.importorskip("minari", reason="see requirements.txt")


@pytest.mark.parametrize("name", ["duel", "four"])
def test_minari_iterates_the_same_episodes(name):
    loaded = minari.load_dataset(f"bivouac/{name}-v0")
    data = Experiences(ROOT / name)
    assert loaded.total_episodes == len(data)
    assert loaded.total_steps == sum(data.about(i).length for i in range(len(data)))
    assert loaded.action_space.n == data.format.n_actions
    for index, episode in enumerate(loaded.iterate_episodes()):
        about, rows = data.about(index), data.episode(index)
        steps = about.length
        assert len(episode.actions) == len(episode.rewards) == steps
        seen = episode.observations
        assert len(seen["army"]) == steps + 1, "the terminal observation is there"
        assert np.array_equal(seen["army"], rows["army"])
        assert np.array_equal(seen["planes"], unpack_bits(rows["planes"], data.format))
        mask = legal_actions(rows["action_mask"], data.format)
        assert np.array_equal(seen["action_mask"], mask)
        assert np.array_equal(episode.actions, rows["action"][:-1])
        assert np.array_equal(episode.rewards, rows["reward"][:-1])
        assert np.array_equal(episode.terminations, rows["terminated"][:-1])
        assert np.array_equal(episode.truncations, rows["truncated"][:-1])
        assert (episode.terminations | episode.truncations).sum() == 1
        assert (episode.terminations | episode.truncations)[-1]
        if index == 0:
            first = {key: values[0] for key, values in seen.items()}
            assert loaded.observation_space.contains(first)
    sampled = loaded.sample_episodes(3)
    assert len(sampled) == 3
