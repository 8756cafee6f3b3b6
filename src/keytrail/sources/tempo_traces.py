"""A trace as Tempo gives it by its id: protobuf, since its JSON is only mostly OTLP's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.trace.v1 import trace_pb2

from keytrail.sources.source import CannotAnswer
from keytrail.sources.spans import AuditSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keytrail.sources.address import Address

_PARTIAL: Final = 1


class TempoTrace(NamedTuple):
    """The spans of one trace."""

    spans: tuple[AuditSpan, ...]
    partial: bool
    """Some are missing."""


def read_trace(content: bytes, address: Address, *, tells_status: bool) -> TempoTrace:
    """Return the trace in the answer of ``/api/v2/traces``, or of ``/api/traces``, the bare trace.

    Raises:
        CannotAnswer: it is something else.
    """
    try:
        if not tells_status:
            bare = trace_pb2.TracesData.FromString(content)
            return TempoTrace(tuple(_spans(bare.resource_spans)), partial=False)
        answer = _ANSWER.FromString(content)
    except DecodeError:
        raise CannotAnswer(
            f"{address} answered something else than Tempo does\n"
            "hint: is this the address of its query API?"
        ) from None
    return TempoTrace(tuple(_spans(answer.trace.resource_spans)), answer.status == _PARTIAL)


def _answer_type() -> Any:
    """Return tempopb's TraceByIDResponse, as far as it is read here."""
    traces = trace_pb2.DESCRIPTOR
    file = descriptor_pb2.FileDescriptorProto(
        name="keytrail/tempo.proto", package="keytrail", syntax="proto3", dependency=[traces.name]
    )
    message = file.message_type.add(name="TraceByIDResponse")
    kinds = descriptor_pb2.FieldDescriptorProto
    message.field.add(
        name="trace",
        number=1,
        type=kinds.TYPE_MESSAGE,
        label=kinds.LABEL_OPTIONAL,
        type_name=".opentelemetry.proto.trace.v1.TracesData",
    )
    message.field.add(name="status", number=3, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("keytrail.TraceByIDResponse"))


_ANSWER: Final = _answer_type()


def _spans(resources: Iterable[Any]) -> Iterator[AuditSpan]:
    for resource in resources:
        service = _attributes(resource.resource.attributes).get("service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield AuditSpan(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_span_id=span.parent_span_id.hex() or None,
                    start=span.start_time_unix_nano,
                    duration=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    service=service,
                    attributes=_attributes(span.attributes),
                )


def _attributes(attributes: Iterable[Any]) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return None if kind is None else getattr(value, kind)
