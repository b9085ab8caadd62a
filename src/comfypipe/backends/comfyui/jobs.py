"""``/api/jobs``, which newer servers (about 0.38) have: one question tells all of a prompt, one request ends it."""

import httpx

from comfypipe.backends.http import HttpServer


class JobsApi:
    """
    The jobs of a server, where it has them; whether it does is found out when it matters for the first time.

    Args:
        http: The server.
    """

    def __init__(self, http: HttpServer) -> None:
        self._http = http
        self._there: bool | None = None

    async def is_there(self) -> bool:
        """
        Return whether the server has it; of others, 0.3.64 among them, all of its paths are unknown.

        Raises:
            BackendError: It cannot be asked.
        """
        if self._there is None:
            reply = await self._http.request("GET", "/api/jobs", params={"limit": "1"})
            listed = reply.body.get("jobs") if isinstance(reply.body, dict) else None
            self._there = reply.status == httpx.codes.OK and isinstance(listed, list)
        return self._there

    async def has(self, prompt_id: str) -> bool:
        """
        Return whether the server knows a prompt, waiting, running or ended: all at one moment.

        Raises:
            BackendError: It cannot be asked.
        """
        reply = await self._http.request("GET", f"/api/jobs/{prompt_id}")
        return reply.status == httpx.codes.OK and isinstance(reply.body, dict) and reply.body.get("id") == prompt_id

    async def cancel(self, prompt_id: str) -> bool:
        """
        Take a prompt out of the queue, or interrupt it, whichever it is; return whether that was done.

        Raises:
            BackendError: It cannot be asked.
        """
        reply = await self._http.request("POST", f"/api/jobs/{prompt_id}/cancel", repeatable=True)
        return reply.status == httpx.codes.OK and isinstance(reply.body, dict) and reply.body.get("cancelled") is True

    def forget(self) -> None:
        """Ask again: the server may be another one now."""
        self._there = None
