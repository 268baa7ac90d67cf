from __future__ import annotations

import pytest

from pawsight.web.problems import of_status


@pytest.mark.parametrize(
    ("status", "answered", "detail"),
    [
        (404, 404, "This address has no meaning here; /docs lists those that have."),
        (405, 405, "This address does not take this method; /docs lists what it takes."),
        (406, 400, "Not Acceptable."),
        (502, 500, "Bad Gateway."),
    ],
)
def test_a_status_that_the_router_found_is_a_problem_in_words(status, answered, detail):
    problem = of_status(status)
    assert (problem.status, problem.detail) == (answered, detail)
