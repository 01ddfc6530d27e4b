// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

/**
 * The state of a client's {@link UsageLog} at one moment. Every attempt that has ended is counted
 * once in {@code written}, {@code waiting}, {@code spilled} or {@code lost}.
 *
 * @param written the rows of this client that the log has taken
 * @param waiting the rows in memory
 * @param spilled the rows of this client that were written to the spill file and not yet from there
 *     to the log
 * @param lost the rows that were given up, because there was no room for them
 * @param working whether the last batch was written
 */
public record UsageLogStatus(
    long written, long waiting, long spilled, long lost, boolean working) {}
