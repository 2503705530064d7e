"""Threads, processes and memory: what environments take, and that they give it back."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import threading

import bivouac
import numpy as np
import pytest

IS_LINUX = os.path.isdir("/proc/self/task")


def make(num_envs: int = 40, **options):
    defaults = {"size": (8, 9), "max_ticks": 30, "seat": None, "layout": "durbin9", "threads": 1}
    return bivouac.make_vec("generals", num_envs, **{**defaults, **options})


def passes(envs) -> np.ndarray:
    return np.full(envs.num_envs, -1)


def trajectory(threads: int, layout: str | None = "memory") -> str:
    """A fingerprint of everything that 50 random ticks of 340 games show."""
    envs = make(340, threads=threads, layout=layout, autoreset="same_step", policies=["hunter", "external"])
    envs.reset(seed=5)
    rng, digest = np.random.default_rng(3), hashlib.sha256()
    for _ in range(50):
        seen, *results, infos = envs.step(rng.integers(0, envs.single_action_space.n, envs.num_envs))
        for column in seen.values() if isinstance(seen, dict) else [seen]:
            digest.update(np.ascontiguousarray(column))
        for column in [*results, *(infos[name] for name in ("tick", "episode_id", "refused", "has_won"))]:
            digest.update(np.ascontiguousarray(column))
        for env in np.flatnonzero(infos.get("_final_obs", [])):
            last = infos["final_obs"][env]
            for column in last.values() if isinstance(last, dict) else [last]:
                digest.update(np.ascontiguousarray(column))
    return digest.hexdigest()


def answer_trajectory(answers, threads: int) -> None:
    answers.put((threads, trajectory(threads)))


def test_whole_trajectories_are_the_same_in_any_process_on_any_number_of_threads():
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    children = [context.Process(target=answer_trajectory, args=(answers, n)) for n in (1, 2)]
    for child in children:
        child.start()
    found = dict(answers.get(timeout=300) for _ in children)
    for child in children:
        child.join(300)
    assert found == {1: trajectory(1), 2: trajectory(3)}
    assert trajectory(1, None) == trajectory(2, None) != found[1]


def play_in_child(answers, threads: int | None) -> None:
    envs = make(threads=threads, autoreset="same_step")
    envs.reset(seed=1)
    for _ in range(40):
        envs.step(passes(envs))
    envs.send(passes(envs))
    envs.recv()
    envs.close()
    answers.put("played")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("threads", [1, 2, None])
def test_a_forked_process_plays_environments_of_its_own(threads):
    parent = make(threads=2, autoreset="same_step")
    # Of all kinds of work: whatever pools of threads there are have begun.
    for _ in range(40):
        parent.step(passes(parent))
    play_in_child(multiprocessing.SimpleQueue(), 1)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=play_in_child, args=(answers, threads), daemon=True)
    child.start()
    try:
        assert answers.get(timeout=120) == "played"
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()
    parent.step(passes(parent))


def count_threads(answers) -> None:
    # Libraries that are imported have threads of their own.
    make(1).close()
    before = len(os.listdir("/proc/self/task"))
    counts = []
    envs = make(700, threads=1, layout="memory", autoreset="same_step")
    for _ in range(35):
        envs.step(passes(envs))
    counts.append(len(os.listdir("/proc/self/task")) - before)
    for _ in range(10):
        envs.send(passes(envs))
        envs.recv()
    counts.append(len(os.listdir("/proc/self/task")) - before)
    envs.close()
    counts.append(len(os.listdir("/proc/self/task")) - before)
    answers.put(counts)


@pytest.mark.skipif(not IS_LINUX, reason="counts the threads in /proc")
def test_one_thread_is_one_thread_and_ticks_that_are_sent_are_played_by_one_more():
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    # In a process of its own, in which nothing else ends or begins; the queue begins a thread later.
    child = context.Process(target=count_threads, args=(answers,))
    child.start()
    assert answers.get(timeout=300) == [0, 1, 0]
    child.join(300)


def test_what_is_closed_says_so_and_its_arrays_stay():
    envs = make(4)
    observations, _ = envs.reset(seed=1)
    kept, snapshot = observations.copy(), envs.snapshot()
    envs.send(passes(envs))
    envs.close()
    envs.close()
    for use in [
        lambda: envs.step(passes(envs)),
        lambda: envs.reset(),
        lambda: envs.send(passes(envs)),
        lambda: envs.recv(),
        lambda: envs.frame,
        lambda: envs.action_masks(),
        lambda: envs.seeds(),
        lambda: envs.restore(snapshot),
        lambda: envs.draw(0, None),
        lambda: envs.games(),
    ]:
        with pytest.raises(bivouac.InvalidState):
            use()
    assert np.array_equal(observations, kept)
    env = bivouac.ParallelEnv(size=(8, 8))
    env.reset(seed=1)
    env.close()
    with pytest.raises(bivouac.InvalidState, match="closed"):
        env.step({"player_0": 0})


@pytest.mark.skipif(not IS_LINUX, reason="looks at /proc")
def test_environments_that_are_closed_or_dropped_leave_nothing():
    def resident() -> int:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096

    def cycle(i: int) -> None:
        envs = make(200, threads=2, size=(20, 20), record=True)
        envs.reset(seed=i)
        for _ in range(3):
            observations = envs.step(passes(envs))[0]
        envs.send(passes(envs))
        envs.recv()
        if i % 2:
            envs.close()
        del envs, observations

    for i in range(10):
        cycle(i)
    gc.collect()
    memory, threads = resident(), len(os.listdir("/proc/self/task"))
    for i in range(100):
        cycle(i)
    gc.collect()
    # The threads of what was dropped are told to end, and may do so a little later.
    for thread in range(600):
        if len(os.listdir("/proc/self/task")) <= threads:
            break
        threading.Event().wait(0.05)
    assert len(os.listdir("/proc/self/task")) <= threads
    # Each has frames of more than 20 MB.
    assert resident() - memory < 150 << 20


def test_other_threads_of_python_run_while_the_world_steps():
    envs = make(400, size=(20, 20), layout="memory")
    envs.reset(seed=1)
    begun, turns, is_over = threading.Event(), 0, False

    def count() -> None:
        nonlocal turns
        begun.set()
        while not is_over:
            turns += 1

    other = threading.Thread(target=count)
    other.start()
    begun.wait(60)
    try:
        # The engine is asked without the checks around it, which are Python and give turns away.
        before = turns
        actions = passes(envs).astype("<i4").tobytes() * 20
        envs._engine.play(actions, 20)
        during = turns - before
    finally:
        is_over = True
        other.join(60)
    assert during > 1_000, "the interpreter's lock was held"
