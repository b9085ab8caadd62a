"""A fleet at work: every method of a backend, by way of the server that a run is on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.backends.base import OnProgress, OutputFile, RunHandle, RunResult, RunStatus, Submission
from comfypipe.backends.comfyui.costs import LearnedCosts
from comfypipe.backends.comfyui.dispatcher import Dispatcher, Item, nobody_up
from comfypipe.backends.comfyui.following import FollowedRun
from comfypipe.backends.comfyui.health import FleetTiming, ServerState, poison_of
from comfypipe.backends.comfyui.member import Member, Server
from comfypipe.backends.comfyui.needs import needs_of
from comfypipe.backends.comfyui.offer import union
from comfypipe.backends.comfyui.recovery import Recovery
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import (
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ComfypipeError,
    PromptInvalid,
    ServerStateLost,
    SubmissionUnknown,
    UsageError,
)
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.prompt.validate import validate

_KEPT_RUNS = 1000  # of the runs that ended and that nobody has waited for yet
_BREATH_S = 1.0  # before a server is asked again that broke off and answers


class OpenFleet:
    """What a fleet is within a running event loop: its members, its line, and the runs that are followed."""

    def __init__(self, servers: Sequence[Server], timing: FleetTiming, probe: Callable[[], JSONObject]) -> None:
        now = asyncio.get_running_loop().time()
        self.members = tuple(Member(each, held_since=now) for each in servers)
        self._costs = LearnedCosts()
        self._dispatcher = Dispatcher(self.members, timing, self._costs, self._impossible)
        self.recovery = Recovery(timing, self._dispatcher.wake, probe)
        self._timing = timing
        self._ended: dict[str, FollowedRun] = {}
        self._suspects: dict[str, Member] = {}
        self._learning = asyncio.Lock()

    def member(self, name: str) -> Member:
        found = self._named(name)
        if found is None:
            names = [each.name for each in self.members]
            hint = did_you_mean(name, names) or f"its servers are {', '.join(names)}"
            raise UsageError(f'the fleet has no server "{name}"', hint=hint)
        return found

    async def close(self) -> None:
        self._dispatcher.close()
        recoveries = [each.recovery for each in self.members if each.recovery is not None]
        for task in recoveries:
            task.cancel()
        await asyncio.gather(*recoveries, return_exceptions=True)
        runs = [run for member in self.members for run in member.runs.values()]
        await asyncio.gather(*(run.stop() for run in runs))

    # What there is

    async def offer(self, *, fresh: bool) -> ObjectInfo | None:
        await self._learn(fresh=fresh)
        if not any(each.known for each in self.members):
            raise nobody_up(self.members)
        infos = [each.info for each in self.members if each.info is not None]
        return union(infos) if infos else None

    async def _learn(self, *, fresh: bool = False) -> None:
        """Ask the servers what they offer, where that is not known yet, or is to be known as it is now."""
        if not fresh and all(each.known or not each.up for each in self.members):
            return
        async with self._learning:
            unknown = [each for each in self.members if each.up and (fresh or not each.known)]
            await asyncio.gather(*(self._ask_offer(each, fresh=fresh) for each in unknown))

    async def _ask_offer(self, member: Member, *, fresh: bool) -> None:
        try:
            member.learn(await member.backend.object_info(fresh=fresh))
        except BackendError as error:
            self._fault(member, error)

    def _impossible(self, item: Item) -> ComfypipeError:
        """Return why no server can run a prompt: what each lacks."""
        wanting = {each.name: each.missing(item.needs) for each in self.members if each.missing(item.needs)}
        closest = min(
            (each for each in self.members if each.info is not None), key=lambda e: len(e.missing(item.needs))
        )
        found = validate(PromptGraph.parse(item.submission.prompt), closest.info or ObjectInfo({}))
        lines = [f"{name} lacks {', '.join(missing)}" for name, missing in wanting.items()]
        return PromptInvalid(
            "no server of the fleet has everything that the prompt needs:\n  " + "\n  ".join(lines),
            error=found.error,
            node_errors=found.node_errors(),
            hint="put what is missing onto one of them",
        )

    # Submitting

    async def submit(self, submission: Submission) -> RunHandle:
        needs = needs_of(PromptGraph.parse(submission.prompt))
        await self._learn()
        suspect = self._suspects.get(submission.prompt_id)
        item = Item(submission, needs, asyncio.get_running_loop().time(), suspect)
        while True:
            member, cold = await self._dispatcher.place(item)
            handle = await self._send(member, item, cold=cold)
            if handle is not None:
                return handle

    async def _send(self, member: Member, item: Item, *, cold: bool) -> RunHandle | None:
        """Send it; None when it has to go elsewhere."""
        prompt_id = item.submission.prompt_id
        try:
            handle = await member.backend.submit(item.submission)
        except SubmissionUnknown:
            self._suspects[prompt_id] = member
            raise
        except PromptInvalid:
            if await self._has_all(member, item):
                raise
            return None
        except (BackendRejected, UsageError):
            raise
        except BackendError as error:
            self._fault(member, error)
            item.failures.append(error)
            if len(item.failures) > 2 * len(self.members):
                raise
            return None
        else:
            suspect = self._suspects.pop(prompt_id, None)
            if suspect not in (None, member):  # silent for too long, but should it come back with it after all
                suspect.abandoned.append(prompt_id)
            member.heard()
            now = asyncio.get_running_loop().time()
            return self._follow(member, FollowedRun(handle, now, item.needs.models, cold=cold)).handle
        finally:
            member.posting -= 1
            self._dispatcher.wake()

    async def _has_all(self, member: Member, item: Item) -> bool:
        """Whether a server that refused a prompt has what it needs: a model may have been deleted meanwhile."""
        await self._ask_offer(member, fresh=True)
        return member.up and not member.missing(item.needs)

    # Following

    def _follow(self, member: Member, run: FollowedRun) -> FollowedRun:
        run.handle = replace(run.handle, server=member.name, accelerator=member.server.accelerator)
        member.runs[run.handle.prompt_id] = run
        run.start(lambda each: self._watch(member, each))
        return run

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None) -> RunResult:
        run = self._run_of(handle.prompt_id) or await self._join(handle)
        self._ended.pop(handle.prompt_id, None)
        return await run.outcome(on_progress)

    def _run_of(self, prompt_id: str) -> FollowedRun | None:
        running = (each.runs[prompt_id] for each in self.members if prompt_id in each.runs)
        return next(running, None) or self._ended.get(prompt_id)

    async def _join(self, handle: RunHandle) -> FollowedRun:
        """Follow a run of an earlier process."""
        member = self._named(handle.server)
        if member is None:
            found = await self.find(handle.prompt_id)
            member = self._named(found.server) if found is not None else None
        if member is None:
            raise ServerStateLost(
                f"no server of the fleet knows the run {handle.prompt_id}",
                hint=f"it went to {handle.server}, which is no longer one of them" if handle.server else None,
            )
        return self._run_of(handle.prompt_id) or self._follow(member, FollowedRun(handle, None))

    async def _watch(self, member: Member, run: FollowedRun) -> RunResult | ComfypipeError:
        try:
            return await self._until_end(member, run)
        finally:
            prompt_id = run.handle.prompt_id
            member.runs.pop(prompt_id, None)
            if not run.claimed:
                self._ended[prompt_id] = run
                if len(self._ended) > _KEPT_RUNS:
                    del self._ended[next(iter(self._ended))]
            self._dispatcher.wake()

    async def _until_end(self, member: Member, run: FollowedRun) -> RunResult | ComfypipeError:
        while True:
            try:
                result = await run.until_end(member.backend.wait(run.handle, run.tell))
            except ServerStateLost as error:
                if run.forsaken is not None:
                    await self.recovery.withdraw(member, run.handle.prompt_id)
                else:
                    member.forget_models(asyncio.get_running_loop().time())
                return error
            except BackendUnavailable as error:
                lost = await self._look_into(member, run, error)
                if lost is not None:
                    return lost
            except ComfypipeError as error:
                return error
            else:
                return self._judge(member, run, result)

    def _judge(self, member: Member, run: FollowedRun, result: RunResult) -> RunResult | ComfypipeError:
        """Say what an end means for the server, and whether the server is what the run failed of."""
        member.heard()
        victim = member.health.poisoned
        poison = poison_of(result.error)
        if run.submitted is None:
            poison = None  # how long ago that was, nobody knows
        elif poison is not None:
            self.recovery.quarantine(member, poison, poisoned=True)
        elif result.status is RunStatus.COMPLETED:
            self._note_completed(member, run, run.submitted)
        if poison is not None and victim:
            return ServerStateLost(f"{member.name} failed the run, for {poison}", hint="it is tried elsewhere")
        return replace(result, files=tuple(replace(each, server=member.name) for each in result.files))

    def _note_completed(self, member: Member, run: FollowedRun, submitted: float) -> None:
        now = asyncio.get_running_loop().time()
        self._costs.observe(run.models, now - max(submitted, member.last_end), cold=run.cold)
        member.last_end = now
        if member.health.state is ServerState.QUARANTINED and not member.health.poisoned:
            self.recovery.readmit(member)  # better than any probe

    async def _look_into(self, member: Member, run: FollowedRun, error: BackendUnavailable) -> ComfypipeError | None:
        """Find out why a run cannot be waited for; None when it can be again."""
        try:
            found = await member.backend.find(run.handle.prompt_id)
        except BackendError as failure:
            self._fault(member, failure)
            if await self.recovery.answers_again(member):
                return None
            return await self._lost(member, run)
        member.heard()
        if found is None:
            return ServerStateLost(f"{member.name} does not know the run {run.handle.prompt_id} any more")
        if error.__cause__ is not None:  # a connection broke; what executes nothing is found out with none broken
            await asyncio.sleep(_BREATH_S)
            return None
        self._stalled(member, error)
        await self.recovery.withdraw(member, run.handle.prompt_id)
        return run.forsaken

    async def _lost(self, member: Member, run: FollowedRun) -> ServerStateLost:
        member.abandoned.append(run.handle.prompt_id)
        return ServerStateLost(
            f"{member.name} has not answered for {self._timing.lost_s:g} s, and its runs count as lost",
            hint="they are tried elsewhere; what it may still run is cancelled when it is back",
            began=run.began,
        )

    def _stalled(self, member: Member, error: BackendUnavailable) -> None:
        """Take all its runs off a server that executes nothing."""
        self.recovery.quarantine(member, error.message)
        for run in list(member.runs.values()):
            reason = f"{member.name} was given up: {error.message}"
            run.forsake(ServerStateLost(reason, hint=error.hint, began=run.began))

    def _fault(self, member: Member, error: BackendError) -> None:
        self.recovery.quarantine(member, error.message, silent=isinstance(error, BackendUnavailable))

    # By server

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        run = self._run_of(prompt_id)
        if run is not None:
            return run.handle
        first = self._suspects.get(prompt_id) or self._named(server)
        if first is not None and (handle := await self._find_on(first, prompt_id)) is not None:
            return handle
        others = [each for each in self.members if each is not first]
        found = await asyncio.gather(*(self._find_on(each, prompt_id) for each in others))
        return next((each for each in found if each is not None), None)

    async def _find_on(self, member: Member, prompt_id: str) -> RunHandle | None:
        while prompt_id not in member.abandoned:
            try:
                handle = await member.backend.find(prompt_id)
            except BackendUnavailable as error:
                self._fault(member, error)
                if not await self.recovery.answers_again(member):
                    return None
            else:
                member.heard()
                return replace(handle, server=member.name) if handle is not None else None
        return None

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        member = self._named(output.server)
        if member is None:
            raise BackendRejected(
                f"{output.filename} lies on {output.server or 'an unknown server'}, which is none of the fleet",
                hint="add the server to the settings again, or run it anew",
            )
        await member.backend.fetch(output, destination)

    async def cancel(self, handle: RunHandle) -> None:
        member = self._named(handle.server)
        if member is None:
            found = await self.find(handle.prompt_id)
            member = self._named(found.server) if found is not None else None
        if member is not None:
            await member.backend.cancel(handle)

    def _named(self, name: str | None) -> Member | None:
        return next((each for each in self.members if each.name == name), None)
