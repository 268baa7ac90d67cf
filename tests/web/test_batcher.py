from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from pawsight.classifier.predictor import load_predictor
from pawsight.web.batcher import Batcher


@pytest.fixture(scope="module")
def predictor(colour_bundle):
    return load_predictor(colour_bundle)


def squares(count):
    return np.random.default_rng(2).integers(0, 255, (count, 8, 8, 3), np.uint8)


def in_batcher(predictor, work, **options):
    """Run `work(batcher)` beside a batcher that is closed afterwards."""

    async def run():
        batcher = Batcher(predictor.queue, **{"batch": 8, "wait_ms": 5, **options})
        try:
            return await work(batcher)
        finally:
            await batcher.close()

    return asyncio.run(run())


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_everybody_gets_the_answer_to_the_own_square(predictor, count):
    async def ask(batcher):
        return await asyncio.gather(*(batcher.compute(square) for square in squares(count)))

    answers = in_batcher(predictor, ask)
    for square, answer in zip(squares(count), answers, strict=True):
        queue = predictor.queue()
        ((_, alone),) = [*queue.push(None, square), *queue.drain()]
        assert np.array_equal(answer["probabilities"], alone["probabilities"])


def test_squares_that_came_while_the_engine_computed_are_handed_over_together(predictor):
    sizes = []

    async def ask(batcher):
        await asyncio.gather(*(batcher.compute(square) for square in squares(200)))

    in_batcher(predictor, ask, on_batch=sizes.append)
    assert sum(sizes) == 200
    assert len(sizes) < 200
    assert max(sizes) <= 8


def test_a_batch_is_never_larger_than_asked_for(predictor):
    sizes = []

    async def ask(batcher):
        await asyncio.gather(*(batcher.compute(square) for square in squares(20)))

    in_batcher(predictor, ask, batch=1, on_batch=sizes.append)
    assert sizes == [1] * 20


def test_nobody_waits_for_others_while_the_engine_is_idle(predictor):
    async def ask(batcher):
        (square,) = squares(1)
        await batcher.compute(square)
        start = time.monotonic()
        await batcher.compute(square)
        return time.monotonic() - start

    assert in_batcher(predictor, ask, wait_ms=3000) < 1


def test_what_waits_when_the_room_closes_is_still_answered(predictor):
    async def ask(batcher):
        asked = [asyncio.create_task(batcher.compute(square)) for square in squares(50)]
        await asyncio.sleep(0)
        await batcher.close()
        return await asyncio.gather(*asked)

    assert len(in_batcher(predictor, ask)) == 50


def test_an_answer_that_nobody_waits_for_any_more_harms_nobody(predictor):
    async def ask(batcher):
        asked = [asyncio.create_task(batcher.compute(square)) for square in squares(10)]
        await asyncio.sleep(0)
        asked[3].cancel()
        done = await asyncio.gather(*asked, return_exceptions=True)
        return [isinstance(item, asyncio.CancelledError) for item in done]

    assert in_batcher(predictor, ask) == [number == 3 for number in range(10)]
