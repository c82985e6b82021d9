"""How Redfish says no: an error object with messages that programs can tell apart (DSP0266, "Error responses").

Messages of the Base registry where one fits; where HIL has a reason that Redfish has no word for, a message of a
registry of HIL's own carries it, with the very words that v1 would say. Nothing from inside ever stands in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hil.core.errors import BadArgument, Denied, HilError, NotFound, Unauthenticated, ValidationError

Message = dict[str, Any]
BASE: Final = "Base.1.8"
_WORDS: Final = {
    "AccessDenied": ("The credentials of this request are not accepted.", "Critical", "Send other credentials."),
    "ActionParameterMissing": ("The action {0} needs the parameter {1}.", "Critical", "Send the parameter."),
    "ActionParameterNotSupported": ("The action {1} has no parameter {0}.", "Warning", "Leave the parameter out."),
    "ActionParameterValueFormatError": (
        "The value of the parameter {0} of the action {1} has the wrong form.",
        "Warning",
        "Correct the value.",
    ),
    "ActionParameterValueNotInList": (
        "The value {0} of the parameter {1} of the action {2} is none of those that are allowed.",
        "Warning",
        "Choose one of the allowable values.",
    ),
    "InsufficientPrivilege": ("The caller may not do this.", "Critical", "Ask with more privileges."),
    "InternalError": ("The request failed inside the service.", "Critical", "Give the request id to an operator."),
    "MalformedJSON": ("The request body is no JSON object.", "Critical", "Correct the body."),
    "NoValidSession": ("This needs credentials.", "Critical", "Log in, or use HTTP Basic."),
    "OperationNotAllowed": ("This resource does not have that method.", "Critical", "Read the Allow header."),
    "PreconditionFailed": ("The resource is not as the request supposes.", "Critical", "Read it again."),
    "PropertyMissing": ("The property {0} is required.", "Warning", "Send the property."),
    "PropertyNotWritable": ("The property {0} cannot be written.", "Warning", "Leave the property out."),
    "PropertyUnknown": ("There is no property {0} here.", "Warning", "Leave the property out."),
    "PropertyValueNotInList": (
        "The value {0} of the property {1} is none of those that are allowed.",
        "Warning",
        "Choose one of the allowable values.",
    ),
    "PropertyValueTypeError": ("The value of the property {0} has the wrong type.", "Warning", "Correct the value."),
    "QueryParameterNotSupported": ("A query parameter is not supported.", "Warning", "Leave it out."),
    "ResourceMissingAtURI": ("There is no resource at the URI {0}.", "Critical", "Read the collection."),
}


class Refusal(Exception):
    """An answer of Redfish's own that no error of HIL stands for. `status` is HTTP's."""

    def __init__(self, status: int, key: str, *args: str, at: Sequence[str] = ()) -> None:
        super().__init__(key)
        self.status, self.shown = status, message(key, *args, at=at)


class Elsewhere(Denied):
    """The node is not the caller's: told exactly as a node that does not exist, and noted as the denial that it is."""


def message(key: str, *args: str, at: Sequence[str] = ()) -> Message:
    """A message of the Base registry; `at` names the properties that it is about."""
    text, severity, resolution = _WORDS[key]
    shown = _shown(f"{BASE}.{key}", text.format(*args), severity, resolution, args)
    return shown | ({"RelatedProperties": [f"#/{name}" for name in at]} if at else {})


def _shown(identity: str, text: str, severity: str, resolution: str, args: Sequence[str] = ()) -> Message:
    return {
        "@odata.type": "#Message.v1_1_1.Message",
        "MessageId": identity,
        "Message": text,
        "MessageArgs": list(args),
        "Severity": severity,
        "MessageSeverity": severity,
        "Resolution": resolution,
    }


def told(value: Any) -> str:
    """A value from a request as a message may repeat it."""
    return value[:64] if isinstance(value, str) else "of that type"


def of_error(error: HilError, path: str) -> tuple[int, Message]:
    """The status and the message for an error of HIL."""
    match error:
        case Elsewhere() | NotFound():
            return 404, message("ResourceMissingAtURI", path)
        case Unauthenticated():
            return 401, message("NoValidSession")
        case Denied():
            return 403, message("InsufficientPrivilege")
        case ValidationError() | BadArgument():
            pass
    if error.status == 412:
        return 412, message("PreconditionFailed")
    key = "".join(word.capitalize() for word in error.type.split("-"))
    resolution = "Try again later." if error.retry else "Read the message."
    return error.status, _shown(f"HIL.1.0.{key}", error.message, "Critical", resolution)


def document(shown: Message) -> dict[str, Any]:
    """The error object."""
    return {
        "error": {
            "code": shown["MessageId"],
            "message": shown["Message"],
            "@Message.ExtendedInfo": [shown],
        }
    }
