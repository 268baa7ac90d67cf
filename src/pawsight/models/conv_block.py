"""Convolution, pooling, relu and dropout as one layer: the exercise's block, computed in a cheaper order.

Enters: maps (N, H, W, channels). Leaves: what Conv2D, MaxPooling2D and Dropout in a row make of them. Does not know:
which network it is part of, training; no saved model holds one, since `networks.build_network` takes its weights over.

What is the same, and why it is cheaper on a processor:

- Convolution, bias and relu are one kernel of oneDNN's. Stock layers have that too, until a gradient asks for what lies
  between them; here the gradient is written down and asks for what is left after the pool, a quarter.
- Relu and dropout let a gradient through where the value that left is not zero: one look for both. A bias gets all that
  gets through, since each value of a pool goes back to a single place.
- Dropout divides what it keeps by the share that it keeps. That factor is positive, so it goes through relu, pool and
  bias into the kernel, where it is multiplied a few thousand times and not a few million.
- A bfloat16 random number costs more than its convolution and has seven bits, so that a rate of 0.2 becomes 0.203. Here
  eight random bits decide for each value. A rate of 0.2 is 51.2 of 256: the limit is 51 in four steps of five, by
  chance, and 52 in the fifth, so that each value is dropped with the probability that was asked for.

Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014 (inverted,
as in Keras). Keras must have been imported quietly before (`models.quiet`).
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_VALUES = 256  # of eight random bits
_IN_A_WORD = 4  # times eight bits
_FINE = 1 << 16  # parts in which what is left of a limit is told
_AS_BITS = {2: tf.int16, 4: tf.int32}  # integers as wide as a number of so many bytes
_POOL: Any = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
_STEP: Any = {"strides": [1, 1, 1, 1], "padding": "VALID"}


class ConvBlock(keras.layers.Layer):
    """3 x 3 convolution without padding, 2 x 2 max-pooling, bias, relu, and dropout while training.

    Args:
        filters: maps that leave; a multiple of four, since random bits come in words of 32.
        rate: share of values that are dropped, from 0 for none to 255/256.
        policy: Keras's name of the arithmetic; weights are float32 either way.

    Raises:
        ValueError: filters is no multiple of four, or the rate out of range.
    """

    def __init__(self, filters: int, rate: float, *, policy: str) -> None:
        super().__init__(dtype=policy)
        if filters % _IN_A_WORD:
            raise ValueError(f"filters must be a multiple of {_IN_A_WORD}: {filters}")
        if not 0 <= rate <= 1 - 1 / _VALUES:
            raise ValueError(f"rate must be from 0 to {1 - 1 / _VALUES}: {rate}")
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
        factor = 1.0 / (1.0 - self.rate) if drops else 1.0
        kernel, bias = (tf.cast(weight * factor, maps.dtype) for weight in (self.kernel.value, self.bias.value))
        return _block(maps, kernel, bias, self._ones_and_zeros(maps) if drops else None)

    def _ones_and_zeros(self, maps: Any) -> Any:
        """Return one for each value that is kept and zero for each that is dropped, as wide as the values."""
        sizes = tf.shape(maps)
        shape = tf.stack([sizes[0], (sizes[1] - 2) // 2, (sizes[2] - 2) // 2, self.filters])
        words = tf.random.stateless_uniform(
            [tf.reduce_prod(shape) // _IN_A_WORD + 1],
            seed=tf.cast(self.seeds.next(), tf.int32),
            minval=None,
            maxval=None,
            dtype=tf.uint32,
            alg="philox",
        )
        drawn = tf.reshape(tf.bitcast(words[:-1], tf.uint8), shape)
        return tf.cast(drawn >= _limit(self.rate, words[-1]), _AS_BITS[maps.dtype.size])


def _limit(rate: float, word: Any) -> Any:
    """Return the value of eight bits below which is dropped: on average, over random words, exactly `rate` of them."""
    whole = int(rate * _VALUES)
    more = tf.cast(word % tf.constant(_FINE, tf.uint32), tf.float32) < (rate * _VALUES - whole) * _FINE
    return tf.constant(whole, tf.uint8) + tf.cast(more, tf.uint8)


def _block(maps: Any, kernel: Any, bias: Any, kept: Any) -> Any:
    """Return what leaves the block; a value is kept where `kept` is one, and all are where it is None."""

    def forward(maps: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
        active = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(maps, kernel, 1, "VALID"), bias))
        pooled = tf.nn.max_pool2d(active, 2, 2, "VALID")
        leaving = pooled if kept is None else _times(pooled, kept)

        def backward(upstream: Any) -> tuple[Any, Any, Any]:
            passed = tf.raw_ops.ReluGrad(gradients=upstream, features=leaving)
            spread = tf.raw_ops.MaxPoolGrad(orig_input=active, orig_output=pooled, grad=passed, **_POOL)
            to_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=maps, filter_sizes=tf.shape(kernel), out_backprop=spread, **_STEP
            )
            to_maps = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(maps), filter=kernel, out_backprop=spread, **_STEP
            )
            return to_maps, to_kernel, _summed(passed)

        return leaving, backward

    return tf.custom_gradient(forward)(maps, kernel, bias)


def _times(values: Any, kept: Any) -> Any:
    """Multiply the bits of a number by one or zero, which costs a third of multiplying bfloat16 numbers."""
    return tf.bitcast(tf.bitcast(values, kept.dtype) * kept, values.dtype)


def _summed(maps: Any) -> Any:
    """Add up all but the last dimension, as a product of matrices, which sums bfloat16 numbers in float32."""
    rows = tf.reshape(maps, (-1, maps.shape[-1]))
    return tf.reshape(tf.matmul(tf.ones((1, tf.shape(rows)[0]), rows.dtype), rows), (-1,))
