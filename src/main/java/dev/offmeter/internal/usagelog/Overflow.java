// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.usagelog;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.UserCode.UserCodeException;
import dev.offmeter.meter.UsageRecord;
import java.util.ArrayDeque;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes the rows for which there is no room in memory: writes them to the spill file on a thread of
 * its own, or counts them as lost. Safe for use by many threads.
 */
final class Overflow {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final UUID client;
  private final @Nullable SpillFile file;
  private final Executor threads;
  private final ReentrantLock lock = new ReentrantLock();

  // All below: guarded by the lock.

  /** The rows that are still to be written to the file. */
  private final ArrayDeque<UsageRecord> rows = new ArrayDeque<>();

  private boolean running;
  private CompletableFuture<Void> idle = CompletableFuture.completedFuture(null);
  private long spilled;
  private long lost;
  private boolean warned;
  private boolean closed;

  /** True if rows could not be removed from the file: they would be handed over again and again. */
  private boolean stuck;

  /** The reason that the next WARN will give; null if none is due. */
  private @Nullable String warning;

  /**
   * Creates an overflow without rows.
   *
   * @param client whose rows are counted
   * @param file null for none
   */
  Overflow(UUID client, @Nullable SpillFile file, Executor threads) {
    this.client = client;
    this.file = file;
    this.threads = threads;
  }

  /** Takes a row; never blocks. */
  void add(UsageRecord row) {
    lock.lock();
    try {
      if (file != null && rows.size() < UsageLogWriter.MOST_WAITING) {
        rows.add(row);
      } else {
        lose(1, file == null ? "there is no room in memory" : "the spill file is too slow");
      }
      if (!running && (!rows.isEmpty() || warning != null)) {
        start();
      }
    } finally {
      lock.unlock();
    }
  }

  private void lose(int count, String why) {
    lost += count;
    if (!warned) {
      warned = true;
      warning = why;
    }
  }

  private void start() {
    running = true;
    idle = new CompletableFuture<>();
    if (UserCode.run(() -> threads.execute(this::run)) != null) {
      running = false;
      idle.complete(null);
    }
  }

  private void run() {
    List<UsageRecord> batch = batch();
    while (!batch.isEmpty()) {
      write(batch);
      batch = batch();
    }
  }

  /** Returns the next rows and keeps them; without any, this run has ended. */
  private List<UsageRecord> batch() {
    List<UsageRecord> batch;
    String why;
    CompletableFuture<Void> ended;
    boolean ending;
    lock.lock();
    try {
      batch = rows.stream().limit(UsageLogWriter.MOST_IN_BATCH).toList();
      why = warning;
      warning = null;
      ended = idle;
      running = !batch.isEmpty();
      ending = closed && !running;
    } finally {
      lock.unlock();
    }
    if (why != null) {
      UserCode.ignore(
          () -> LOG.warn("rows of the usage log are lost: {}; see {}", why, UsageLogWriter.HELP));
    }
    if (ending && file != null) {
      UserCode.ignore(file::close);
    }
    if (batch.isEmpty()) {
      ended.complete(null);
    }
    return batch;
  }

  private void write(List<UsageRecord> batch) {
    SpillFile open = file;
    int[] appended = new int[1];
    Throwable thrown = open == null ? null : UserCode.run(() -> appended[0] = open.append(batch));
    int count = appended[0];
    String why =
        thrown == null
            ? "the spill file is full"
            : "the spill file cannot be written: " + UsageLogWriter.reason(thrown);
    lock.lock();
    try {
      for (UsageRecord unused : batch) {
        rows.poll();
      }
      spilled += count;
      if (count < batch.size()) {
        lose(batch.size() - count, why);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Returns the last rows of the spill file; none if it is empty or cannot be read. */
  SpillFile.Taken last() {
    SpillFile open = file;
    if (open == null || isStuck()) {
      return new SpillFile.Taken(List.of(), 0);
    }
    try {
      return UserCode.call(() -> open.last(UsageLogWriter.MOST_IN_BATCH));
    } catch (UserCodeException e) {
      // Another client holds it, or it is not there: what is appended says so.
      return new SpillFile.Taken(List.of(), 0);
    }
  }

  private boolean isStuck() {
    lock.lock();
    try {
      return stuck;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Removes from the spill file what the log has written.
   *
   * @return whether it could be
   */
  boolean remove(SpillFile.Taken taken) {
    SpillFile open = file;
    Throwable thrown = open == null ? null : UserCode.run(open::removeLast);
    if (thrown != null) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "written rows of the usage log cannot be removed from the spill file: {}; the"
                      + " rest of it is left to the next client",
                  UsageLogWriter.reason(thrown)));
    }
    lock.lock();
    try {
      stuck = thrown != null;
      if (stuck) {
        return false;
      }
      spilled -= ownOf(taken);
      if (taken.unreadable() > 0) {
        lose(taken.unreadable(), "the spill file has lines that are no rows");
      }
      if (!running && warning != null) {
        start();
      }
    } finally {
      lock.unlock();
    }
    return true;
  }

  /** Returns how many of the rows are of this client, and not of one before it. */
  long ownOf(SpillFile.Taken taken) {
    return taken.rows().stream().filter(row -> row.client().equals(client)).count();
  }

  /** Ends an episode: the next loss is warned of again. */
  void onLogWorks() {
    lock.lock();
    try {
      warned = false;
    } finally {
      lock.unlock();
    }
  }

  long spilled() {
    lock.lock();
    try {
      return spilled;
    } finally {
      lock.unlock();
    }
  }

  /** Returns the rows that are still to be written to the file. */
  long waiting() {
    lock.lock();
    try {
      return rows.size();
    } finally {
      lock.unlock();
    }
  }

  long lost() {
    lock.lock();
    try {
      return lost;
    } finally {
      lock.unlock();
    }
  }

  /** Releases the file, on a thread of its own, and again after each row that comes late. */
  CompletableFuture<Void> close() {
    lock.lock();
    try {
      closed = true;
      if (!running && file != null) {
        start();
      }
      return idle;
    } finally {
      lock.unlock();
    }
  }
}
