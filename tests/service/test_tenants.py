"""Two tenants at every endpoint: what is one's is not the other's, and the other cannot tell that it is there."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.service.client import client_of
from tests.service.tenants import Operation, Tenants, make_key, operations, two_tenants

from comfypipe.service.app import create_app
from comfypipe.service.keys.format import new_key
from comfypipe.service.principal import SCOPES
from comfypipe.service.settings import ServiceSettings

# The document is the list: an endpoint that is added is tested, or fails here for want of an id or a body.
OPERATIONS = operations(create_app(ServiceSettings(Path("unused"))).openapi())

PUBLIC = {
    "GET /api/v1/uploads/{owner}/{position}/{signature}/{filename}",
    "GET /api/v1/outputs/{owner}/{position}/{signature}/{filename}",
    "GET /api/v1/thumbnails/{owner}/{position}/{signature}/{filename}",
    "GET /api/v1/features",
    "GET /health",
    "GET /ready",
}
"""What needs no key: files under URLs that nobody can make up, and what tells nothing of anybody."""

OWN_NAMES = {
    "PUT /api/v1/workflows/{workflow_id}",
    "POST /api/v1/workflows/{workflow_id}/runs",
    "PUT /api/v1/files/{filename}",
}
"""What makes something under a name that each tenant has for itself: two may use the same one."""

PROTECTED = [each for each in OPERATIONS if str(each) not in PUBLIC]
WITH_IDS = [each for each in PROTECTED if each.names and str(each) not in OWN_NAMES]
LISTS = [each for each in PROTECTED if each.method == "GET" and not each.names]
UNKNOWN = {"workflow_id": "nobodys", "run_id": "V1StGXR8_Z5jdHi6B-myT", "secret_id": "whs_0", "webhook_id": "msg_0"}


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """Serve two tenants that the tests of this module share."""
    with two_tenants(tmp_path_factory.mktemp("service")) as found:
        yield found


def test_only_what_is_meant_to_be_public_needs_no_key() -> None:
    """An endpoint without security in the document is one of those that were thought about."""
    assert PUBLIC == {str(each) for each in OPERATIONS if each.scopes is None}
    assert {str(each) for each in OPERATIONS} >= OWN_NAMES


@pytest.mark.parametrize("operation", PROTECTED, ids=str)
def test_every_endpoint_asks_for_a_key(tenants: Tenants, operation: Operation) -> None:
    """Without a key, with what is none, and with one that does not exist: 401 in the API's shape."""
    with httpx.Client(trust_env=False) as stranger:
        for key in (None, "Basic YTpi", "Bearer", "Bearer cpk_canary", f"Bearer {new_key()[0]}", "Bearer \xe9"):
            headers = {} if key is None else {b"Authorization": key.encode("latin-1")}
            path = operation.path.format(**tenants.ids)
            reply = stranger.request(operation.method, f"{tenants.url}{path}", headers=headers)
            if reply.status_code == 429:  # this address has tried many by now
                assert "rate-limited" == reply.json()["error"]
                continue
            assert (401, {"error", "message"}, "Bearer") == (
                reply.status_code,
                set(reply.json()),
                reply.headers["www-authenticate"],
            )
            assert "canary" not in reply.text


@pytest.mark.parametrize("operation", PROTECTED, ids=str)
def test_every_endpoint_asks_for_its_scope(tenants: Tenants, operation: Operation) -> None:
    """A key that may do everything else is answered 403, whatever it asks for."""
    assert operation.scopes
    before = tenants.everything_of_anna()
    key = make_key(tenants.settings, "anna", SCOPES - set(operation.scopes))
    with client_of(tenants.url, key) as client:
        reply = tenants.ask(client, operation)
    assert (403, "forbidden") == (reply.status_code, reply.json()["error"])
    assert before == tenants.everything_of_anna()


@pytest.mark.parametrize("operation", WITH_IDS, ids=str)
def test_anothers_id_answers_as_an_unknown_one(tenants: Tenants, operation: Operation) -> None:
    """Status, headers and body are the same for what is Anna's as for what is nobody's, and nothing of hers changes."""
    before = tenants.everything_of_anna()
    unknown = tenants.ask(tenants.ben, operation, **{name: UNKNOWN[name] for name in operation.names})
    found = tenants.ask(tenants.ben, operation)
    assert (404, "not-found") == (found.status_code, found.json()["error"])
    assert unknown.json() == found.json()
    assert _told(unknown) == _told(found)
    assert before == tenants.everything_of_anna()


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_lists_hold_nothing_of_others(tenants: Tenants, operation: Operation) -> None:
    """What Anna has does not stand in Ben's lists, nor do her ids in any part of them."""
    assert tenants.ask(tenants.anna, operation).json()
    listed = tenants.ask(tenants.ben, operation)
    assert 200 == listed.status_code
    for name in ("run_id", "secret_id", "webhook_id"):
        assert tenants.ids[name] not in listed.text
    assert [] == [each for each in listed.json() if each.get("user_id", "ben") != "ben"]


@pytest.mark.parametrize("operation", [each for each in PROTECTED if str(each) in OWN_NAMES], ids=str)
def test_equal_names_are_each_ones_own(tmp_path: Path, operation: Operation) -> None:
    """Under a name that Anna uses, Ben makes something of his own; hers stays as it is."""
    with two_tenants(tmp_path) as tenants:
        before = tenants.everything_of_anna()
        made = tenants.ask(tenants.ben, operation)
        assert made.status_code in (200, 201), made.text
        assert before == tenants.everything_of_anna()


def test_a_run_of_anothers_workflow_id_is_not_found(tenants: Tenants) -> None:
    """The right run under a wrong workflow, and the wrong run under the right one, are both unknown."""
    run = f"/workflows/bens/runs/{tenants.ids['run_id']}"
    assert 404 == tenants.anna.http.get(run).status_code
    assert 404 == tenants.ben.http.get(run).status_code


def _told(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name != "date"}
