"""What stands for a value that is not there, and what is said when it is used."""

from functools import partial
from typing import Any

from jinja2.exceptions import UndefinedError
from jinja2.runtime import StrictUndefined
from jinja2.utils import missing


class UndefinedName(UndefinedError):
    """
    Something that is not there was used.

    Attributes:
        name: The variable, attribute or key.
        owner: What was asked for it, or Jinja's ``missing`` for a variable.
    """

    def __init__(self, name: str | None, owner: Any, message: str | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.owner = owner


class Undefined(StrictUndefined):
    """What Jinja puts in place of an undefined value; using it says what is missing, and where."""

    __slots__ = ()

    def __init__(
        self, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: Any = UndefinedError
    ) -> None:
        make: Any = partial(UndefinedName, name, obj) if exc is UndefinedError else exc
        super().__init__(hint, obj, name, make)
