"""The search server goes and comes back, in the middle of whatever is being done: nothing is lost, nothing is answered
that is not so, and what was done twice changes nothing. On a real Milvus server, ended as a power cut would."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import vectorstore
from core.collection.backup import back_up, restore
from core.collection.dataset import Dataset
from core.embedding import embedder as embedders
from core.embedding import mirror_keeper as under_test
from core.embedding.mirror import Mirror, identity, mirror_of
from core.embedding.mirror_keeper import Keeper, run_reconcile
from core.embedding.references import LargeGallery
from core.ground.errors import SearchAway, ServerGone
from core.ground.workspace import Workspace
from tests.chromium import free_port
from tests.core.embedding.test_sources import SPACE, Base, D
from tests.killing import Say, killed
from tests.milvus import Milvus

ROOT = Path(__file__).resolve().parents[3]
# Of two processes that ask a Milvus server, one would wait for the other all the while.
pytestmark = pytest.mark.xdist_group("milvus")


@pytest.fixture
def base(milvus: Milvus, workspace: Workspace) -> Iterator[Base]:
    made = Base(workspace, "server", milvus.url)
    yield made
    assert made._mirror is not None
    until(lambda: made._mirror.collection.drop() or True, 200)
    made._mirror.collection.close()


def until(holds, limit_s: float) -> None:
    """Wait until ``holds`` is true and raises no `SearchAway`."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            if holds():
                return
        except SearchAway:
            pass
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.5)


def agree(base: Base) -> None:
    """What the server holds is what the catalogue has: ids, classes and versions."""
    assert base._mirror is not None
    with base.dataset.catalogue.read() as connection:
        ours = vectorstore.labels_between(connection, SPACE, 0, 10_000)
    assert base._mirror.collection.window(0, 10_000) == ours


@pytest.mark.slow
def test_a_server_that_is_killed_during_a_thousand_changes_holds_them_all_in_the_end(
    base: Base, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "_WAIT_AWAY_S", 1.0)
    mirror, ids = base._mirror, np.arange(1, 601)
    assert mirror is not None
    base.add(ids, base.unit(600))
    keeper = Keeper(lambda: mirror).start()
    rng = np.random.default_rng(1)
    try:
        until(lambda: mirror.at > 0, 120)
        for change in range(334):  # of three items each
            if change == 100:
                milvus.kill()
            if change == 233:
                threading.Thread(target=milvus.start, daemon=True).start()  # slow to start, and not waited for
            some = rng.choice(ids, 3, replace=False)
            if change % 3:
                base.change(some, class_id=int(rng.integers(1, 9)))
            else:
                base.change(some, state=("trash", "present")[int(change % 2)])
            if change == 166:
                with pytest.raises(SearchAway, match=r"away|compared|still to be taken in"):
                    base.gallery().nearest(base.unit(1)[0], 5)
        version = base.dataset.version
        until(lambda: mirror.at >= version and mirror._up_to_date(), 240)
        agree(base)
        base.agrees(base.unit(1))
    finally:
        keeper.stop()
    found = mirror.reconcile()
    assert found.count == 0 and found.compared == len(base.dataset.vectors(SPACE)[0])
    mirror._put(version=0)  # everything is replayed once more
    assert mirror.follow() > 0
    agree(base)
    assert mirror.reconcile().count == 0


