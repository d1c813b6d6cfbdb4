"""Settings of a workspace: checked when made, kept as JSON, and who may do what."""

from __future__ import annotations

import json

import pytest

from core.ground.config import MODES, TRAINABLE, Preprocessing, WorkspaceConfig
from core.ground.errors import ConfigRefused


def test_settings_come_back_from_their_file_and_a_newer_one_still_opens() -> None:
    config = WorkspaceConfig(roles={"Ada": "curator"}, default_role="viewer", catalogue_url="postgresql+psycopg://x")
    assert WorkspaceConfig.from_text(config.to_text()) == config
    assert WorkspaceConfig.from_text('{"neighbours": 3, "of a later version": 1}') == WorkspaceConfig(neighbours=3)


def test_a_network_that_is_trained_takes_one_picture_whatever_the_workspace_sees() -> None:
    seen = {mode: Preprocessing(mode, 64) for mode in MODES}  # type: ignore[arg-type]
    assert {mode: one.trained.mode for mode, one in seen.items()} == {**{m: m for m in TRAINABLE}, "joined": "plain"}
    assert {one.trained.size for one in seen.values()} == {64}
    assert [part.mode for part in seen["joined"].parts] == ["crop", "plain"] and seen["crop"].parts == (seen["crop"],)
    config = WorkspaceConfig(preprocessing=seen["joined"])
    assert WorkspaceConfig.from_text(config.to_text()) == config


@pytest.mark.parametrize("text", ["", "[]", "null", '{"roles": 3}', '{"preprocessing": 3}'])
def test_a_damaged_file_is_said_to_be(text: str) -> None:
    with pytest.raises(ConfigRefused, match="damaged"):
        WorkspaceConfig.from_text(text)


def test_roles_are_of_three_kinds() -> None:
    with pytest.raises(ConfigRefused, match="The role of Ada must be one of viewer, curator, researcher, not king"):
        WorkspaceConfig(roles={"Ada": "king"})  # type: ignore[dict-item]
    with pytest.raises(ConfigRefused, match="default_role"):
        WorkspaceConfig(default_role="king")  # type: ignore[arg-type]


def test_who_is_not_named_may_do_everything_alone_and_look_where_people_sign_in() -> None:
    config = WorkspaceConfig(roles={"Ada@Example.org": "curator"})
    assert config.role_of(" ada@example.ORG", signed_in=True) == "curator"
    assert config.role_of("", "ada@example.org", signed_in=True) == "curator"
    assert config.role_of("eve@example.org", signed_in=True) == "viewer"
    assert config.role_of("eve@example.org", signed_in=False) == "researcher"
    assert config.with_(default_role="curator").role_of("eve", signed_in=True) == "curator"


@pytest.mark.parametrize("size", [96.0, True, "96", 100, 0, 544, None])
def test_a_size_is_a_whole_number(size: object) -> None:
    with pytest.raises((ConfigRefused, TypeError)):
        Preprocessing(size=size)  # type: ignore[arg-type]
    with pytest.raises(ConfigRefused):
        WorkspaceConfig.from_text(json.dumps({"preprocessing": {"mode": "crop", "size": size}}))
