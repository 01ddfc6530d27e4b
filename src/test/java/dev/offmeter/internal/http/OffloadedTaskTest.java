// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Work on another thread that can be given up, but not ended. */
@Timeout(20)
class OffloadedTaskTest {
  private final ExecutorService workers = Executors.newCachedThreadPool();
  private final CountDownLatch running = new CountDownLatch(1);
  private final CountDownLatch release = new CountDownLatch(1);

  @AfterEach
  void endAll() {
    answers.release(100);
    release.countDown();
    workers.shutdownNow();
  }

  private String hang() {
    running.countDown();
    while (release.getCount() > 0) {
      try {
        release.await();
      } catch (InterruptedException e) {
        continue;
      }
    }
    return "late";
  }

  private void giveUpWorkThatHangs() throws Exception {
    OffloadedTask offloadedTask = new OffloadedTask(workers, timed);
    CompletableFuture<Void> given =
        CompletableFuture.runAsync(
            () -> assertThatThrownBy(() -> offloadedTask.call(this::hang)).isNotNull(), workers);
    running.await();
    offloadedTask.cancel();
    given.get();
  }

  @Test
  void noFurtherWorkIsWaitedForOnceSomeWasGivenUpForLong() throws Exception {
    giveUpWorkThatHangs();

    nanos.addAndGet(UnreturnedTasks.HOPELESS.toNanos());

    assertThatThrownBy(() -> new OffloadedTask(workers, timed).call(() -> "begun"))
        .isInstanceOf(OffloadedTask.EarlierTaskHangsException.class);
    assertThat(new OffloadedTask(workers, new UnreturnedTasks()).call(() -> "of another endpoint"))
        .isEqualTo("of another endpoint");
  }

  @Test
  void whatReturnsAtLastIsForgotten() throws Exception {
    giveUpWorkThatHangs();
    nanos.addAndGet(UnreturnedTasks.HOPELESS.toNanos());

    release.countDown();

    awaitSoon(this::begins);
  }

  /** Returns whether a new task begins: the released one may not have returned yet. */
  private boolean begins() throws Exception {
    try {
      return "begun".equals(new OffloadedTask(workers, timed).call(() -> "begun"));
    } catch (OffloadedTask.EarlierTaskHangsException e) {
      return false;
    }
  }

  /** A caller who was cancelled has found nothing out. */
  @Test
  void afterOneThatWasGivenUpSoonTheNextWaitsForItsTurn() throws Exception {
    giveUpWorkThatHangs();
    CompletableFuture<String> next = call(new OffloadedTask(workers, timed));
    awaitSoon(() -> timed.waiting() == 1);
    assertThat(begun).hasValue(0);

    release.countDown();
    answers.release();

    assertThat(next.get()).isEqualTo("answer");
  }

  private final AtomicLong nanos = new AtomicLong();
  private final UnreturnedTasks timed = new UnreturnedTasks(nanos::get);
  private final AtomicInteger begun = new AtomicInteger();

  /** Fair, so that no task that begins later overtakes one that waits. */
  private final Semaphore answers = new Semaphore(0, true);

  private String answer() {
    begun.incrementAndGet();
    answers.acquireUninterruptibly();
    return "answer";
  }

  private CompletableFuture<String> call(OffloadedTask offloadedTask) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return offloadedTask.call(this::answer);
          } catch (Exception e) {
            throw new CompletionException(e);
          }
        },
        workers);
  }

  private List<CompletableFuture<String>> calls(int count) {
    return Stream.generate(() -> call(new OffloadedTask(workers, timed))).limit(count).toList();
  }

  @Test
  void oneBeginsAndEachThatTakesItsTimeLetsOneMoreRunBesideTheOthers() throws Exception {
    List<CompletableFuture<String>> calls = calls(20);
    awaitSoon(() -> answers.getQueueLength() == 1 && timed.waiting() == 19);

    nanos.addAndGet(2 * UnreturnedTasks.QUICK.toNanos());
    answers.release();
    awaitSoon(() -> answers.getQueueLength() == 2 && timed.waiting() == 17);
    nanos.addAndGet(2 * UnreturnedTasks.QUICK.toNanos());
    answers.release(2);
    awaitSoon(() -> answers.getQueueLength() == 4 && timed.waiting() == 13);
    answers.release(20);

    for (CompletableFuture<String> call : calls) {
      assertThat(call.get()).isEqualTo("answer");
    }
    assertThat(begun).hasValue(20);
  }

  @Test
  void thoseThatAreQuickRunOneAfterTheOther() throws Exception {
    List<CompletableFuture<String>> calls = calls(20);
    for (int i = 1; i <= 20; i++) {
      int nth = i;
      awaitSoon(() -> begun.get() == nth && timed.waiting() == 20 - nth);
      answers.release();
    }
    for (CompletableFuture<String> call : calls) {
      assertThat(call.get()).isEqualTo("answer");
    }
  }

  @Test
  void afterARushOneBeginsAtATimeAgain() throws Exception {
    List<CompletableFuture<String>> rush = calls(8);
    awaitSoon(() -> answers.getQueueLength() == 1 && timed.waiting() == 7);
    nanos.addAndGet(2 * UnreturnedTasks.QUICK.toNanos());
    answers.release(8);
    for (CompletableFuture<String> call : rush) {
      call.get();
    }

    List<CompletableFuture<String>> next = calls(4);
    awaitSoon(() -> begun.get() == 9 && timed.waiting() == 3);
    answers.release(4);
    for (CompletableFuture<String> call : next) {
      call.get();
    }
  }

  @Test
  void noneBeginsBesideOneThatIsOverdueUntilItReturns() throws Exception {
    CompletableFuture<String> slow = call(new OffloadedTask(workers, timed));
    awaitSoon(() -> begun.get() == 1);
    nanos.addAndGet(UnreturnedTasks.OVERDUE.toNanos());
    CompletableFuture<String> next = call(new OffloadedTask(workers, timed));
    awaitSoon(() -> timed.waiting() == 1);
    assertThat(begun).hasValue(1);

    answers.release(2);

    assertThat(slow.get()).isEqualTo("answer");
    assertThat(next.get()).isEqualTo("answer");
  }

  @Test
  void whoeverWaitsForTheirTurnCanBeEnded() throws Exception {
    CompletableFuture<String> slow = call(new OffloadedTask(workers, timed));
    awaitSoon(() -> begun.get() == 1);
    nanos.addAndGet(UnreturnedTasks.OVERDUE.toNanos());
    OffloadedTask waiting = new OffloadedTask(workers, timed);
    CompletableFuture<String> next = call(waiting);
    awaitSoon(() -> timed.waiting() == 1);

    waiting.cancel();

    assertThatThrownBy(next::get).hasCauseInstanceOf(CancellationException.class);
    assertThat(timed.waiting()).isZero();
    answers.release();
    assertThat(slow.get()).isEqualTo("answer");
    assertThat(begun).hasValue(1);
  }
}
