"""Environments for TorchRL."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from .errors import InvalidArgument, needing
from .vector import VectorEnv

with needing("torchrl"):
    import torch
    from tensordict import TensorDict, TensorDictBase
    from torchrl.data import Binary, Categorical, Composite, Unbounded
    from torchrl.envs import EnvBase


class TorchRLEnv(EnvBase):
    """A `VectorEnv` as an `EnvBase` of batch size `[num_envs]`.

    Keys are `observation` (float32 `[num_envs, channels, height, width]`), `action_mask` (bool
    `[num_envs, n_actions]`, as `torchrl.modules.MaskedCategorical` takes it), `action` (int64
    `[num_envs]`), `reward` (float32), `done`, `terminated` and `truncated` (bool, all
    `[num_envs, 1]`). TorchRL resets the environments whose episodes are over.

    Args:
        envs: environments with a `layout`, one seat and `autoreset="disabled"`.
        device: where tensors go.

    Raises:
        InvalidArgument: the environments were made otherwise.
    """

    batch_locked = True

    def __init__(self, envs: VectorEnv, device: Any = "cpu") -> None:
        if envs.autoreset is not AutoresetMode.DISABLED:
            raise InvalidArgument(f"autoreset {envs.autoreset.value!r}: make them with 'disabled'")
        if envs.form.layout is None:
            raise InvalidArgument("layout None: make them with a layout, such as 'durbin9'")
        if envs.seat is None:
            raise InvalidArgument("seat None: TorchRL resets each environment alone, so give a seat")
        super().__init__(device=device, batch_size=torch.Size([envs.num_envs]))
        self.envs = envs
        n, shape = envs.num_envs, envs.single_observation_space.shape
        actions = int(envs.single_action_space.n)
        self.observation_spec = Composite(
            observation=Unbounded((n, *shape), dtype=torch.float32, device=device),
            action_mask=Binary(actions, (n, actions), dtype=torch.bool, device=device),
            shape=(n,),
        )
        mask = torch.ones(n, actions, dtype=torch.bool, device=device)
        self.action_spec = Categorical(actions, (n,), dtype=torch.int64, device=device, mask=mask)
        self.reward_spec = Unbounded((n, 1), dtype=torch.float32, device=device)
        flag = Categorical(2, (n, 1), dtype=torch.bool, device=device)
        self.done_spec = Composite(
            done=flag, terminated=flag.clone(), truncated=flag.clone(), shape=(n,)
        )
        self._seed: int | None = None

    def _reset(self, tensordict: TensorDictBase | None = None, **_: Any) -> TensorDictBase:
        which = None if tensordict is None else tensordict.get("_reset", None)
        chosen = None if which is None else which.reshape(-1).cpu().numpy()
        options = None if chosen is None else {"reset_mask": chosen}
        observations, _ = self.envs.reset(seed=self._seed, options=options)
        self._seed = None
        over = torch.zeros(*self.batch_size, 1, dtype=torch.bool, device=self.device)
        return self._told(observations, over, over.clone())

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        actions = tensordict["action"].cpu().numpy()
        observations, rewards, terminated, truncated, _ = self.envs.step(actions)
        ends = (self._tensor(end)[:, None] for end in (terminated, truncated))
        told = self._told(observations, *ends)
        return told.set("reward", self._tensor(rewards)[:, None])

    def _told(
        self, observations: np.ndarray, terminated: torch.Tensor, truncated: torch.Tensor
    ) -> TensorDict:
        legal = self._tensor(self.envs.action_masks())
        # Random actions of TorchRL are drawn among those that the specification allows.
        self.action_spec.update_mask(legal)
        seen = {"observation": self._tensor(observations), "action_mask": legal}
        ends = {"terminated": terminated, "truncated": truncated, "done": terminated | truncated}
        return TensorDict({**seen, **ends}, batch_size=self.batch_size, device=self.device)

    def _set_seed(self, seed: int | None) -> None:
        self._seed = seed

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        # A copy: the engine's memory is read-only, which tensors cannot say.
        return torch.tensor(array, device=self.device)
