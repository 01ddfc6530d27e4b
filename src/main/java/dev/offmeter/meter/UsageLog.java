// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.nio.file.Path;
import java.util.List;

/**
 * Keeps a row for each attempt of a client's calls, for an operator to analyse what they used and
 * cost: a file, a database, or a system of the application's own. A row holds no prompt and no
 * answer.
 *
 * <p>The client collects the rows in memory, at most 10,000, and hands them over in batches of at
 * most 500, at the latest a second after the first. A batch that fails is handed over again, after
 * 1 s and then after twice as long each time, up to a minute. Calls never wait for the log and
 * never fail with it; see {@code docs/usage-log.md}.
 *
 * <p>Called on a background thread, with one batch at a time for each client that has this log: one
 * that several clients share must be safe for use by several threads. No limit ends a {@code write}
 * that does not return; the rows of that client then wait in memory until there is no room.
 */
@FunctionalInterface
public interface UsageLog {
  /**
   * Writes all of these rows or none of them. A batch whose {@code write} has thrown, or was still
   * running when the client was closed, may be handed over again: a log that may have written it
   * before tells rows apart by {@link UsageRecord#client()}, {@link UsageRecord#call()} and {@link
   * UsageRecord#number()}.
   *
   * @param batch at least one; cannot be changed
   * @throws Exception if they could not be written; its class and message are logged, so that the
   *     message must hold no secret
   */
  void write(List<UsageRecord> batch) throws Exception;

  /**
   * Returns a log that appends to a file, one JSON object a line, in UTF-8; for the fields see
   * {@link UsageRecord#toMap()}. The file is created if it is not there, readable and writable by
   * its owner only where the file system has such permissions. It is opened for each batch, so that
   * it can be renamed at any time. Several processes may append to one file on a local disk: each
   * batch is written at once, under a lock, and what is written of a batch that fails is cut off
   * again. A row that was written survives the end of the process; it is not forced to the disk.
   *
   * @throws IllegalArgumentException if it is a directory, cannot be written, or has no directory
   */
  static UsageLog file(Path file) {
    return new FileUsageLog(file);
  }

  /** Returns whether rows are written to this file, which then cannot take what is spilled. */
  default boolean writesTo(Path file) {
    return false;
  }
}
