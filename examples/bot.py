"""A bot of one's own, and a game of it against a built-in policy on a server of live games.

    bivouac serve --games 0
    python examples/bot.py grpc://127.0.0.1:50051 --policy expander

`python -m pip install './python[live]'` installs what it needs. In a tournament the same class plays
as `bivouac arena hunter python:examples/bot.py:Marcher`.
"""

import argparse

import numpy as np

from bivouac import Bot, GameClient


class Marcher(Bot):
    """Marches its largest army to where there is something to take, and never far from the time."""

    def on_start(self, board):
        height, width = board.faces.shape
        print(f"seat {board.seat} of {len(board.players)} on {height}x{width}")

    def act(self, board):
        best, most = None, 0
        for action in board.legal_actions():
            if self.time_left < 0.01:
                break  # The best so far is better than none.
            worth = self.worth(board, action)
            if worth > most:
                best, most = action, worth
        return best

    def worth(self, board, action):
        """What a march is worth: land that is taken, more if it is an enemy's, by a large army."""
        width = board.faces.shape[1]
        tile, direction = action // 8, action // 2 % 4
        row, column = divmod(tile, width)
        down, right = ((-1, 0), (1, 0), (0, -1), (0, 1))[direction]
        to = (row + down, column + right)
        army = int(board.armies[row, column]) - 1
        if board.owners[to] == board.seat:
            return 1 + army / 1000
        if army <= board.armies[to]:
            return 0
        return army + (1000 if board.owners[to] != 255 else 100)

    def on_end(self, board):
        if board.ended is None:
            print(f"given up at tick {board.tick}")
            return
        winners = list(board.ended.winners)
        told = "a draw" if not winners else "won" if board.seat in winners else "lost"
        print(f"{told} at tick {board.tick}: land {np.asarray(board.land).tolist()}, late {self.late}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="grpc://HOST:PORT, or grpc+tls://HOST:PORT")
    parser.add_argument("--token", help="where the server wants one")
    parser.add_argument("--policy", default="expander", help="who plays the other seat")
    parser.add_argument("--size", type=int, default=12, help="rows and columns")
    parser.add_argument("--max-ticks", type=int, default=300)
    parser.add_argument("--turn-ms", type=int, default=100)
    options = parser.parse_args()
    with GameClient(options.server, token=options.token) as client:
        _, seat = client.create_and_join(
            "marcher",
            policies=[options.policy],
            size=(options.size, options.size),
            max_ticks=options.max_ticks,
            turn_ms=options.turn_ms,
        )
        Marcher().play_seat(seat)


if __name__ == "__main__":
    main()
