from mailsync.sync.safety import is_suspicious


def test_a_walk_that_shows_nothing_of_a_full_folder_is_refused() -> None:
    assert is_suspicious(stored=1000, removing=1000, remote_total=1000)


def test_a_walk_that_shows_nothing_of_an_emptied_folder_is_believed() -> None:
    assert not is_suspicious(stored=1000, removing=1000, remote_total=0)


def test_a_walk_that_misses_a_few_is_believed() -> None:
    assert not is_suspicious(stored=1000, removing=30, remote_total=1000)


def test_a_small_folder_may_be_emptied() -> None:
    assert not is_suspicious(stored=10, removing=10, remote_total=10)


def test_a_walk_that_misses_most_but_leaves_what_the_provider_counts_is_believed() -> None:
    assert not is_suspicious(stored=1000, removing=900, remote_total=100)
