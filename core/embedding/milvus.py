"""A Milvus server as a `Source`: one collection for a workspace and a space, label and kind beside each vector.

Everything that pymilvus is asked, it is asked here, and whatever goes wrong there is one `SearchAway`. What the
collection should hold is `core.embedding.mirror`'s.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from core.catalogue.vectorstore import Rows
from core.embedding.candidates import ALL, Among
from core.ground.errors import SearchAway, ServerGone
from core.ground.extras import need_milvus

if TYPE_CHECKING:
    from pymilvus import MilvusClient

TOKEN = "BURIN_INDEX_TOKEN"  # noqa: S105  # the variable that holds the server's token ("user:password" too)
WAIT_S = 10.0  # for one answer
BATCH = 500  # rows of one upsert: 0.5 MB of 256 dimensions
WINDOW = 10_000  # ids compared at once: a query answers with no more than 16,384 rows
GRAPH = {"M": 16, "efConstruction": 200}
EF = 64  # of a graph nobody has measured yet

_away_since: dict[str, float] = {}  # url -> when it was first found away, in this process
T = TypeVar("T")


class Collection:
    """The collection ``name`` on the server at ``url``, of vectors (D,) with ``dimension`` D, compared one by one or,
    with ``graph``, through HNSW. Nothing is asked before a method is called; a server that went and came back is
    found again. Raises `ExtrasMissing` without pymilvus, and `SearchAway` from every method."""

    def __init__(self, url: str, name: str, dimension: int, *, graph: bool = False) -> None:
        need_milvus()
        self.url, self.name, self.dimension, self.graph = url, name, dimension, graph
        self._client: MilvusClient | None = None
        self._turn = threading.Lock()

    def exists(self) -> bool:
        return self._ask(lambda client: client.has_collection(self.name, timeout=WAIT_S))

    def create(self) -> None:
        """Make it, empty and ready to be searched."""
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dimension)
        schema.add_field("class_id", DataType.INT64)  # an ordinary field: labels change
        schema.add_field("kind", DataType.VARCHAR, max_length=16)
        schema.add_field("ver", DataType.INT64)
        index = MilvusClient.prepare_index_params()
        kind: dict[str, Any] = {"index_type": "HNSW", "params": GRAPH} if self.graph else {"index_type": "FLAT"}
        index.add_index(field_name="vector", metric_type="IP", **kind)
        self._ask(lambda client: client.create_collection(self.name, schema=schema, index_params=index, timeout=60))

    def load(self) -> None:
        """Have it searchable again, after the server was started anew."""
        self._ask(lambda client: client.load_collection(self.name, timeout=60))

    def drop(self) -> None:
        self._ask(lambda client: client.drop_collection(self.name, timeout=WAIT_S))

    def others(self, prefix: str) -> list[str]:
        """The names of the other collections that begin so."""
        names = self._ask(lambda client: client.list_collections(timeout=WAIT_S))
        return [name for name in names if name.startswith(prefix) and name != self.name]

    def put(self, rows: Rows) -> None:
        """Add these references, in place of those with the same ids."""
        names = ("id", "vector", "class_id", "kind", "ver")
        columns = rows.ids.tolist(), rows.vectors, rows.class_ids.tolist(), rows.kinds.tolist(), rows.versions.tolist()
        data = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        for start in range(0, len(data), BATCH):
            some = data[start : start + BATCH]
            self._ask(partial(self._upsert, some))

    def delete(self, item_ids: Sequence[int]) -> None:
        """Remove these, those that are there."""
        for start in range(0, len(item_ids), BATCH):
            some = [int(item_id) for item_id in item_ids[start : start + BATCH]]
            self._ask(partial(self._remove, some))

    def count(self) -> int:
        """How many references it holds."""
        asked: dict[str, Any] = {"output_fields": ["count(*)"], "consistency_level": "Strong", "timeout": WAIT_S}
        (row,) = self._ask(lambda client: client.query(self.name, filter="id >= 0", **asked))
        return int(row["count(*)"])

    def window(self, start: int, end: int | None = None) -> dict[int, tuple[int, int]]:
        """Item id -> class id and version, of ids from ``start`` to before ``end`` (at most `WINDOW` apart; None: some
        of all that follow)."""
        terms = f"id >= {start}" + ("" if end is None else f" and id < {end}")
        asked: dict[str, Any] = {"limit": WINDOW, "consistency_level": "Strong", "timeout": 60}
        asked["output_fields"] = ["id", "class_id", "ver"]
        rows = self._ask(lambda client: client.query(self.name, filter=terms, **asked))
        return {int(row["id"]): (int(row["class_id"]), int(row["ver"])) for row in rows}

    def search(
        self, query: np.ndarray, k: int, among: Among = ALL, *, fresh: bool = True, ef: int = EF
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `core.embedding.candidates.Source.search`. ``fresh``: everything written so far is seen, however short
        ago; else what is at most some seconds old may be missing. ``ef``: candidates that a graph looks at."""
        return self.search_all(query[None], k, among, fresh=fresh, ef=ef)[0]

    def search_all(
        self, queries: np.ndarray, k: int, among: Among = ALL, *, fresh: bool = True, ef: int = EF
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `search`, for each of ``queries`` (Q, D), asked at once."""
        none = np.empty(0, np.int64), np.empty(0, np.float32)
        if among.class_ids == () or among.kinds == ():
            return [none] * len(queries)
        asked: dict[str, Any] = {"consistency_level": "Strong" if fresh else "Bounded", "timeout": WAIT_S}
        asked["search_params"] = {"metric_type": "IP", "params": {"ef": max(ef, k)} if self.graph else {}}
        data = queries.astype(np.float32).tolist()
        found = self._ask(lambda client: client.search(self.name, data=data, filter=_terms(among), limit=k, **asked))
        return [
            (
                np.array([hit["id"] for hit in hits], np.int64),
                np.array([hit["distance"] for hit in hits], np.float32),
            )
            for hits in found
        ] or [none] * len(queries)

    def _upsert(self, rows: list[dict[str, Any]], client: MilvusClient) -> None:
        client.upsert(self.name, rows, timeout=WAIT_S)

    def _remove(self, item_ids: list[int], client: MilvusClient) -> None:
        client.delete(self.name, ids=item_ids, timeout=WAIT_S)

    def close(self) -> None:
        with self._turn:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _ask(self, question: Callable[[Any], T]) -> T:
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            with self._turn:
                if self._client is None:
                    self._client = _connect(self.url)
                client = self._client
            answer = question(client)
        except (MilvusException, grpc.RpcError, OSError) as error:
            self.close()
            raise _sentence(self.url, error) from error
        _away_since.pop(self.url, None)
        return answer


def reach_index(url: str) -> str:
    """What answers at this address, as "Milvus 2.6.1". Raises `SearchAway` where nothing does, or the token is refused,
    and `ExtrasMissing`."""
    need_milvus()
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        client = _connect(url)
        try:
            return f"Milvus {client.get_server_version(timeout=WAIT_S)}".replace(" v", " ")
        finally:
            client.close()
    except (MilvusException, grpc.RpcError, OSError) as error:
        if (refused := _refused(error)) is not None:
            raise refused from error
        raise SearchAway("Nothing answers at this address ({why}).", why=_why(error)) from error


def _connect(url: str) -> MilvusClient:
    from pymilvus import MilvusClient

    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what it cannot do is raised, and said by us
    return MilvusClient(uri=url, token=os.environ.get(TOKEN, ""), timeout=WAIT_S)


def _sentence(url: str, error: Exception) -> SearchAway:
    import grpc
    from pymilvus.exceptions import MilvusException

    if (refused := _refused(error)) is not None:
        return refused
    said = getattr(error, "message", str(error))
    gone = isinstance(error, OSError | grpc.RpcError) or "connect" in said.lower() or "unavailable" in said.lower()
    if isinstance(error, MilvusException) and not gone and "deadline" not in said.lower():
        return SearchAway("Search cannot answer now: the search server says “{why}”.", why=said[:200])
    since = _away_since.setdefault(url, time.time())
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    return ServerGone("Search cannot answer now: the search server is away (since {when}).", when=when)


def _refused(error: Exception) -> SearchAway | None:
    """That the server is there and does not know us, which pymilvus calls a server that is not to be reached."""
    import grpc

    refusals = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
    if any(one.code() in refusals for one in _calls(error)):
        return SearchAway(
            "Search cannot answer now: the search server refuses the token in the variable {name} ({why}).",
            name=TOKEN, why=_why(error),
        )  # fmt: skip
    return None


def _why(error: Exception) -> str:
    """The last and plainest part of what is said of an error: "Connection refused"."""
    said = [call.details() or "" for call in _calls(error)] or [getattr(error, "message", str(error))]
    return said[0].rpartition(": ")[2].strip("[] ")[:200]


def _calls(error: BaseException | None) -> list[Any]:
    """The failed calls behind an error."""
    import grpc

    found: list[Any] = []
    for _ in range(8):  # some are behind themselves
        if isinstance(error, grpc.Call):
            found.append(error)
        error = None if error is None else error.__cause__ or error.__context__
    return found


def _terms(among: Among) -> str:
    parts = []
    if among.class_ids is not None:
        parts.append(f"class_id in {list(map(int, among.class_ids))}")
    if among.but:
        parts.append(f"class_id not in {list(map(int, among.but))}")
    if among.kinds is not None:
        parts.append(f"kind in {json.dumps(list(among.kinds))}")
    return " and ".join(parts)
