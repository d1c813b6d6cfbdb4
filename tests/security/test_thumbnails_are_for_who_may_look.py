"""Promise: of an image a small picture of our own encoding is served, by its content, to whoever may see the pages."""

from __future__ import annotations

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.collection.dataset import Dataset
from core.ground.images import decode
from core.ground.workspace import ENVIRONMENT
from pages.server.thumbnails import LARGE, ROUTES, address, address_of, large_address
from pages.ui import people


@pytest.fixture
def shown(drawn_workspace, monkeypatch):
    """A client of the route, and the first item of a workspace."""
    monkeypatch.setenv(ENVIRONMENT, str(drawn_workspace.root))
    monkeypatch.setattr(people, "login_wanted", lambda: False)
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    return TestClient(Starlette(routes=ROUTES)), dataset.items(limit=1)[0], dataset


def test_a_thumbnail_is_made_once_kept_by_the_browser_and_never_the_original(shown):
    client, item, dataset = shown
    given = client.get(address_of(item))
    assert (given.status_code, given.headers["content-type"]) == (200, "image/webp")
    assert given.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert given.content != dataset.image_bytes(item) and max(decode(given.content).size) <= 192
    again = client.get(address_of(item), headers={"if-none-match": given.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(address(item.sha256)).content == given.content, "by its content alone, once it is made"


@pytest.mark.parametrize(
    "path",
    [
        "/thumbnail/1/{other}.webp",
        "/thumbnail/999/{other}.webp",
        "/thumbnail/0/{own}.webp",
        "/thumbnail/1/..%2f..%2fcatalogue.sqlite.webp",
        "/thumbnail/1/%2e%2e.webp",
        "/thumbnail/x/{own}.webp",
        "/thumbnail/1/{upper}.webp",
        "/thumbnail/99999999999999999999999999/{other}.webp",
        "/large/1/{other}.webp",
        "/large/0/{own}.webp",
        "/large/1/%2e%2e.webp",
        "/large/99999999999999999999999999/{other}.webp",
    ],
)
def test_what_is_no_address_of_ours_is_not_found(shown, path):
    client, item, _dataset = shown
    names = {"own": item.sha256, "other": "0" * 64, "upper": item.sha256.upper()}
    assert client.get(path.format(**names)).status_code == 404


def test_the_larger_picture_is_ours_too_and_stays_within_its_size(shown):
    client, _item, dataset = shown
    path = dataset.workspace.raw / "circle" / "large.png"
    Image.new("L", (LARGE + 200, 300), 90).save(path)
    dataset.rescan()
    item = next(item for item in dataset.items(limit=None) if item.path.endswith("large.png"))
    given = client.get(large_address(item))
    assert (given.status_code, given.headers["content-type"]) == (200, "image/webp")
    assert max(decode(given.content).size) == LARGE and given.content != dataset.image_bytes(item)
    again = client.get(large_address(item), headers={"if-none-match": given.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_deleted_for_good_is_shown_no_more(shown):
    client, item, dataset = shown
    assert all(client.get(path).status_code == 200 for path in (address(item.sha256, item.id), large_address(item)))
    dataset.trash([item.id])
    dataset.discard([item.id])
    assert all(client.get(path).status_code == 404 for path in (address(item.sha256, item.id), large_address(item)))


def test_an_image_whose_file_was_taken_away_has_no_address(shown):
    _client, item, dataset = shown
    dataset.path(item).unlink()
    assert address_of(item) == ""


def test_nothing_is_shown_before_signing_in(shown, monkeypatch):
    client, item, _dataset = shown
    monkeypatch.setattr(people, "login_wanted", lambda: True)
    for where in (address_of(item), large_address(item)):
        for cookie in ("", "_streamlit_user=forged"):
            assert client.get(where, headers={"cookie": cookie}).status_code == 403
        assert client.get(where, headers={"if-none-match": f'"{item.sha256}"'}).status_code == 403
