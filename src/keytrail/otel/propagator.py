"""The propagator: stock server instrumentations hand it each request before they start a span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from keytrail import faults
from keytrail.otel.incoming import request_of, without_incoming

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from keytrail.otel.audit import Audit


class KeytrailPropagator(TextMapPropagator):
    """Wraps another propagator and leaves the facts of the incoming request in the Context.

    What is injected downstream, and what is extracted by the wrapped propagator, is unchanged.
    """

    def __init__(self, inner: TextMapPropagator, audit: Audit) -> None:
        self.inner = inner
        self._audit = audit

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Extract as the wrapped propagator does, then read the request's keys."""
        extracted = self.inner.extract(carrier, context, getter=getter)
        try:
            incoming = request_of(self._audit, carrier)
            return without_incoming(extracted) if incoming is None else incoming.into(extracted)
        except Exception as error:  # noqa: BLE001 - the request goes on without facts
            faults.report("propagator", error)
            return without_incoming(extracted)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Inject as the wrapped propagator does."""
        self.inner.inject(carrier, context=context, setter=setter)

    @property
    def fields(self) -> set[str]:
        """The wrapped propagator's fields."""
        return self.inner.fields
