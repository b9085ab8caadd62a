"""What the routes of webhooks take and give, as JSON."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from comfypipe.service.times import iso
from comfypipe.service.webhooks.attempts import Attempt
from comfypipe.service.webhooks.outbox import Event
from comfypipe.service.webhooks.secrets import OVERLAP_S, SecretRecord
from comfypipe.service.webhooks.urls import DisabledUrl

_LONGEST_OVERLAP_S = 30 * 24 * 3600
_MAX_URL = 4096

State = Literal["pending", "delivered", "failed", "disabled"]


def _whole(value: Any) -> Any:
    """Return a number as JSON Schema has it: 60.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Rotation(BaseModel):
    """How a new secret takes the place of those before it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    overlap_s: Annotated[int, BeforeValidator(_whole)] = Field(
        default=OVERLAP_S, ge=0, le=_LONGEST_OVERLAP_S, description="How long those before it go on signing, too."
    )


class UrlChange(BaseModel):
    """Which URL is meant."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=_MAX_URL)


class SecretShape(BaseModel):
    """A secret, without what is secret about it."""

    id: str
    created_at: str
    expires_at: str | None = Field(description="When it stops signing; null for the newest one.")

    @classmethod
    def of(cls, record: SecretRecord) -> "SecretShape":
        """Return a record's."""
        return cls(id=record.id, created_at=iso(record.created_ms), expires_at=iso(record.expires_ms))


class NewSecretShape(SecretShape):
    """A secret, told once."""

    secret: str = Field(description="What deliveries are verified with: `whsec_…`. It is shown here and nowhere else.")


class EventShape(BaseModel):
    """Something that a receiver is told."""

    id: str = Field(description="The header `webhook-id` of every attempt.")
    event: str
    run_id: str
    url: str
    state: State
    tries: int = Field(description="Attempts since it was made, or replayed.")
    created_at: str
    next_at: str | None = Field(description="When it is attempted next.")
    ended_at: str | None

    @classmethod
    def of(cls, event: Event) -> "EventShape":
        """Return an event's."""
        return cls.model_validate(_event(event))


class AttemptShape(BaseModel):
    """One try at telling a receiver."""

    started_at: str
    duration_ms: int
    status: int | None = Field(description="What it answered; null when it did not.")
    error: str | None = Field(description="Why it does not count as delivered; null when it does.")

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptShape":
        """Return an attempt's."""
        started_at = iso(attempt.started_ms)
        return cls(started_at=started_at, duration_ms=attempt.duration_ms, status=attempt.status, error=attempt.error)


class EventDetailsShape(EventShape):
    """Something that a receiver is told, and every try at it."""

    attempts: list[AttemptShape]

    @classmethod
    def with_attempts(cls, event: Event, made: list[Attempt]) -> "EventDetailsShape":
        """Return an event's with its attempts', oldest first."""
        return cls.model_validate(_event(event) | {"attempts": [AttemptShape.of(each) for each in made]})


class DisabledUrlShape(BaseModel):
    """A URL that gets nothing."""

    url: str
    reason: Literal["gone", "by-hand"] = Field(description="`gone`: it answered 410.")
    disabled_at: str

    @classmethod
    def of(cls, found: DisabledUrl) -> "DisabledUrlShape":
        """Return a URL's."""
        return cls.model_validate({"url": found.url, "reason": found.reason, "disabled_at": iso(found.disabled_ms)})


def _event(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "event": event.event,
        "run_id": event.run_id,
        "url": event.url,
        "state": event.state,
        "tries": event.tries,
        "created_at": iso(event.created_ms),
        "next_at": iso(event.next_ms),
        "ended_at": iso(event.ended_ms),
    }