def test_a_worker_that_is_killed_in_the_middle_is_followed_by_another(base: Base, milvus: Milvus) -> None:
    mirror = base._mirror
    assert mirror is not None
    base.add(np.arange(1, 1201), base.unit(1200))
    script = f"""
import os
from core.collection.dataset import Dataset
from core.embedding import mirror
from core.ground.workspace import Workspace
mirror.BATCH = 100
made = mirror.Mirror(Dataset(Workspace({str(base.workspace.root)!r})), {SPACE!r}, {D}, url={milvus.url!r})
put, count = made.collection.put, [0]
def dying(rows):
    count[0] += 1
    if count[0] == 2:
        rows = rows.only(rows.ids < rows.ids[len(rows) // 2])
        put(rows)
        os._exit(9)
    put(rows)
made.collection.put = dying
made.follow()
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=120).returncode == 9
    with pytest.raises(SearchAway, match="being filled"):
        base.gallery().nearest(base.unit(1)[0], 5)
    assert mirror.follow() == 0  # the dead one's lease holds for a minute
    with base.dataset.catalogue.write(quiet=True) as connection:
        connection.execute(sa.delete(db.meta).where(db.meta.c.key.startswith("lease:")))
    assert mirror.follow() == 800  # it goes on after what was written down as done
    agree(base)
    base.agrees(base.unit(1))


class Made:
    """What stands in for an encoder: whoever asks for one looks through `SPACE`."""

    space, dimension = SPACE, D


def churn(say: Say, root: str, url: str, seed: int) -> None:
    """The child: labels change, the server loses some behind everybody's back, and the job compares and repairs."""
    workspace, rng = Workspace(root), np.random.default_rng(seed)
    base = Base.__new__(Base)
    base.dataset = Dataset(workspace)
    embedders.load_embedder = lambda *_, **__: Made()  # type: ignore[assignment, return-value]
    mirror = mirror_of(base.dataset, Made())  # type: ignore[arg-type]
    assert mirror is not None
    while True:
        base.change(rng.choice(np.arange(1, 301), 20, replace=False), class_id=int(rng.integers(1, 9)))
        if mirror.position is not None:
            mirror.collection.delete(rng.choice(np.arange(1, 301), 5, replace=False).tolist())
        with base.dataset.catalogue.write(quiet=True) as connection:  # of whoever was killed before
            connection.execute(sa.delete(db.meta).where(db.meta.c.key.startswith("lease:")))
        say("try", base.dataset.version)
        found = run_reconcile(workspace, {}, lambda *_: None, lambda: False)  # type: ignore[arg-type]
        say("ok", found)


def test_a_comparison_that_is_killed_is_done_again_and_loses_nothing(
    base: Base, milvus: Milvus, tmp_path: Path
) -> None:
    """BURIN_KILLS sets how many times (3 here)."""
    rng = random.Random(7)
    base.add(np.arange(1, 301), base.unit(300))
    base.workspace.save_config(base.workspace.config().with_(index_url=milvus.url))
    for number in range(int(os.environ.get("BURIN_KILLS", "3"))):
        said = killed(
            "tests.core.embedding.test_mirror:churn", str(base.workspace.root), milvus.url, number,
            said=tmp_path / "said", lines_first=1, word="try", after_s=rng.uniform(0, 1.5),
        )  # fmt: skip
        assert said and not [why for word, why in said if word == "bad"], said
        with base.dataset.catalogue.read() as connection:
            before = vectorstore.labels_between(connection, SPACE, 0, 10_000)
        with base.dataset.catalogue.write(quiet=True) as connection:
            connection.execute(sa.delete(db.meta).where(db.meta.c.key.startswith("lease:")))
        assert base._mirror is not None
        base._mirror.reconcile()
        agree(base)
        assert base._mirror.reconcile().count == 0
        with base.dataset.catalogue.read() as connection:
            assert vectorstore.labels_between(connection, SPACE, 0, 10_000) == before and len(before) == 300
        print(number, len(said), flush=True)
    base.agrees(base.unit(1))


def test_what_was_done_behind_its_back_is_found_and_repaired(base: Base) -> None:
    mirror = base._mirror
    assert mirror is not None
    base.add(np.arange(1, 301), base.unit(300))
    base.follow()
    with base.dataset.catalogue.read() as connection:
        rows = vectorstore.references(connection, SPACE, range(1, 301))
    mirror.collection.delete([3, 4, 5])
    stale = rows.only(rows.ids == 10)
    mirror.collection.put(type(rows)(stale.ids, stale.class_ids + 1, stale.kinds, stale.versions, stale.vectors))
    mirror.collection.put(type(rows)(stale.ids + 900, stale.class_ids, stale.kinds, stale.versions, stale.vectors))
    found = mirror.reconcile()
    assert (found.lacking, found.stale, found.extra, found.compared) == (3, 1, 1, 300)
    assert sum(found.classes.values()) == 5
    agree(base)
    assert mirror.reconcile().count == 0


