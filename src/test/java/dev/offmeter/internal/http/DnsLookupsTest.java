// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Lookups of names, of which one at a time is under way. */
@Timeout(20)
class DnsLookupsTest {
  private final ExecutorService workers = Executors.newCachedThreadPool();
  private final AtomicLong nanos = new AtomicLong();
  private final DnsLookups lookups = new DnsLookups(nanos::get);
  private final Map<String, AtomicInteger> asked = new ConcurrentHashMap<>();
  private final CountDownLatch release = new CountDownLatch(1);
  private volatile boolean interrupted;

  @AfterEach
  void endAll() {
    release.countDown();
    workers.shutdownNow();
  }

  private OffloadedTask asking() {
    return new OffloadedTask(workers, new UnreturnedTasks(), lookups);
  }

  /** Notices an interrupt, and goes on. */
  private List<InetAddress> lookup(String host) {
    asked.computeIfAbsent(host, h -> new AtomicInteger()).incrementAndGet();
    while (release.getCount() > 0) {
      try {
        release.await();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    return List.of(InetAddress.getLoopbackAddress());
  }

  private CompletableFuture<List<InetAddress>> find(String host, OffloadedTask asking) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return asking.lookUp(host, () -> lookup(host));
          } catch (ExecutionException | InterruptedException e) {
            throw new CompletionException(e);
          }
        },
        workers);
  }

  private int asked(String host) {
    AtomicInteger count = asked.get(host);
    return count == null ? 0 : count.get();
  }

  @Test
  void allWhoAskMeanwhileShareOne() {
    List<CompletableFuture<List<InetAddress>>> all =
        java.util.stream.Stream.generate(() -> find("home", asking())).limit(20).toList();
    awaitSoon(() -> asked("home") == 1 && lookups.waiting("home") == 20);

    release.countDown();

    assertThat(all).allSatisfy(found -> assertThat(found.join()).hasSize(1));
  }

  @Test
  void anotherHostIsLookedUpBesideIt() {
    CompletableFuture<List<InetAddress>> home = find("home", asking());
    CompletableFuture<List<InetAddress>> proxy = find("proxy", asking());

    awaitSoon(() -> asked("home") == 1 && asked("proxy") == 1);
    release.countDown();

    assertThat(home.join()).hasSize(1);
    assertThat(proxy.join()).hasSize(1);
  }

  @Test
  void whoeverLeavesTakesNothingFromTheOthers() {
    OffloadedTask leaving = asking();
    CompletableFuture<List<InetAddress>> left = find("home", leaving);
    awaitSoon(() -> asked("home") == 1);
    CompletableFuture<List<InetAddress>> stays = find("home", asking());
    awaitSoon(() -> lookups.waiting("home") == 2);
    nanos.addAndGet(DnsLookups.HOPELESS.toNanos());

    leaving.cancel();

    assertThatThrownBy(left::join).hasRootCauseInstanceOf(CancellationException.class);
    CompletableFuture<List<InetAddress>> comes = find("home", asking());
    awaitSoon(() -> lookups.waiting("home") == 2);
    release.countDown();
    assertThat(stays.join()).hasSize(1);
    assertThat(comes.join()).hasSize(1);
    assertThat(asked("home")).isOne();
  }

  @Test
  void whoeverIsCancelledSoonLeavesItToTheNext() {
    OffloadedTask leaving = asking();
    CompletableFuture<List<InetAddress>> left = find("home", leaving);
    awaitSoon(() -> asked("home") == 1);
    leaving.cancel();
    assertThatThrownBy(left::join).isNotNull();

    CompletableFuture<List<InetAddress>> next = find("home", asking());
    awaitSoon(() -> lookups.waiting("home") == 1);
    release.countDown();

    assertThat(next.join()).hasSize(1);
    assertThat(asked("home")).isOne();
  }

  @Test
  void oneThatAnInterruptEndsIsFollowedByAnotherForWhoeverCameMeanwhile() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    OffloadedTask leaving = asking();
    CompletableFuture<Object> left =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return leaving.lookUp(
                    "home",
                    () -> {
                      begun.countDown();
                      try {
                        new CountDownLatch(1).await();
                      } finally {
                        ended.await();
                      }
                      return List.of();
                    });
              } catch (Exception e) {
                return e;
              }
            },
            workers);
    begun.await();
    leaving.cancel();
    left.join();
    CompletableFuture<List<InetAddress>> next = find("home", asking());
    awaitSoon(() -> lookups.waiting("home") == 1);
    assertThat(asked("home")).isZero();

    ended.countDown();
    release.countDown();

    assertThat(next.join()).hasSize(1);
    assertThat(asked("home")).isOne();
  }

  @Test
  void noneBeginsAndNobodyWaitsWhileOneThatWasGivenUpHasNotReturned() {
    OffloadedTask leaving = asking();
    CompletableFuture<List<InetAddress>> left = find("home", leaving);
    awaitSoon(() -> asked("home") == 1);
    nanos.addAndGet(DnsLookups.HOPELESS.toNanos());
    leaving.cancel();
    assertThatThrownBy(left::join).isNotNull();

    assertThatThrownBy(() -> find("home", asking()).join())
        .hasRootCauseInstanceOf(OffloadedTask.EarlierTaskHangsException.class);

    awaitSoon(() -> interrupted);
    assertThat(asked("home")).isOne();
    release.countDown();
    awaitSoon(this::isFoundAgain);
  }

  /** The lookup that was released may not have returned yet. */
  private boolean isFoundAgain() throws Exception {
    try {
      return asking().lookUp("home", () -> lookup("home")).size() == 1;
    } catch (OffloadedTask.EarlierTaskHangsException e) {
      return false;
    }
  }

  /** The text of an exception may throw again. */
  @Test
  void whatALookupThrowsIsAskedNothing() {
    CompletableFuture<Throwable> cause =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                asking()
                    .lookUp(
                        "home",
                        () -> {
                          lookup("home");
                          throw new Unspeakable();
                        });
                return null;
              } catch (ExecutionException e) {
                return e.getCause();
              } catch (InterruptedException e) {
                return e;
              }
            },
            workers);
    awaitSoon(() -> asked("home") == 1 && lookups.waiting("home") == 1);

    release.countDown();

    assertThat(cause.join() instanceof Unspeakable).isTrue();
  }

  private static final class Unspeakable extends RuntimeException {
    private static final long serialVersionUID = 1L;

    @Override
    public String toString() {
      throw new IllegalStateException("no text");
    }
  }

  @Test
  void withoutAThreadThereIsNone() {
    OffloadedTask none =
        new OffloadedTask(
            task -> {
              throw new RejectedExecutionException("full");
            },
            new UnreturnedTasks(),
            lookups);

    assertThatThrownBy(() -> none.lookUp("home", () -> lookup("home")))
        .hasCauseInstanceOf(OffloadedTask.NoThreadException.class);

    release.countDown();
    assertThat(find("home", asking()).join()).hasSize(1);
  }

  @Test
  void oneThatNoThreadHasBegunIsForgottenWithWhoeverAsked() {
    OffloadedTask never = new OffloadedTask(task -> {}, new UnreturnedTasks(), lookups);
    CompletableFuture<List<InetAddress>> left = find("home", never);
    awaitSoon(() -> lookups.waiting("home") == 1);
    nanos.addAndGet(DnsLookups.HOPELESS.toNanos());

    never.cancel();
    assertThatThrownBy(left::join).isNotNull();

    release.countDown();
    assertThat(find("home", asking()).join()).hasSize(1);
  }
}
