from mailsync.model import Role
from mailsync.sync.folders import biggest_first, diff_folders, known_roles
from tests.builders import a_known_folder, a_remote_folder


def test_an_unchanged_tree_needs_no_write() -> None:
    plan = diff_folders([a_remote_folder("F1")], [a_known_folder(1, "F1")])

    assert (plan.changed, plan.gone) == ((), ())


def test_a_new_a_renamed_and_a_moved_folder_are_changes() -> None:
    remote = [
        a_remote_folder("new"),
        a_remote_folder("renamed", display_name="Bills"),
        a_remote_folder("moved", parent_remote_id="new"),
    ]
    known = [a_known_folder(1, "renamed"), a_known_folder(2, "moved")]

    plan = diff_folders(remote, known)

    assert [each.remote_id for each in plan.changed] == ["new", "renamed", "moved"]


def test_a_folder_made_again_under_its_old_name_is_a_new_one_and_the_old_one_is_gone() -> None:
    plan = diff_folders(
        [a_remote_folder("F2", display_name="Bills")],
        [a_known_folder(1, "F1", display_name="Bills")],
    )

    assert [each.remote_id for each in plan.changed] == ["F2"]
    assert plan.gone == (1,)


def test_the_biggest_folder_starts_first() -> None:
    known = [a_known_folder(1, "small"), a_known_folder(2, "big")]
    remote = [a_remote_folder("small", total=3), a_remote_folder("big", total=4000)]

    assert biggest_first(known, remote) == (2, 1)


def test_known_roles_are_by_the_providers_id() -> None:
    assert known_roles([a_known_folder(1, "F1", role=Role.INBOX)]) == {"F1": Role.INBOX}
