// SPDX-License-Identifier: Apache-2.0
/**
 * Random calls against servers that do anything, from seeds: a short run in {@code mvn verify}, a
 * long one in {@code mvn verify -Psoak}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.scenario.random;