def test_a_collection_that_is_gone_is_made_and_filled_again(base: Base) -> None:
    mirror = base._mirror
    assert mirror is not None
    base.add(np.arange(1, 101), base.unit(100))
    base.follow()
    mirror.collection.drop()
    with pytest.raises(SearchAway):
        base.gallery().nearest(base.unit(1)[0], 5)
    base.change(np.arange(1, 3), class_id=2)
    base.follow()
    agree(base)
    base.agrees(base.unit(1))


def test_its_recall_is_measured_and_a_graph_that_misses_too_many_is_refused(
    base: Base, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.add(np.arange(1, 601), base.unit(600))
    mirror = Mirror(base.dataset, SPACE, D, url=milvus.url, graph=True)
    try:
        mirror.follow()
        with pytest.raises(SearchAway, match="not measured"):
            assert mirror.at
        found = mirror.measure()
        assert found is not None and found.asked == 200 and found.held >= 0.99
        gallery = LargeGallery(base.dataset, SPACE, mirror)
        assert len(gallery.nearest(base.unit(1)[0], 10)[0]) == 10
        mirror._put(recall={**mirror.position.recall, "by_class": 0.5})  # type: ignore[union-attr]
        with pytest.raises(SearchAway, match="miss some"):
            gallery.nearest(base.unit(1)[0], 10)
    finally:
        mirror.collection.drop()
        mirror.collection.close()


def test_however_long_a_start_takes_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start of three minutes is 36 questions at one in five seconds."""
    monkeypatch.setattr(under_test, "_WAIT_S", 0.001)
    monkeypatch.setattr(under_test, "_WAIT_AWAY_S", 0.001)
    asked, there = [0], threading.Event()

    class Starting:
        def keep(self, should_stop: object) -> int:
            asked[0] += 1
            if asked[0] <= 36:
                raise ServerGone("Search cannot answer now: the search server is away (since {when}).", when="then")
            there.set()
            return 0

        def look(self) -> None:
            pass

    keeper = Keeper(lambda: Starting()).start()  # type: ignore[arg-type, return-value]
    try:
        assert there.wait(30) and asked[0] > 36
    finally:
        keeper.stop()


def test_a_server_that_goes_while_nothing_changes_and_nobody_searches_is_noticed(
    drawn_workspace: Workspace, fake_embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset(drawn_workspace)
    nowhere = f"http://127.0.0.1:{free_port()}"
    mirror = Mirror(dataset, fake_embedder.space, fake_embedder.dimension, url=nowhere)
    mirror._put(
        version=dataset.version, recall={"asked": 1, "whole": 1.0, "by_class": 1.0, "by_kind": 1.0, "lowest": 1.0}
    )
    assert mirror.keep() == 0 and mirror.at == dataset.version  # nothing to bring over: it is not asked
    monkeypatch.setattr(under_test, "_LOOK_S", 0.0)
    keeper = Keeper(lambda: mirror).start()
    try:
        until(lambda: mirror.position is not None and mirror.position.doubted, 30)
    finally:
        keeper.stop()
    with pytest.raises(ServerGone, match="is away"):
        assert mirror.at
    with pytest.raises(ServerGone):
        mirror.look()


def test_a_copy_of_a_workspace_has_a_collection_of_its_own(drawn_workspace: Workspace, tmp_path: Path) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    own = identity(dataset)
    assert own == identity(Dataset(drawn_workspace))
    back_up(dataset, tmp_path / "backup.zip")
    restore(tmp_path / "backup.zip", Workspace(tmp_path / "there"))
    copy = Dataset(Workspace(tmp_path / "there"))
    assert copy.catalogue.get("identity") == dataset.catalogue.get("identity") != "" and identity(copy) != own
