"""Fixtures of the service: helpers, an application around the colour bundle, and one process that many tests ask."""

from __future__ import annotations

import pytest

from . import serving as helpers


@pytest.fixture(scope="session")
def serving():
    """The module serving.py beside this file."""
    return helpers


@pytest.fixture(scope="session")
def make_client(colour_bundle):
    """A client of an application in this process: limits as keywords, options by name."""
    from starlette.testclient import TestClient

    from pawsight.classifier.predictor import load_predictor
    from pawsight.web.app import create_app
    from pawsight.web.limits import Limits
    from pawsight.web.service import Service

    def make(
        *,
        token="",
        hosts=(),
        origins=(),
        with_report=False,
        title="",
        share="",
        feedback=None,
        opener=lambda: load_predictor(colour_bundle),
        start=True,
        **limits,
    ):
        def build():  # inside the loop that will serve it
            return Service(opener, limits=Limits(decoders=1, **limits), feedback=feedback)

        return TestClient(
            create_app(
                build(),
                token=token,
                hosts=hosts,
                origins=origins,
                with_report=with_report,
                title=title,
                share=share,
                start=start,
            ),
            base_url="http://127.0.0.1",
            raise_server_exceptions=False,
        )

    return make


@pytest.fixture(scope="session")
def process(serving, colour_bundle, tmp_path_factory):
    """A running service with small limits. Ask it what you like; start one of your own to stop it."""
    log = tmp_path_factory.mktemp("process") / "log"
    limits = {"receive_seconds": 1, "body_mib": 1, "head_seconds": 1, "files": 4, "decode_seconds": 3, "decoders": 2}
    with serving.Process(colour_bundle, log=log, limits=limits) as one:
        yield one
        assert one.process.poll() is None, "it died under the tests"
