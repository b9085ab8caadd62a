"""A pause in a flow until somebody has looked at pictures and says, in a typed form, which of them go on."""

from collections.abc import Sequence
from typing import Annotated

from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from pydantic import Field

from comfypipe.errors import InputInvalid, RunCancelled
from comfypipe.execution.records import Output
from comfypipe.orchestration.artifacts import link_to


class Approval(RunInput):
    """What is asked for when a flow run is resumed."""

    approved: bool = Field(default=True, description="Go on with these pictures.")
    leave_out: list[Annotated[int, Field(ge=1)]] = Field(
        default_factory=list, description="Numbers of the pictures to leave out, from 1."
    )


async def approval(pictures: Sequence[Output], *, timeout_s: int = 86_400, every_s: int = 5) -> list[Output]:
    """
    Pause the flow run until it is resumed, and return the pictures that were not left out.

    Args:
        timeout_s: The flow run fails when nobody has answered by then.
        every_s: How often Prefect's server is asked for an answer.

    Raises:
        RunCancelled: They were turned down.
        InputInvalid: No picture would be left, or there is none with such a number.
    """
    listed = "\n".join(f"{number}. {link_to(picture)}" for number, picture in enumerate(pictures, 1))
    form = Approval.with_initial_data(description=f"Go on with these pictures?\n\n{listed}")
    answer: Approval = await apause_flow_run(wait_for_input=form, timeout=timeout_s, poll_interval=every_s)
    return kept(pictures, answer)


def kept(pictures: Sequence[Output], answer: Approval) -> list[Output]:
    """Return the pictures that an answer leaves; raises what `approval` raises."""
    if not answer.approved:
        raise RunCancelled("the pictures were turned down")
    if unknown := [number for number in answer.leave_out if number > len(pictures)]:
        raise InputInvalid(f"there is no picture {unknown[0]}", hint=f"there are {len(pictures)}")
    left = [picture for number, picture in enumerate(pictures, 1) if number not in answer.leave_out]
    if not left:
        raise InputInvalid("every picture is left out", hint="to stop here, do not approve")
    return left
