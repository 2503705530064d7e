"""One tree of exceptions, and messages that name the argument."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import bivouac
import numpy as np
import pytest

# They need packages that are no part of the test environment, or run something.
APART = {"bivouac.sb3", "bivouac.torchrl", "bivouac.torch", "bivouac._jax_bench"}


def modules():
    for found in pkgutil.walk_packages(bivouac.__path__, "bivouac."):
        if found.name in APART or ".v1" in found.name or found.name.endswith("__main__"):
            continue
        yield importlib.import_module(found.name)


def test_every_exception_of_the_package_is_in_its_tree():
    found = set()
    for module in modules():
        for value in vars(module).values():
            is_error = inspect.isclass(value) and issubclass(value, BaseException)
            if is_error and value.__module__.startswith("bivouac"):
                found.add(value)
    outside = {error for error in found if not issubclass(error, bivouac.BivouacError)}
    assert not outside and len(found) > 15, outside


@pytest.mark.parametrize(
    ("raised", "builtin"),
    [
        ("InvalidArgument", ValueError),
        ("UnknownName", KeyError),
        ("OutOfRange", IndexError),
        ("UnknownColumn", AttributeError),
        ("InvalidState", RuntimeError),
        ("MissingPackage", ImportError),
    ],
)
def test_an_exception_is_the_builtin_one_too_and_says_its_message_plainly(raised, builtin):
    error = getattr(bivouac.errors, raised)("size 40: give 1 to 32")
    assert isinstance(error, builtin) and str(error) == "size 40: give 1 to 32"


def make(**options):
    return bivouac.make_vec("generals", 2, **{"size": (8, 8), "threads": 1, **options})


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (lambda: make(threads=-1), "threads -1"),
        (lambda: make(canvas="big"), "canvas 'big'"),
        (lambda: make(canvas=(8, 8, 8)), "canvas"),
        (lambda: make(canvas=-1), "canvas -1"),
        (lambda: make(seed=[1, -1]), "seed -1"),
        (lambda: make(seed="one"), "seed 'one'"),
        (lambda: make(seed=1.5), "seed 1.5"),
        (lambda: make(seat="first"), "seat 'first'"),
        (lambda: make(seat=-1), "seat -1"),
        (lambda: make(mountains=5), "mountains 5"),
        (lambda: make(cities=(-1, 3)), "cities -1"),
        (lambda: make(map_pool=-1), "map_pool -1"),
        (lambda: make(map_pool=2, map_seed=-1), "map_seed -1"),
        (lambda: make(teams=[0, 300]), "teams 300"),
        (lambda: make(autoreset=7), "autoreset 7"),
        (lambda: make().snapshot([-1]), "games: environment -1"),
        (lambda: make().set_game([2], max_ticks=5), "games: environment 2"),
        (lambda: make().set_policy(1, "random", [0.5]), "games: environment 0.5"),
        (lambda: make().set_policy(9, "random"), "seat 9"),
        (lambda: make().clone([0], 0), "n 0"),
        (lambda: make().clone([5], 1), "games: environment 5"),
        (lambda: make().draw(3, None), "games: environment 3"),
        (lambda: make().draw(0, 7), "seat 7"),
        (lambda: make().reset(seed=-3), "seed -3"),
        (lambda: make().step("up"), "actions"),
        (lambda: bivouac.ParallelEnv(canvas="big"), "canvas 'big'"),
        (lambda: bivouac.ParallelEnv().reset(seed=-1), "seed -1"),
        (lambda: make().frame.column("gold"), "gold"),
    ],
)
def test_a_wrong_argument_is_named_whatever_is_wrong_with_it(use, named):
    with pytest.raises(bivouac.InvalidArgument) as error:
        use()
    assert named in str(error.value)


def test_one_number_is_both_sides_of_a_canvas():
    assert make(canvas=20).form.format.height == 20
    assert bivouac.ParallelEnv(size=8, canvas=9).form.format.width == 9


def test_a_frame_has_the_attributes_that_it_has():
    frame = make().frame
    assert hasattr(frame, "army") and not hasattr(frame, "gold")
    assert getattr(frame, "owner", None) is None, "there are two players"


def test_a_game_is_begun_before_it_is_stepped():
    env = bivouac.ParallelEnv(size=(8, 8))
    with pytest.raises(bivouac.InvalidState, match="reset"):
        env.step({"player_0": 0})


def test_reasons_for_refusals_have_public_names():
    assert bivouac.REFUSALS[0] == "accepted" and "out_of_range" in bivouac.REFUSALS
    envs = make()
    envs.reset(seed=1)
    infos = envs.step(np.array([2**20, -1]))[4]
    assert [bivouac.REFUSALS[number] for number in infos["refused"]] == ["out_of_range", "accepted"]
    assert set(envs.refusals()) == set(bivouac.REFUSALS[1:])


def test_an_extra_that_is_missing_is_an_error_that_says_how_to_install_it():
    """In an interpreter to which nothing but what is always installed is there."""
    code = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pettingzoo", "grpc", "PIL", "torch", "stable_baselines3"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
import bivouac, importlib

envs = bivouac.make_vec("generals", 2, size=8, record=True, policies=["random"] * 2, seat=None)
envs.step([-1] * 4)
for use, extra in [
    (lambda: bivouac.ParallelEnv, "pettingzoo"),
    (lambda: bivouac.GameClient, "live"),
    (lambda: importlib.import_module("bivouac.torch"), "torch"),
    (lambda: importlib.import_module("bivouac.sb3"), "sb3"),
    (lambda: envs.save_gif("never.gif"), "render"),
]:
    try:
        use()
    except bivouac.MissingPackage as error:
        assert f'pip install "bivouac[{extra}]"' in str(error), error
    else:
        raise AssertionError(extra)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
