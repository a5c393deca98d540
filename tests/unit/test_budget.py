from mailsync.sync import budget


def test_no_page_is_begun_that_may_not_end_before_the_time_out():
    assert budget.may_go_on(remaining_s=60, slowest_page_s=15)
    assert not budget.may_go_on(remaining_s=60, slowest_page_s=25)


def test_a_short_pause_is_slept_and_a_long_one_is_left_to_the_wait_state():
    assert budget.should_sleep(retry_after_s=2.5, remaining_s=200)
    assert not budget.should_sleep(retry_after_s=30, remaining_s=200)
    assert not budget.should_sleep(retry_after_s=9, remaining_s=25)


def test_the_wait_is_whole_seconds_between_one_and_five_minutes():
    assert budget.wait_seconds(2.128) == 3
    assert budget.wait_seconds(0) == 1
    assert budget.wait_seconds(3600) == 300


def test_page_sizes_shrink_to_one_and_grow_back_to_the_largest():
    sizes = [100]
    while sizes[-1] > 1:
        sizes.append(budget.smaller_page(sizes[-1]))
    while sizes[-1] < 100:
        sizes.append(budget.larger_page(sizes[-1], 100))

    assert min(sizes) == 1
    assert sizes[-1] == 100
