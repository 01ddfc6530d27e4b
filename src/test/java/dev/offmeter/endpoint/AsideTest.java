// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import static dev.offmeter.testing.Loopback.quickly;
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
class AsideTest {
  private final ExecutorService workers = Executors.newCachedThreadPool();
  private final LeftBehind leftBehind = new LeftBehind();
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
    Aside aside = new Aside(workers, leftBehind);
    CompletableFuture<Void> given =
        CompletableFuture.runAsync(
            () -> assertThatThrownBy(() -> aside.call(this::hang)).isNotNull(), workers);
    running.await();
    aside.cancel();
    given.get();
  }

  @Test
  void noFurtherWorkBeginsWhileSomeWasGivenUpAndHasNotReturned() throws Exception {
    giveUpWorkThatHangs();

    assertThatThrownBy(() -> new Aside(workers, leftBehind).call(() -> "begun"))
        .isInstanceOf(Aside.Unanswered.class);
    assertThat(new Aside(workers, new LeftBehind()).call(() -> "of another endpoint"))
        .isEqualTo("of another endpoint");
  }

  @Test
  void whatReturnsAtLastIsForgotten() throws Exception {
    giveUpWorkThatHangs();

    release.countDown();

    quickly(() -> !leftBehind.isAny());
    assertThat(new Aside(workers, leftBehind).call(() -> "begun")).isEqualTo("begun");
  }

  @Test
  void workThatIsMerelySlowHoldsNobodyUp() throws Exception {
    Aside slow = new Aside(workers, leftBehind);
    CompletableFuture<String> late =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return slow.call(this::hang);
              } catch (Exception e) {
                throw new AssertionError(e);
              }
            },
            workers);
    running.await();

    assertThat(new Aside(workers, leftBehind).call(() -> "beside it")).isEqualTo("beside it");
    release.countDown();
    assertThat(late.get()).isEqualTo("late");
  }

  private final AtomicLong nanos = new AtomicLong();
  private final LeftBehind timed = new LeftBehind(nanos::get);
  private final AtomicInteger begun = new AtomicInteger();
  private final Semaphore answers = new Semaphore(0);

  private String answer() {
    begun.incrementAndGet();
    answers.acquireUninterruptibly();
    return "answer";
  }

  private CompletableFuture<String> call(Aside aside) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return aside.call(this::answer);
          } catch (Exception e) {
            throw new CompletionException(e);
          }
        },
        workers);
  }

  private List<CompletableFuture<String>> calls(int count) {
    return Stream.generate(() -> call(new Aside(workers, timed))).limit(count).toList();
  }

  @Test
  void aFewBeginAtOnceAndEachThatReturnsLetsMoreBegin() throws Exception {
    List<CompletableFuture<String>> calls = calls(20);
    quickly(() -> begun.get() == 4 && timed.waiting() == 16);

    answers.release();
    quickly(() -> begun.get() == 8);
    answers.release(4);
    quickly(() -> begun.get() == 20);
    answers.release(20);

    for (CompletableFuture<String> call : calls) {
      assertThat(call.get()).isEqualTo("answer");
    }
    assertThat(begun).hasValue(20);
  }

  @Test
  void noneBeginsBesideOneThatIsOverdueUntilItReturns() throws Exception {
    CompletableFuture<String> slow = call(new Aside(workers, timed));
    quickly(() -> begun.get() == 1);
    nanos.addAndGet(LeftBehind.OVERDUE.toNanos());
    CompletableFuture<String> next = call(new Aside(workers, timed));
    quickly(() -> timed.waiting() == 1);
    assertThat(begun).hasValue(1);

    answers.release(2);

    assertThat(slow.get()).isEqualTo("answer");
    assertThat(next.get()).isEqualTo("answer");
  }

  @Test
  void whoeverWaitsForTheirTurnCanBeEnded() throws Exception {
    CompletableFuture<String> slow = call(new Aside(workers, timed));
    quickly(() -> begun.get() == 1);
    nanos.addAndGet(LeftBehind.OVERDUE.toNanos());
    Aside waiting = new Aside(workers, timed);
    CompletableFuture<String> next = call(waiting);
    quickly(() -> timed.waiting() == 1);

    waiting.cancel();

    assertThatThrownBy(next::get).hasCauseInstanceOf(CancellationException.class);
    assertThat(timed.waiting()).isZero();
    answers.release();
    assertThat(slow.get()).isEqualTo("answer");
    assertThat(begun).hasValue(1);
  }
}
