"""Convolution, pooling, relu and dropout as one layer: the exercise's block, computed in a cheaper order.

Enters: maps (N, H, W, channels). Leaves: what Conv2D, MaxPooling2D and Dropout in a row make of them. Does not know:
which network it is part of, training; no saved model holds one, since `networks.build_network` takes its weights over.

What is the same, and why it is cheaper on a processor:

- Bias and relu are monotone, so they commute with taking the greatest of four; after the pool a quarter is left.
- Dropout divides what it keeps by the share that it keeps. That factor is positive, so it goes through relu, pool and
  bias into the kernel, where it is multiplied a few thousand times and not a few million.
- A bfloat16 random number costs more than its convolution and has seven bits, so that a rate of 0.2 becomes 0.203. Here
  sixteen random bits decide for each value (0.199997), and a bitwise "and" drops it.

Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014 (inverted,
as in Keras). Keras must have been imported quietly before (`models.quiet`).
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_HALF_WORDS = 1 << 16  # values that sixteen random bits can take
_AS_BITS = {2: tf.int16, 4: tf.int32}  # integers as wide as a number of so many bytes


class ConvBlock(keras.layers.Layer):
    """3 x 3 convolution without padding, 2 x 2 max-pooling, bias, relu, and dropout while training.

    Args:
        filters: maps that leave; an even number, since random bits come in pairs of sixteen.
        rate: share of values that are dropped, in [0, 1); 0 for none.
        policy: Keras's name of the arithmetic; weights are float32 either way.

    Raises:
        ValueError: filters is odd.
    """

    def __init__(self, filters: int, rate: float, *, policy: str) -> None:
        super().__init__(dtype=policy)
        if filters % 2:
            raise ValueError(f"filters must be even: {filters}")
        self.filters, self.rate = filters, rate
        self.seeds: Any = keras.random.SeedGenerator() if rate else None

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the two weights of a Conv2D, initialised as Keras does."""
        kernel = (3, 3, shape[-1], self.filters)
        self.kernel = self.add_weight(shape=kernel, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, maps: Any, training: bool = False) -> Any:
        """Return (N, (H - 2) // 2, (W - 2) // 2, filters)."""
        drops = training and self.seeds is not None
        factor = 1.0 / _kept_share(self.rate) if drops else 1.0
        kernel, bias = (tf.cast(weight * factor, maps.dtype) for weight in (self.kernel.value, self.bias.value))
        pooled = tf.nn.max_pool2d(tf.nn.conv2d(maps, kernel, 1, "VALID"), 2, 2, "VALID")
        active = tf.nn.relu(tf.nn.bias_add(pooled, bias))
        return _dropped(active, self.rate, self.seeds.next()) if drops else active


def _kept_share(rate: float) -> float:
    return 1.0 - round(rate * _HALF_WORDS) / _HALF_WORDS


def _dropped(values: Any, rate: float, seed: Any) -> Any:
    """Set a random share of the values to zero and leave the others as they are."""
    words = tf.random.stateless_uniform(
        [tf.size(values) // 2], seed=tf.cast(seed, tf.int32), minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    keep = tf.reshape(tf.bitcast(words, tf.uint16), tf.shape(values)) >= round(rate * _HALF_WORDS)
    mask = -tf.cast(keep, _AS_BITS[values.dtype.size])  # all bits set where a value is kept

    def masked(given: Any) -> tuple[Any, Any]:
        return _and(given, mask), lambda upstream: _and(upstream, mask)

    return tf.custom_gradient(masked)(values)


def _and(values: Any, mask: Any) -> Any:
    return tf.bitcast(tf.bitwise.bitwise_and(tf.bitcast(values, mask.dtype), mask), values.dtype)
