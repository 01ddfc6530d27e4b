// SPDX-License-Identifier: Apache-2.0
/**
 * The parts that tests share: loopback nodes that misbehave on purpose, and time that can be moved.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.testing;
