"""The inventory: what a data centre is made of, written down in one YAML file.

`document` reads the file and `books` the database; `changes` compares the two and orders what differs; `carry_out` does
it in one transaction; `export` writes the file that would change nothing. It decides about nothing that tenants own:
projects, networks and users are not in the file, and what they use is not taken away.
"""
