"""What requests hold together, and the share of one address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.web.problems import RequestProblem
from pawsight.web.quotas import Quota, share_of


def quota(most=10, each=6):
    return Quota("pictures are waiting", most, each=each, retry_seconds=3)


@pytest.mark.parametrize(
    ("host", "share"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", ""),
        ("127.8.9.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("testclient", ""),
        (None, ""),
    ],
)
def test_the_share_of_an_address(host, share):
    assert share_of(host) == share


def test_an_address_beyond_its_share_is_refused_and_others_are_not():
    pictures = quota()
    pictures.take(6, "a")
    with pytest.raises(RequestProblem, match="6 pictures are waiting from your address, which may have 6") as error:
        pictures.take(1, "a")
    assert (error.value.code, error.value.headers) == ("busy", {"Retry-After": "3"})
    pictures.take(4, "b")
    with pytest.raises(RequestProblem, match="10 pictures are waiting"):
        pictures.take(1, "c")
    pictures.release(6, "a")
    pictures.take(6, "a")


def test_loopback_may_have_all():
    pictures = quota()
    pictures.take(10, "")
    assert not pictures.fits(1)


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["", "a", "b"]))))
def test_all_that_is_taken_comes_back_and_no_limit_is_passed(asked):
    pictures, taken = quota(), []
    for count, address in asked:
        try:
            pictures.take(count, address)
        except RequestProblem:
            continue
        taken.append((count, address))
        assert pictures.held == sum(count for count, _ in taken) <= 10
        assert sum(count for count, address in taken if address == "a") <= 6
    for count, address in taken:
        pictures.release(count, address)
    assert pictures.held == 0
    pictures.take(6, "a")
