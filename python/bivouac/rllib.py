"""Names and rows as Ray's RLlib has them.

The plain columns need no copy: pass `INPUT_READ_SCHEMA` to `AlgorithmConfig.offline_data`. RLlib
wants dense observations, and some of its algorithms the next one beside each: `transitions` makes
both, an episode at a time, so that no next observation is that of another episode:

    data = Experiences("bivouac-data")
    rows = ray.data.range(len(data)).flat_map(lambda row: transitions(data, row["id"]))
    rows.write_parquet("for-rllib")
    config.offline_data(input_=["for-rllib"], input_read_schema=INPUT_READ_SCHEMA)
"""

from __future__ import annotations

from typing import Any

from .data import Experiences

INPUT_READ_SCHEMA = {
    "eps_id": "episode_id",
    "agent_id": "agent_id",
    "t": "step",
    "obs": "observation",
    "new_obs": "next_observation",
    "actions": "action",
    "rewards": "reward",
    "terminateds": "terminated",
    "truncateds": "truncated",
}
"""RLlib's names of columns and those of datasets and `transitions`."""


def transitions(
    data: Experiences, index: int, layout: str = "durbin9", mask: bool = True
) -> list[dict[str, Any]]:
    """The T actions of an agent's episode, each with the observation before and after it.

    Args:
        data: a dataset of experiences.
        index: an agent's episode.
        layout: a dense layout.
        mask: whether rows have `action_mask`, bool `[n_actions]`, too.

    Returns:
        Rows with the columns of `INPUT_READ_SCHEMA`. `episode_id` is a text that names the agent
        too, for RLlib takes one agent's rows for an episode; observations are float32
        `[channels, height, width]`.
    """
    about, rows = data.about(index), data.episode(index, layout)
    name = f"{about.episode_id:016x}/{about.agent_id}"
    out = []
    for i in range(about.length):
        row = {
            "episode_id": name,
            "agent_id": about.agent_id,
            "step": int(rows["step"][i]),
            "observation": rows["observation"][i],
            "next_observation": rows["observation"][i + 1],
            "action": int(rows["action"][i]),
            "reward": float(rows["reward"][i]),
            "terminated": bool(rows["terminated"][i]),
            "truncated": bool(rows["truncated"][i]),
        }
        if mask:
            row["action_mask"] = rows["action_mask"][i]
        out.append(row)
    return out
