"""`hil-admin`: what an operator does on the machine itself, with the database in hand and no API in between.

It acts as an operator, through the same services as everybody, so that all of it stands in the journal with the name
of the Unix user. Two commands read from switches, with the worker's settings (`switch test`, `wiring check`); none
writes to one.
"""


def main() -> None:
    """The program."""
    from hil.admin.command import admin

    admin()
