// SPDX-License-Identifier: Apache-2.0
/**
 * What every layer needs: the failure of an attempt, code of callers and libraries run so that
 * nothing it throws gets past, and threads that carry nothing of a caller.
 *
 * <p>The packages below {@code internal} are no API: their types are public for each other only,
 * and change without notice. Start with {@code internal.failover}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal;
