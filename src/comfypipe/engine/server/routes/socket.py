"""``/ws``: where clients are told what happens."""

import asyncio
import json
from uuid import uuid4

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from comfypipe.engine.server.access import state_of
from comfypipe.engine.server.hub import Client, text_frame
from comfypipe.engine.server.state import FEATURES, ServerState


async def connect(socket: WebSocket) -> None:
    """Tell a client what happens to its prompts, until it goes."""
    state = state_of(socket)
    client = Client(socket.query_params.get("clientId") or uuid4().hex, socket)
    _greet(state, client)
    state.hub.connect(client)  # before it is told that it is connected: it misses nothing of what it submits then
    try:
        await socket.accept()
        await _talk(socket, client)
    finally:
        state.hub.disconnect(client)


async def _talk(socket: WebSocket, client: Client) -> None:
    sending = asyncio.ensure_future(client.send_all())
    receiving = asyncio.ensure_future(_receive(socket, client))
    try:
        await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)


def _greet(state: ServerState, client: Client) -> None:
    client.put(text_frame("status", {"status": state.status(), "sid": client.client_id}))
    node_id = state.executing_for(client.client_id)
    if node_id is not None:  # it was here before, and its prompt still runs
        client.put(text_frame("executing", {"node": node_id}))


async def _receive(socket: WebSocket, client: Client) -> None:
    """Read what the client sends; only its first message, ``feature_flags``, means something."""
    try:
        _first_message(client, await _read(socket))
        while True:
            await _read(socket)
    except WebSocketDisconnect:
        return


async def _read(socket: WebSocket) -> object:
    frame = await socket.receive()
    if frame["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(frame.get("code", 1000))
    return frame.get("text")


def _first_message(client: Client, text: object) -> None:
    try:
        message = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return
    if isinstance(message, dict) and message.get("type") == "feature_flags":
        flags = message.get("data")
        client.wants_preview_metadata = isinstance(flags, dict) and bool(flags.get("supports_preview_metadata"))
        client.put(text_frame("feature_flags", FEATURES))


ROUTES = (WebSocketRoute("/ws", connect),)
