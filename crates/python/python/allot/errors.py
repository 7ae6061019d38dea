"""The exceptions of the package; :class:`AllotError` is their base."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


class AllotWarning(UserWarning):
    """Warns that a result may not be what the user expects."""


@dataclass(frozen=True)
class Diagnostic:
    """A message about a script, with the place in its text.

    Attributes
    ----------
    severity : str
        ``"error"`` or ``"warning"``.
    code : str
        A stable name for the kind of mistake; ``allot explain CODE`` explains it.
    message : str
        What is wrong, in one sentence.
    start, end : int
        The place in the text, in bytes of UTF-8.
    line, column : int
        The line and the column of the place, from 1.
    help : tuple of str
        Hints about what to do.
    """

    severity: str
    code: str
    message: str
    start: int
    end: int
    line: int
    column: int
    help: tuple[str, ...] = field(default=())

    @classmethod
    def _of(cls, data: dict[str, Any]) -> "Diagnostic":
        place = data["labels"][0] if data["labels"] else {"start": 0, "end": 0, "line": 1, "column": 1}
        return cls(
            severity=data["severity"],
            code=data["code"],
            message=data["message"],
            start=place["start"],
            end=place["end"],
            line=place["line"],
            column=place["column"],
            help=tuple(data["help"]),
        )


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    """Reads diagnostics from JSON, as the extension and ``allot check --format json`` write them."""
    return tuple(Diagnostic._of(it) for it in json.loads(text))


class AllotError(Exception):
    """Raised when something cannot be done.

    Attributes
    ----------
    message : str
        What is wrong.
    help : tuple of str
        Hints about what to do, one line each.
    diagnostics : tuple of Diagnostic
        The errors of a script, with their places in its text; empty for other failures.
    """

    def __init__(self, message: str, help: tuple[str, ...] = (), diagnostics: tuple[Diagnostic, ...] = ()):
        super().__init__(message, help, diagnostics)
        self.message = message
        self.help = help
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        lines = [self.message.rstrip()]
        for found in self.diagnostics:
            lines.append(f"{found.line}:{found.column}: {found.severity}[{found.code}]: {found.message}")
            lines += [f"  = help: {line}" for line in found.help]
        return "\n".join([*lines, *(f"  = help: {line}" for line in self.help)])


class ScriptError(AllotError):
    """Raised when a script has errors, or has no value on a model."""


class ArgumentError(AllotError, ValueError):
    """Raised when arguments cannot be used, or contradict each other."""


class AnswerError(AllotError, ValueError):
    """Raised when a search refuses losses: they are not numbers, too few or too many, told before, or belong to an unknown task."""


def from_failure(text: str) -> AllotError:
    """Returns the exception of a failure as commands print it with ``--format json``."""
    failure = json.loads(text)
    kinds = {"script": ScriptError, "usage": ArgumentError}
    found = tuple(Diagnostic._of(it) for it in failure.get("diagnostics", ()))
    return kinds.get(failure["kind"], AllotError)(failure["message"], tuple(failure["help"]), found)
