"""What is played where nobody says otherwise."""

from __future__ import annotations

from bivouac.spec import GameSpec


def test_the_ruleset_says_how_long_and_how_large_games_are():
    generals = GameSpec().built()
    assert (generals.max_ticks, generals.sides) == (1000, (20, 20))
    competition = GameSpec(ruleset="competition").built()
    assert (competition.max_ticks, competition.sides) == (1200, (21, 21))
    told = GameSpec(ruleset="competition", size=(18, 19), max_ticks=50).built()
    assert (told.max_ticks, told.sides) == (50, (18, 19))
    assert GameSpec(size="random").built().sides != (20, 20)
