"""The gate before every route."""

from typing import Any

import pytest

from controller.access.roles import ROLES
from controller.api.routes import ROUTES
from tests.controller.access.test_roles import SECOND


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def address(path: str) -> str:
    return "http://controller" + path.replace("{name}", "nanjing")


@pytest.mark.parametrize("route", [r for r in ROUTES if r.role != "anyone"], ids=lambda r: r.path)
@pytest.mark.parametrize(
    "header", ["Bearer isoa.00000000.x", "Bearer ", "Bearer é", "Basic eDp5", "isoa.x.y", ""]
)
async def test_no_endpoint_answers_without_a_credential(
    controller: Any, route: Any, header: str
) -> None:
    async with controller.session.request(
        route.method, address(route.path), headers={"Authorization": header}
    ) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert (await answer.json())["error"]["message"]["zh"]


async def test_unknown_addresses_tell_strangers_nothing(controller: Any) -> None:
    for method, path in (("GET", "/api/v1/nothing"), ("PUT", "/api/v1/sites")):
        async with controller.session.request(method, address(path), headers=bearer("x")) as answer:
            assert answer.status == 401


@pytest.mark.parametrize("role", ROLES)
async def test_token_opens_what_its_role_may_do(controller: Any, role: Any) -> None:
    token = controller.services.access.create_api_token(role, "someone", None)
    for route in ROUTES:
        if route.method != "GET" or route.role == "anyone" or route.websocket:
            continue
        async with controller.session.get(address(route.path), headers=bearer(token)) as answer:
            allowed = route.role != "agent" and ROLES.index(route.role) <= ROLES.index(role)
            assert (answer.status == 403) == (not allowed), route.path
            assert answer.status != 401


async def test_token_of_any_role_delivers_no_chunks(controller: Any) -> None:
    token = controller.services.access.create_api_token("admin", "someone", None)
    where = address("/api/v1/agents/{name}/chunks")
    async with controller.session.post(where, headers=bearer(token), data=b"") as answer:
        assert answer.status == 403
        assert (await answer.json())["error"]["code"] == "foreign_agent"


async def test_token_ends_when_it_expires_or_is_revoked(controller: Any, clock: Any) -> None:
    access = controller.services.access
    token = access.create_api_token("viewer", "x", clock.now_ns + 60 * SECOND)

    async def code() -> str:
        where = address("/api/v1/health")
        async with controller.session.get(where, headers=bearer(token)) as answer:
            return "" if answer.status == 200 else (await answer.json())["error"]["code"]

    assert await code() == ""
    clock.now_ns += 60 * SECOND
    assert await code() == "expired_token"
    clock.now_ns -= 60 * SECOND
    assert access.revoke_token(access.tokens()[0].id)
    assert await code() == "revoked_token"
    assert not access.revoke_token(access.tokens()[0].id)


async def test_open_websocket_ends_with_its_token(controller: Any) -> None:
    access = controller.services.access
    token = access.create_api_token("viewer", "x", None)
    async with controller.session.ws_connect(
        address("/api/v1/events"), headers=bearer(token)
    ) as socket:
        await socket.receive_json()
        assert controller.services.gate.close_ended() == 0
        access.revoke_token(access.tokens()[0].id)
        assert controller.services.gate.close_ended() == 1
        assert (await socket.receive()).type.name in ("CLOSE", "CLOSED", "ERROR")


async def test_changes_are_audited_with_their_result_and_readings_are_not(controller: Any) -> None:
    access = controller.services.access
    token = access.create_api_token("viewer", "curious", None)
    await controller.get("/api/v1/health")
    for headers in (bearer(token), bearer("isoa.x.y"), {}):
        async with controller.session.post(
            address("/api/v1/baselines"), json={}, headers=headers
        ) as answer:
            await answer.read()
    page = await controller.get("/api/v1/audit?limit=2")
    assert [(item["actor"].split(" ")[0], item["result"]) for item in page["items"]] == [
        ("owner", "400 bad_body"),
        ("token", "403 forbidden"),
    ]
    rest = await controller.get(f"/api/v1/audit?after={page['next']}")
    assert [(item["actor"], item["action"]) for item in rest["items"]] == [("controller", "start")]
    assert rest["next"] is None
