// SPDX-License-Identifier: Apache-2.0
/**
 * Holds what the tests of an application need that uses Offmeter: {@link
 * dev.offmeter.testkit.FakeLlm}, a server on a loopback port that fails as it is told.
 *
 * <p>Not for production code: it comes in a jar of its own, with the classifier {@code testkit}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.testkit;
