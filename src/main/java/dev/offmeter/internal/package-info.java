// SPDX-License-Identifier: Apache-2.0
/**
 * Holds what every layer needs: the failure of an attempt, a safe way to run code that is not the
 * library's, and threads that carry nothing of a caller.
 *
 * <p>The packages below {@code internal} are not API: their types are public for each other only
 * and change without notice. Start with {@code internal.failover}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal;
