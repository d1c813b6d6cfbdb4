"""Settings: saved with what stands in the fields at the click, undone at the foot of the page; a researcher's only."""

from __future__ import annotations

import pytest

from core.collection.dataset import Dataset
from core.collection.restored import discard
from core.ground.errors import NotFound
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from tests.pages.conftest import text_of


def test_a_setting_is_saved_undone_and_in_the_history(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    at.number_input(key="settings.neighbours").set_value(7)
    at.button(key="settings.save_answers").click().run()  # not left by Enter before
    assert drawn_workspace.config().neighbours == 7
    assert "The answers follow the new settings." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert drawn_workspace.config().neighbours == 10 and not at.exception
    at = open_page(drawn_workspace, "history")
    assert "Settings changed: neighbours" in text_of(at)


def test_weights_that_are_not_there_change_nothing(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    at.text_input(key="settings.weights").set_value("nowhere.pt")
    at.selectbox(key="settings.size").set_value(128)
    at.button(key="settings.save_encoder").click().run()
    assert "There is no file of weights" in text_of(at)
    assert drawn_workspace.config().preprocessing.size == 96
    at.text_input(key="settings.weights").set_value("")
    at.button(key="settings.save_encoder").click().run()
    assert drawn_workspace.config().preprocessing.size == 128


def test_mark_and_whole_picture_can_be_joined(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    at.selectbox(key="settings.mode").set_value("joined")
    at.button(key="settings.save_encoder").click().run()
    assert drawn_workspace.config().preprocessing.mode == "joined"
    assert "In use: the mark and the whole picture, joined." in text_of(at) and not at.exception


def test_roles_are_given_and_taken_and_a_viewer_may_only_look(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    at.text_input(key="settings.role_name").set_value("Ada")
    at.selectbox(key="settings.role_given").set_value("curator")
    at.button(key="settings.role_give").click().run()
    assert drawn_workspace.config().roles == {"Ada": "curator"}
    at.button(key="settings.role.0").click().run()
    assert drawn_workspace.config().roles == {}
    drawn_workspace.save_config(drawn_workspace.config().with_(default_role="viewer"))
    at = open_page(drawn_workspace, "settings")
    assert at.button(key="settings.save_answers").disabled and at.button(key="settings.backup").disabled


def test_a_backup_is_made_and_the_caches_are_emptied(open_page, drawn_workspace, tmp_path, jobs_here):
    jobs_here()
    at = open_page(drawn_workspace, "settings")
    at.button(key="settings.backup").click().run()
    runner = JobRunner(drawn_workspace)
    (job,) = runner.list("backup")
    result = runner.wait(job.id, timeout_s=120).result
    path = drawn_workspace.cache / "exports" / result["token"] / result["name"]
    from core.collection.backup import restore

    restore(path, Workspace(tmp_path / "there"))
    assert Dataset(Workspace(tmp_path / "there")).counts().originals == 12
    at.run()
    at.button(key="settings.empty").click().run()
    assert not path.exists() and "freed" in text_of(at)


def test_a_backup_that_is_sent_comes_back_into_a_folder_of_its_own_and_goes_again(
    open_page, drawn_workspace, tmp_path, jobs_here
):
    from core.collection.backup import back_up

    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    back_up(dataset, tmp_path / "all.zip")
    at = open_page(drawn_workspace, "settings")
    uploader = next(one for one in at.get("file_uploader"))
    uploader.upload("all.zip", (tmp_path / "all.zip").read_bytes(), "application/zip")
    at.run()
    jobs_here()
    at.button(key="settings.restore").click().run()
    runner = JobRunner(drawn_workspace)
    (job,) = runner.list("restore")
    result = runner.wait(job.id, timeout_s=120).result
    folder = drawn_workspace.root / result["folder"]
    assert Dataset(Workspace(folder)).counts().originals == 12 == Dataset(drawn_workspace).counts().originals
    assert not list((drawn_workspace.cache / "restoring").iterdir())
    at.run()
    at.button(key=f"settings.discard.{folder.name}").click().run()
    assert not folder.exists() and "The restored folder is deleted." in text_of(at) and not at.exception


def test_a_folder_in_which_a_restore_was_cut_off_is_said_not_to_be_whole(open_page, drawn_workspace):
    half, whole = (drawn_workspace.root / f"restored-20260101-00000{n}" for n in range(2))
    (half / "model").mkdir(parents=True)
    (whole / "data").mkdir(parents=True)
    at = open_page(drawn_workspace, "settings")
    commands = " ".join(block.value for block in at.code)
    assert text_of(at).count("not whole") == 1 and str(whole) in commands and str(half) not in commands
    at.button(key=f"settings.discard.{half.name}").click().run()
    assert not half.exists() and whole.exists() and "not whole" not in text_of(at)


def test_no_other_folder_is_deleted_as_a_restored_one(drawn_workspace):
    (drawn_workspace.root / "restored-mine").mkdir()
    for name in ("restored-mine", "data", "../elsewhere", "restored-20260101-000000"):
        with pytest.raises(NotFound):
            discard(drawn_workspace, name)


def test_who_has_chosen_no_language_reads_that_of_the_workspace(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    at.segmented_control(key="settings.language").set_value("fr").run()
    at.button(key="settings.save_language").click().run()
    assert drawn_workspace.config().language == "fr"
    at = open_page(drawn_workspace, "settings")
    assert at.title[0].value == "Réglages"


def test_two_tabs_of_the_settings_do_not_overwrite_each_other(open_page, drawn_workspace):
    """What nobody typed over follows the other tab and the undo; what was typed is kept, and meant the second time."""
    at = open_page(drawn_workspace, "settings")
    other = Dataset(drawn_workspace)
    other.set_settings(neighbours=7, false_accept_rate=0.02)
    at.number_input(key="settings.rate").set_value(9.0)
    at.button(key="settings.save_answers").click().run()
    assert "Somebody else changed this setting" in text_of(at)
    assert (drawn_workspace.config().neighbours, drawn_workspace.config().false_accept_rate) == (7, 0.02)
    assert at.number_input(key="settings.neighbours").value == 7 and at.number_input(key="settings.rate").value == 9
    at.button(key="settings.save_answers").click().run()
    assert (drawn_workspace.config().neighbours, drawn_workspace.config().false_accept_rate) == (7, 0.09)
    at.button(key="frame.undo.0").click().run()
    assert at.number_input(key="settings.rate").value == 2 and not at.exception
    assert not at.warning, "Streamlit's own, of a field with two defaults"


def test_the_address_of_a_catalogue_is_tried_before_it_is_kept(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    at.button(key="settings.reach").click().run()
    assert "SQLite, in the workspace." in [one.value for one in at.success]
    for address in ("nonsense", "postgresql+psycopg://nobody:x@127.0.0.1:9/burin"):
        at.text_input(key="settings.url").set_value(address)
        at.button(key="settings.reach").click().run()
        assert at.error and not at.success and not at.exception
        at.button(key="settings.save_url").click().run()
        assert drawn_workspace.config().catalogue_url == "" and "It is used from the next start" not in text_of(at)


def test_the_place_of_the_workspace_and_what_it_takes_are_told(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    assert str(drawn_workspace.root) in [code.value for code in at.code]
    assert "can be made again at any time." in text_of(at)
