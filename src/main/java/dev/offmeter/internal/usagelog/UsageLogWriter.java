// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.usagelog;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.internal.DetachedThreads;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.json.JsonLinesFile;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.meter.UsageLog;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.meter.UsageRecord;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Collects a row for each attempt and hands them to the usage log, on a thread of its own that ends
 * when there is nothing to write. A call adds to a bounded queue and nothing else: whatever the log
 * does, it neither waits nor fails. Safe for use by many threads.
 */
public final class UsageLogWriter {
  static final int MOST_WAITING = 10_000;
  static final int MOST_IN_BATCH = 500;

  /** Where the documentation says what to do. */
  static final String HELP = "docs/usage-log.md#when-it-does-not-work";

  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** How long a row waits for others. */
  private static final Duration PERIOD = Duration.ofSeconds(1);

  private static final Duration LONGEST_BACKOFF = Duration.ofMinutes(1);

  /** How long {@link #close} waits for the log. */
  private static final Duration FLUSH_LIMIT = Duration.ofSeconds(5);

  /** How long {@link #close} waits for cancelled calls to end, and then for the spill file. */
  private static final Duration SHORT_LIMIT = Duration.ofSeconds(1);

  private static final int MOST_SHOWN = 300;

  private final UsageLog log;
  private final TimeSource time;
  private final UUID client = UUID.randomUUID();

  /** One for the log and one for the spill file. */
  private final ThreadPoolExecutor threads =
      new ThreadPoolExecutor(
          2,
          2,
          10,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          DetachedThreads.daemons("offmeter-usage-log"));

  private final Overflow overflow;
  private final ReentrantLock lock = new ReentrantLock();

  // All below: guarded by the lock, within which nothing blocks.

  /** The rows that the log has not taken, those that it is writing included. */
  private final ArrayDeque<UsageRecord> waiting = new ArrayDeque<>();

  /** True from when a run is handed to a thread to its end. */
  private boolean running;

  /** The timer of the next run; null if none is set. */
  private @Nullable Future<?> timer;

  /** How often in a row the log has failed. */
  private int failures;

  private long written;

  private boolean closing;

  /** Completed when all is written or given up; null until the client is closed. */
  private @Nullable CompletableFuture<Void> flushed;

  /** True if the log did not end in time when the client was closed. */
  private boolean abandoned;

  /**
   * Creates a writer, without a thread yet.
   *
   * @param spill the file for rows for which there is no room; null for none
   */
  public UsageLogWriter(UsageLog log, @Nullable Path spill, TimeSource time) {
    this.log = log;
    this.time = time;
    threads.allowCoreThreadTimeOut(true);
    SpillFile file = spill == null ? null : new SpillFile(spill, SpillFile.MOST_BYTES);
    this.overflow = new Overflow(client, file, threads);
  }

  /**
   * Checks that a spill file can be written.
   *
   * @throws IllegalArgumentException if not
   */
  public static Path checkedSpill(Path file) {
    if (!JsonLinesFile.isWritable(file)) {
      throw new IllegalArgumentException(
          "usageLogSpill must be a file that can be written, was " + file);
    }
    return file;
  }

  /**
   * Adds the row of an attempt that has ended. Never blocks and throws nothing.
   *
   * @param number of the attempt within its call, from 1
   * @param modelAsked the model that was asked for
   */
  public void onAttemptEnded(
      long call,
      int number,
      ChatRequest request,
      String modelAsked,
      boolean streamed,
      Attempt attempt) {
    UserCode.ignore(
        () ->
            add(
                new UsageRecord(
                    time.instant(),
                    client,
                    call,
                    number,
                    request.tags(),
                    request.session(),
                    modelAsked,
                    streamed,
                    attempt)));
  }

  private void add(UsageRecord row) {
    lock.lock();
    try {
      if (abandoned || waiting.size() >= MOST_WAITING) {
        overflow.add(row);
        return;
      }
      waiting.add(row);
      if (running) {
        return;
      }
      if (flushed != null || (failures == 0 && waiting.size() >= MOST_IN_BATCH)) {
        start();
      } else if (timer == null) {
        timer = time.schedule(PERIOD.toNanos(), this::onDue);
      }
    } finally {
      lock.unlock();
    }
  }

  private void onDue() {
    lock.lock();
    try {
      timer = null;
      if (!running) {
        start();
      }
    } finally {
      lock.unlock();
    }
  }

  private void start() {
    TimeSource.cancel(timer);
    timer = null;
    // Without a thread now, the next row tries again.
    running = UserCode.run(() -> threads.execute(this::run)) == null;
  }

  private void run() {
    boolean works = true;
    List<UsageRecord> batch = batch(1);
    while (works && !batch.isEmpty()) {
      works = write(batch, batch.size());
      batch = batch(MOST_IN_BATCH);
    }
    end(works && writeBack());
  }

