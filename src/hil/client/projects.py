"""Projects and the people in them: `client.projects`, `client.users`, `client.keys`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from hil.client.connection import Connection, path
from hil.client.decode import JSON, Shape
from hil.client.pages import pages


@dataclass(frozen=True, kw_only=True)
class Project(Shape):
    """One project. A quota of None is no limit; `nodes` and `networks` count what it holds."""

    name: str
    enabled: bool = True
    quota_nodes: int | None = None
    quota_networks: int | None = None
    nodes: int = 0
    networks: int = 0


@dataclass(frozen=True, kw_only=True)
class Member(Shape):
    """Somebody's role in a project: reader, member or manager."""

    user: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Membership(Shape):
    """A project that somebody belongs to, and as what."""

    project: str
    role: str


@dataclass(frozen=True, kw_only=True)
class User(Shape):
    """Somebody who may log in."""

    name: str
    operator: bool = False
    projects: tuple[Membership, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Key(Shape):
    """An API key. `token` is there only in the answer that makes it, and never again."""

    id: str
    description: str = ""
    user: str | None = None
    project: str | None = None
    role: str | None = None
    operator: bool = False
    created_at: datetime | None = None
    expires_at: datetime | None = None
    token: str = field(default="", repr=False)


class Projects:
    """`client.projects`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[Project]:
        """Those that one belongs to (operators: all), by name."""
        return pages(self._connection, "/projects", Project)

    def get(self, project: str) -> Project:
        answer = self._connection.call("GET", path("projects", project))
        return Project.of(answer.data, answer.etag)

    def create(self, project: str, *, quota_nodes: int | None = None, quota_networks: int | None = None) -> Project:
        """Make a project. Operators only."""
        quotas = {"quota_nodes": quota_nodes, "quota_networks": quota_networks}
        body = {"name": project} | {key: value for key, value in quotas.items() if value is not None}
        answer = self._connection.call("POST", "/projects", body=body)
        return Project.of(answer.data, answer.etag)

    def change(self, project: str, facts: dict[str, bool | int | None], *, if_match: str = "") -> Project:
        """Set `enabled`, `quota_nodes`, `quota_networks` (None: no limit). Operators only."""
        answer = self._connection.call("PATCH", path("projects", project), body=facts, if_match=if_match)
        return Project.of(answer.data, answer.etag)

    def delete(self, project: str, *, if_match: str = "") -> None:
        """Delete a project that holds neither nodes nor networks. Operators only."""
        self._connection.call("DELETE", path("projects", project), if_match=if_match)

    def members(self, project: str) -> Iterator[Member]:
        return pages(self._connection, path("projects", project, "members"), Member)

    def set_member(self, project: str, user: str, role: str) -> None:
        """Add somebody, or give them another role. Managers and operators."""
        self._connection.call("PUT", path("projects", project, "members", user), body={"role": role})

    def remove_member(self, project: str, user: str) -> None:
        """Managers and operators."""
        self._connection.call("DELETE", path("projects", project, "members", user))


class Users:
    """`client.users`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[User]:
        """Oneself; operators: everybody."""
        return pages(self._connection, "/users", User)

    def get(self, user: str) -> User:
        answer = self._connection.call("GET", path("users", user))
        return User.of(answer.data, answer.etag)

    def create(self, user: str, password: str, *, operator: bool = False) -> User:
        """Operators only."""
        body = {"name": user, "password": password} | ({"operator": True} if operator else {})
        answer = self._connection.call("POST", "/users", body=body)
        return User.of(answer.data, answer.etag)

    def set_operator(self, user: str, operator: bool, *, if_match: str = "") -> User:
        """Give or take an operator's power. Operators only."""
        body = {"operator": operator}
        answer = self._connection.call("PATCH", path("users", user), body=body, if_match=if_match)
        return User.of(answer.data, answer.etag)

    def set_password(self, user: str, password: str, *, old_password: str | None = None) -> None:
        """Change a password: one's own with the old one, anybody's as an operator."""
        body = {"password": password} | ({} if old_password is None else {"old_password": old_password})
        # Not repeated when the reply is lost: if it was done, the credentials of a second try would be wrong.
        self._connection.call("PUT", path("users", user, "password"), body=body, once=True)

    def delete(self, user: str, *, if_match: str = "") -> None:
        """With their keys and memberships. Operators only."""
        self._connection.call("DELETE", path("users", user), if_match=if_match)


@dataclass(frozen=True, kw_only=True)
class SshKey(Shape):
    """An SSH public key that opens consoles as its user; `project` and `role` None: whatever the user has."""

    id: str
    user: str
    fingerprint: str
    public_key: str
    project: str | None = None
    role: str | None = None
    description: str = ""
    created_at: datetime
    expires_at: datetime | None = None


class SshKeys:
    """`client.ssh_keys`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, user: str = "") -> Iterator[SshKey]:
        """One's own, or for operators anybody's."""
        return pages(self._connection, "/ssh-keys", SshKey, {"user": user} if user else None)

    def add(self, public_key: str, description: str = "") -> SshKey:
        """Register a line of an `id_….pub` file; it may do what the present credential may, and ends with it."""
        body = {"public_key": public_key.strip()} | ({"description": description} if description else {})
        return SshKey.of(self._connection.call("POST", "/ssh-keys", body=body).data)

    def delete(self, id: str) -> None:
        """Forget a key; consoles that it opened end within minutes."""
        self._connection.call("DELETE", path("ssh-keys", id))


class Keys:
    """`client.keys`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[Key]:
        """One's own."""
        return pages(self._connection, "/keys", Key)

    def create(
        self,
        description: str = "",
        *,
        project: str | None = None,
        role: str | None = None,
        expires_in: int | None = None,
        operator: bool = False,
    ) -> Key:
        """Make a key that acts as oneself, at most with `role` in `project`, for `expires_in` seconds.

        The answer holds the token: keep it, it is not shown again.
        """
        facts: dict[str, JSON] = {
            "description": description or None,
            "project": project,
            "role": role,
            "expires_in": expires_in,
            "operator": operator or None,
        }
        body = {key: value for key, value in facts.items() if value is not None}
        return Key.of(self._connection.call("POST", "/keys", body=body).data)

    def delete(self, id: str) -> None:
        """Revoke a key; it is dead at once."""
        self._connection.call("DELETE", path("keys", id))
