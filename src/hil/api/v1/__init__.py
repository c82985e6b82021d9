"""HIL's own API: resources, JSON, OpenAPI 3.1. One file per noun; each handler parses, calls a service, shows.

It judges nothing: a handler reaches a row through `hil.services` alone. What is common to all of them is `door` (one
call from HTTP to an answer), `shapes` (what is read), `replies` (what is shown) and `views` (how rows become that).
"""
