"""The program `hil`: the command line of `hil.cli`, with what only a machine that runs HIL has beside it.

It refuses to import a server, or the laboratory, before one of their commands is called.
"""

from __future__ import annotations

from hil.cli.app import app

app.add_lazy("serve", "hil.process.serve:serve", "Run HIL itself: all in one process, or its API and workers.")
app.add_lazy("lab", "hil.lab.command:lab", "The virtual data centre: switches, machines and faults to try HIL on.")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
