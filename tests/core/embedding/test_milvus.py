"""What is said of a search server that does not let us in, of an address with none, and of one that went away."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.embedding.milvus import TOKEN, Collection, reach_index
from core.ground.errors import SearchAway, ServerGone
from tests.chromium import free_port

pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install '.[scale]'")
grpc = pytest.importorskip("grpc")

WHY = "auth check failure, please check username and password are correct"  # what Milvus 2.3.5 says


class _Refusing:
    """Answers every call as a Milvus with a login does to a wrong token."""

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda _, call: call.abort(grpc.StatusCode.UNAUTHENTICATED, WHY))


@pytest.fixture
def refusing() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None)


def test_a_token_that_is_refused_is_said_and_is_no_server_that_is_away(
    refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "root:wrong")
    for ask in (lambda: reach_index(refusing), Collection(refusing, "x", 8).exists):
        with pytest.raises(SearchAway, match=rf"refuses the token in the variable {TOKEN} \({WHY}\)") as caught:
            ask()
        assert not isinstance(caught.value, ServerGone)


def test_an_address_that_is_tried_is_not_said_to_be_away_since_now() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SearchAway, match=r"^Nothing answers at this address \(Connection refused\)\.$"):
        reach_index(url)
    with pytest.raises(SearchAway, match="Nothing answers at this address \\(Domain name not found\\)"):
        reach_index("http://nowhere.invalid:19530")
    with pytest.raises(ServerGone, match=r"is away \(since "):
        Collection(url, "x", 8).exists()
