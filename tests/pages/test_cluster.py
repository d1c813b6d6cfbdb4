"""A cluster in the settings: refused where it is none or does not answer, taken where it does, and taken back."""

from __future__ import annotations

import socket

import pytest

from core.collection.dataset import Dataset
from tests.pages.conftest import text_of


def test_an_address_is_refused_tried_taken_and_taken_back(open_page, drawn_workspace):
    pytest.importorskip("ray", reason="ray is not installed: pip install '.[cluster]'")
    at = open_page(drawn_workspace, "settings")
    assert "They are done on this machine." in text_of(at)
    at.text_input(key="settings.ray_address").set_value("ray://head:10001")
    at.button(key="settings.save_cluster").click().run()
    assert "The address of a cluster is like head:6379." in text_of(at)
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        at.text_input(key="settings.ray_address").set_value(address)
        at.button(key="settings.reach_cluster").click().run()
        assert "It answers." in text_of(at) and drawn_workspace.config().ray_address == ""
        at.button(key="settings.save_cluster").click().run()
        assert drawn_workspace.config().ray_address == address and not at.exception
    at.button(key="settings.reach_cluster").click().run()
    assert f"The cluster at {address} does not answer from here (Connection refused)" in text_of(at)
    dataset = Dataset(drawn_workspace)
    dataset.revert(dataset.history(1, action="settings")[0].id)
    assert drawn_workspace.config().ray_address == ""
    assert "They are done on this machine." in text_of(open_page(drawn_workspace, "settings"))
