"""The exokernel: what HIL knows without a database, a network or a library.

Names, facts, rules, the policy, the contracts of drivers, errors. It refuses to import anything but the standard
library, so that whoever reviews isolation can read all of it in an afternoon and trust what it says.
"""