  /**
   * Returns the oldest rows, which stay in the queue; none if there are fewer than {@code least}.
   */
  private List<UsageRecord> batch(int least) {
    lock.lock();
    try {
      return waiting.size() < (flushed == null ? least : 1)
          ? List.of()
          : waiting.stream().limit(MOST_IN_BATCH).toList();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Hands rows to the log.
   *
   * @param queued how many of them are in the queue, and leave it when they are written
   * @return whether they were written
   */
  private boolean write(List<UsageRecord> batch, int queued) {
    Throwable thrown = UserCode.run(() -> log.write(batch));
    // An interrupt that the log threw was for nobody else.
    boolean unused = Thread.interrupted();
    int failed;
    lock.lock();
    try {
      if (thrown == null && !abandoned) {
        written += queued;
        for (int i = 0; i < queued; i++) {
          UsageRecord unusedRow = waiting.remove();
        }
      }
      failed = failures;
      failures = thrown == null ? 0 : failures + 1;
    } finally {
      lock.unlock();
    }
    tell(thrown, failed);
    return thrown == null;
  }

  /** Logs the first failure and the first success after it. */
  private void tell(@Nullable Throwable thrown, int failedBefore) {
    if (thrown != null && failedBefore == 0) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "the usage log does not work: {}; its rows wait in memory, and then in the spill"
                      + " file if there is one; see {}",
                  reason(thrown),
                  HELP));
    } else if (thrown == null) {
      overflow.onLogWorks();
      if (failedBefore > 0) {
        UserCode.ignore(() -> LOG.info("the usage log works again, {}", status()));
      }
    }
  }

  /** Returns the class and the first line of the message, which a log keeps free of secrets. */
  static String reason(Throwable thrown) {
    String message = UserCode.message(thrown);
    if (message == null || message.isBlank()) {
      return UserCode.describe(thrown);
    }
    String line = message.strip().lines().findFirst().orElse("").replaceAll("\\p{Cntrl}", " ");
    return thrown.getClass().getName()
        + ": "
        + (line.length() <= MOST_SHOWN ? line : line.substring(0, MOST_SHOWN) + "...");
  }

  /**
   * Hands over the rows of the spill file, until there are enough in the queue again or the client
   * is closed.
   *
   * @return whether the log works
   */
  private boolean writeBack() {
    while (!isUrgent()) {
      SpillFile.Taken taken = overflow.last();
      if (taken.isEmpty()) {
        return true;
      }
      if (!taken.rows().isEmpty() && !write(taken.rows(), 0)) {
        return false;
      }
      if (!overflow.remove(taken)) {
        return true;
      }
      countWritten(overflow.ownOf(taken));
    }
    return true;
  }

  private boolean isUrgent() {
    lock.lock();
    try {
      return flushed != null || waiting.size() >= MOST_IN_BATCH;
    } finally {
      lock.unlock();
    }
  }

  private void countWritten(long rows) {
    lock.lock();
    try {
      written += rows;
    } finally {
      lock.unlock();
    }
  }

  /** Ends a run, and says when the next one is. */
  private void end(boolean works) {
    CompletableFuture<Void> done = null;
    lock.lock();
    try {
      running = false;
      if (flushed != null) {
        if (works && !waiting.isEmpty()) {
          start();
        } else {
          giveUp();
          done = flushed;
        }
      } else if (works && waiting.size() >= MOST_IN_BATCH) {
        start();
      } else if (!works || !waiting.isEmpty()) {
        timer = time.schedule((works ? PERIOD : backoff()).toNanos(), this::onDue);
      }
    } finally {
      lock.unlock();
    }
    if (done != null) {
      done.complete(null);
    }
  }

  private Duration backoff() {
    Duration doubled = PERIOD.multipliedBy(1L << Math.min(failures - 1, 6));
    return doubled.compareTo(LONGEST_BACKOFF) < 0 ? doubled : LONGEST_BACKOFF;
  }

  /** Moves all rows to the spill file, or counts them as lost. */
  private void giveUp() {
    for (UsageRecord row = waiting.poll(); row != null; row = waiting.poll()) {
      overflow.add(row);
    }
  }

  /** Returns how many rows are where. */
  public UsageLogStatus status() {
    lock.lock();
    try {
      return new UsageLogStatus(
          written,
          waiting.size() + overflow.waiting(),
          overflow.spilled(),
          overflow.lost(),
          failures == 0);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Hands the remaining rows to the log, within a limit; what it has not taken by then goes to the
   * spill file or is lost. Rows that come later are handed over at once, or spilled if the log
   * still hangs. Closing again has no effect.
   *
   * @param callsEnded completed when no call is running any more; they have been cancelled
   */
  public void close(CompletableFuture<?> callsEnded) {
    if (!beginClosing()) {
      return;
    }
    awaitAtMost(SHORT_LIMIT, callsEnded);
    if (!await(flush(), FLUSH_LIMIT)) {
      abandon();
    }
    awaitAtMost(SHORT_LIMIT, overflow.close());
    // What comes late still finds a thread, and none waits for it.
    threads.setKeepAliveTime(1, TimeUnit.MILLISECONDS);
  }

  private boolean beginClosing() {
    lock.lock();
    try {
      boolean first = !closing;
      closing = true;
      return first;
    } finally {
      lock.unlock();
    }
  }

  private CompletableFuture<Void> flush() {
    lock.lock();
    try {
      flushed = new CompletableFuture<>();
      if (!running && !waiting.isEmpty()) {
        start();
      } else if (!running) {
        TimeSource.cancel(timer);
        timer = null;
      }
      if (!running) {
        giveUp();
        flushed.complete(null);
      }
      return flushed;
    } finally {
      lock.unlock();
    }
  }

  private void abandon() {
    lock.lock();
    try {
      abandoned = true;
      giveUp();
    } finally {
      lock.unlock();
    }
  }

  private void awaitAtMost(Duration limit, CompletableFuture<?> event) {
    boolean unused = await(event, limit);
  }

  /** Waits, whether the thread is interrupted or not, and returns whether it was in time. */
  private boolean await(CompletableFuture<?> event, Duration limit) {
    CompletableFuture<Boolean> inTime = new CompletableFuture<>();
    CompletableFuture<?> unused = event.whenComplete((done, failure) -> inTime.complete(true));
    if (inTime.isDone()) {
      return true;
    }
    Future<?> timer = time.schedule(limit.toNanos(), () -> inTime.complete(false));
    if (timer == null) {
      return event.isDone();
    }
    boolean interrupted = false;
    while (!inTime.isDone()) {
      try {
        time.await(inTime);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    TimeSource.cancel(timer);
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return inTime.join();
  }
}
