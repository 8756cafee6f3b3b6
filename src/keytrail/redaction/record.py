"""A record of Python's ``logging`` with the secrets taken out, as a copy."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.redaction import exception

if TYPE_CHECKING:
    from keytrail.redaction.redactor import Redactor

_STRUCTURE: Final = frozenset(
    {
        *("created", "filename", "funcName", "levelname", "levelno", "lineno", "module", "msecs"),
        *("name", "pathname", "process", "relativeCreated", "thread"),
    }
)
"""What ``logging`` itself fills, never with a text of the application's."""
_SHOWN: Final = frozenset({"args", "exc_info", "exc_text", "msg", "stack_info"})
_PLAIN: Final = (str, bytes, int, float, type(None))


def redacted(
    record: logging.LogRecord, redactor: Redactor, trace_id: int | None
) -> logging.LogRecord:
    """Return ``record``, or a redacted copy of it.

    The copy's ``args`` are of the same length, and mappings have the same names, so that formatters
    that take them apart go on working; its message is what the redacted message is.
    """
    redaction = _Redaction(redactor, trace_id)
    if redaction.finds_nothing_in(record):
        return record
    result = copy.copy(record)
    redaction.message(result)
    redaction.exception(result)
    redaction.fields(result)
    return result if _differs(record, result) else record


def withheld(record: logging.LogRecord) -> logging.LogRecord:
    """Return what may pass where redaction failed: where and when, and no text."""
    passed = {name: value for name, value in vars(record).items() if name in _STRUCTURE}
    return logging.makeLogRecord({**passed, "msg": semconv.REDACTED})


def _differs(before: logging.LogRecord, after: logging.LogRecord) -> bool:
    return any(vars(after).get(name) is not value for name, value in vars(before).items())


class _Redaction:
    """The redaction of one record."""

    def __init__(self, redactor: Redactor, trace_id: int | None) -> None:
        self._redactor = redactor
        self._trace_id = trace_id

    def finds_nothing_in(self, record: logging.LogRecord) -> bool:
        """Tell in one search whether a record is clean, as almost all are."""
        try:
            texts = _texts(record)
        except Exception:  # noqa: BLE001 - what cannot be formatted is looked at part by part
            return False
        return self._redactor.attributes(texts, self._trace_id) is texts

    def message(self, record: logging.LogRecord) -> None:
        """Redact the message as a whole, and each of its arguments."""
        if not record.args:
            record.msg = self._value(record.msg)
            return
        record.args = self._arguments(record.args)
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - logging will tell of it, with message and arguments
            self._unformatted(record)
            return
        passed = self._text(message)
        if passed != message:
            record.args = _without(record.args, message, passed)
            record.msg = _saying(passed, record.args)

    def _unformatted(self, record: logging.LogRecord) -> None:
        record.msg = f"{self._text(str(record.msg))} (its arguments do not fit: {semconv.REDACTED})"
        record.args = None

    def _arguments(self, given: Any) -> Any:
        if isinstance(given, Mapping):
            return _named_arguments(given, self)
        passed = tuple([self._value(one) for one in given])
        return given if all(a is b for a, b in zip(given, passed, strict=True)) else passed

    def exception(self, record: logging.LogRecord) -> None:
        """Redact the exception, its chain, and its text."""
        record.exc_text = record.exc_text and self._text(record.exc_text)
        record.stack_info = record.stack_info and self._text(record.stack_info)
        if not isinstance(record.exc_info, tuple) or record.exc_info[1] is None:
            return
        told = exception.text(record.exc_info[1])
        passed = self._text(told)
        if passed != told:
            record.exc_text = passed
            record.exc_info = exception.stand_in(record.exc_info[1], self._text)

    def fields(self, record: logging.LogRecord) -> None:
        """Redact what the application added, by name and by value."""
        for name, value in vars(record).items():
            if name not in _STRUCTURE and name not in _SHOWN:
                vars(record)[name] = self.named(name, value)

    def named(self, name: str, value: Any) -> Any:
        """Return what may pass of a value that stands under ``name``."""
        passed = self._redactor.attributes({name: value}, self._trace_id)
        if name not in passed:
            return semconv.REDACTED
        return self._shown(value) if passed[name] is value else _alike(value, passed[name])

    def _value(self, value: Any) -> Any:
        return self._text(value) if isinstance(value, str) else self.named("value", value)

    def _shown(self, value: Any) -> Any:
        """Return ``value``, or its texts where one of them holds a secret."""
        if isinstance(value, _PLAIN):
            return value
        texts = (str(value), repr(value))
        passed = tuple([self._text(text) for text in texts])
        return value if passed == texts else _Shown(*passed)

    def _text(self, text: str) -> str:
        return self._redactor.text(text, self._trace_id)


def _alike(given: Any, passed: Any) -> Any:
    """Return ``passed`` with lists where ``given`` has them: redaction makes tuples of them."""
    if isinstance(given, list) and isinstance(passed, tuple):
        return [_alike(*pair) for pair in zip(given, passed, strict=True)]
    if isinstance(given, Mapping) and isinstance(passed, dict):
        pairs = zip(given.values(), passed.items(), strict=False)
        return {name: _alike(before, after) for before, (name, after) in pairs}
    return passed


def _texts(record: logging.LogRecord) -> dict[str, Any]:
    """Return everything that a formatter may show of ``record``, by name where it has one."""
    texts = {name: value for name, value in vars(record).items() if name not in _STRUCTURE}
    if isinstance(record.args, Mapping):
        texts.update({_header_in(str(name)): value for name, value in record.args.items()})
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        texts["exc_info"] = exception.text(record.exc_info[1])
    texts["message"] = record.getMessage()
    return texts


def _saying(message: str, args: Any) -> str:
    """Return a format that gives ``message`` whatever the arguments are, and takes them all."""
    taken = 0 if isinstance(args, Mapping) else len(args)
    return message.replace("%", "%%") + "%.0s" * taken


def _without(args: Any, message: str, passed: str) -> Any:
    """Return ``args`` without those that only the redacted message lacks: secret by its words."""

    def kept(argument: Any) -> Any:
        shown = str(argument)
        return semconv.REDACTED if shown in message and shown not in passed else argument

    if isinstance(args, dict):
        args.update({name: kept(argument) for name, argument in args.items()})
        return args
    return tuple([kept(argument) for argument in args])


class _Shown:
    """Stands for an object whose text held a secret."""

    __slots__ = ("_as_repr", "_as_str")

    def __init__(self, as_str: str, as_repr: str) -> None:
        self._as_str = as_str
        self._as_repr = as_repr

    def __str__(self) -> str:
        return self._as_str

    def __repr__(self) -> str:
        return self._as_repr


class _NamedArguments(dict[str, Any]):
    """Redacted arguments by name; what only the original mapping can look up is looked up there."""

    def __init__(self, passed: Mapping[str, Any], given: Mapping[str, Any], by: _Redaction) -> None:
        super().__init__(passed)
        self._given = given
        self._by = by

    def __missing__(self, name: str) -> Any:
        return self._by.named(_header_in(name), self._given[name])

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _named_arguments(given: Mapping[str, Any], by: _Redaction) -> _NamedArguments:
    passed = {name: by.named(_header_in(str(name)), value) for name, value in given.items()}
    return _NamedArguments(passed, given, by)


def _header_in(name: str) -> str:
    """Return the header that ``{x-api-key}i`` names in gunicorn's access log."""
    return name[1:-2] if name[:1] == "{" and name[-2:-1] == "}" else name
