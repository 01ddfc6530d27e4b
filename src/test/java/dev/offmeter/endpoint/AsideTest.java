// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
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
}
